"""Samples of jobs and of their limits, and how they are kept."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

HERE = Path(__file__).parent
WORKER = str(HERE / "workers" / "bench_worker.py")
# Jobs and their limits are measured in turns: a machine that is shared has its moods.
ROUNDS = 3


class Figure(NamedTuple):
    """One row: the job's samples, its limit's, and the bar. Without a bar the limit explains the row above. ``percentile``: of the
    samples that is held against the bar.
    """

    job: str
    samples_us: List[float]
    limit_us: Optional[float]  # median of the limit, where the bar is a ratio
    bar: Optional[float]  # microseconds, or a ratio to the limit
    percentile: int = 50

    @property
    def value_us(self) -> float:
        """What is held against the bar."""
        return percentile_of(self.samples_us, self.percentile)


def percentile_of(samples: List[float], percentile: int) -> float:
    """The median, or a higher percentile."""
    if percentile == 50:
        return statistics.median(samples)
    return sorted(samples)[int(len(samples) * percentile / 100)]


class Bench:
    """Runs jobs and keeps what they printed."""

    def __init__(self, executable: str, workspace: str, *, quick: bool) -> None:
        self.raw: Dict[str, List[Any]] = defaultdict(list)
        self.processors = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
        self.threads = 1  # of torch, here and in the worker
        self._executable = executable
        self._quick = quick
        self._environment = {**os.environ, "TR_WORKSPACE": workspace, "TR_PYTHON": sys.executable}
        # An installed package has its bytecode; without it a worker's start would be that of a compiler.
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def count(self, full: int) -> int:
        """How many times: a tenth in a quick run."""
        return max(5, full // 10) if self._quick else full

    def cpp(
        self,
        job: str,
        count: int,
        script: str = WORKER,
        *arguments: object,
        transport: str = "shm",
        look_us: Optional[int] = None,
    ) -> Dict[str, Any]:
        """Run a job of the C++ host."""
        environment = {**self._environment, "TR_TRANSPORT": transport, "TR_BENCH_THREADS": str(self.threads)}
        if look_us is not None:
            environment["TR_LOOK_US"] = str(look_us)
        command = [self._executable, job, script, str(self.count(count)), *map(str, arguments)]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
        result: Dict[str, Any] = json.loads(output)
        behind = [] if script == WORKER else [Path(script).stem]
        name = " ".join(["cpp", job, *behind, *map(str, arguments), transport])
        self.raw[f"{name}, {self.threads} threads"].append(result)
        return result

    def samples(
        self,
        job: str,
        count: int,
        script: str = WORKER,
        *arguments: object,
        transport: str = "shm",
        look_us: Optional[int] = None,
    ) -> List[float]:
        """The samples of a job of the C++ host."""
        result = self.cpp(job, count, script, *arguments, transport=transport, look_us=look_us)
        samples: List[float] = result["samples_us"]
        return samples

    def in_process(self) -> Dict[str, List[float]]:
        """The limits of tensor jobs."""
        command = [sys.executable, str(HERE / "workers" / "in_process.py"), str(self.threads)]
        result: Dict[str, List[float]] = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        )
        self.raw[f"in process, {self.threads} threads"].append(result)
        return result

    def python(self, name: str, action: Callable[[], object], count: int, pause_s: float = 0) -> List[float]:
        """Sample something in this process."""
        samples: List[float] = []
        count = self.count(count)
        for index in range(-(count // 10) - 2, count):
            if pause_s:
                time.sleep(pause_s)
            start = time.perf_counter_ns()
            action()
            if index >= 0:
                samples.append((time.perf_counter_ns() - start) / 1000)
        self.raw[name].append({"samples_us": samples})
        return samples
