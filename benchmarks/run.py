"""Measures every job next to its limit, in the same run on the same machine, prints one table, and keeps the raw data.

Jobs with a C++ host are those of ``cpp/bench.cpp``; limits are a bare socket, the same torch operation in one process, and
``python -c "import numpy"``. A bar compares medians. docs/performance.md says what the figures mean.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from typing import Any, Dict, List

from measure import HERE, ROUNDS, WORKER, Bench, Figure, percentile_of
from values import value_figures

ECHO = str(HERE / "workers" / "socket_echo.py")
NUMPY_WORKER = str(HERE / "workers" / "numpy_worker.py")
SOCKET_WORKER = str(HERE / "workers" / "socket_worker.py")


def small_figures(bench: Bench) -> List[Figure]:
    """Text calls, back to back and asleep, of both hosts; small tensors, C++ host."""
    jobs: Dict[str, List[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for job, count in (
            ("text", 7000),
            ("sum_16_changed", 3000),
            ("sum_16_unchanged", 3000),
            ("text_every_1_ms", 1000),
            ("text_every_20_ms", 100),
        ):
            jobs[job] += bench.samples(job, count)
        jobs["echo"] += bench.samples("socket_every_20_ms", 100, ECHO)
        jobs["worker behind a socket"] += bench.samples("socket_every_20_ms", 100, SOCKET_WORKER)
        jobs["files"] += bench.samples("text", 700, transport="file")
        jobs["looking"] += bench.samples("text_every_5_ms", 300, look_us=20_000)
        jobs["python echo"] += _python_socket(bench, 100)
        for name, samples in _python_calls(bench).items():
            jobs[name] += samples
    paced = jobs["text_every_20_ms"]
    limit = {name: statistics.median(samples) for name, samples in jobs.items()}
    rows = [
        Figure("text call, C++", jobs["text"], None, 4),
        Figure("text call, Python", jobs["python text"], None, 10),
        Figure("  its tail", jobs["python text"], None, 40, 99),
    ]
    for host, name in (("C++", "text_every_1_ms"), ("Python", "python text every 1 ms")):
        rows += [
            Figure(f"text call every 1 ms, {host}, tail", jobs[name], None, 150, 99),
            Figure("  against its median", jobs[name], limit[name], 3, 99),
        ]
    return [
        *rows,
        Figure("every 5 ms, both sides looking, C++", jobs["looking"], limit["text"], 1.5),
        Figure("text call every 20 ms, C++", paced, limit["echo"], 2.2),
        Figure("  against a worker behind a socket", paced, limit["worker behind a socket"], None),
        Figure("text call every 20 ms, Python", jobs["python text paced"], limit["python echo"], 3),
        Figure("text call over files, C++", jobs["files"], None, 1000),
        Figure("two 16x16 in, sum out", jobs["sum_16_changed"], None, 12),
        Figure("the same, tags unchanged", jobs["sum_16_unchanged"], None, 7),
    ]


def _python_calls(bench: Bench) -> Dict[str, List[float]]:
    """Text calls of this process."""
    from tech_renaissance import PythonSession

    with PythonSession(WORKER, "bench_python", True, transport="shm") as session:
        session.wait_until_ready(60000)

        def call() -> None:
            session.fetch_response("hello world")

        return {
            "python text": bench.python("python text", call, 7000),
            "python text every 1 ms": bench.python("python text every 1 ms", call, 1000, 0.001),
            "python text paced": bench.python("python text paced", call, 100, 0.02),
        }


def _python_socket(bench: Bench, count: int) -> List[float]:
    """A bare socket ping-pong between two Pythons, every 20 ms."""
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        echo = subprocess.Popen(
            [sys.executable, ECHO, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

        def ping() -> None:
            ours.sendall(b"!")
            ours.recv(1)

        samples = bench.python("python socket paced", ping, count, 0.02)
        ours.close()
        echo.wait()
    return samples


def tensor_figures(bench: Bench, threads: int) -> List[Figure]:
    """Large tensors of the C++ host against torch in one process, with the same number of threads."""
    bench.threads = threads
    jobs: Dict[str, List[float]] = defaultdict(list)
    limits: Dict[str, List[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, times in bench.in_process().items():
            limits[name] += times
        limits["memcpy_4096"] += bench.samples("copy", 10)
        for job, count in (
            ("add_1024", 100),
            ("add_4096", 10),
            ("ordinary_4096", 10),
            ("natural_4096", 10),
            ("matmul_1024", 20),
        ):
            jobs[job] += bench.samples(job, count)
        for size, count in ((1024, 100), (4096, 10)):
            limits[f"socket_{size}"] += bench.samples("socket", count, ECHO, "add", size, threads)
    limit = {name: statistics.median(times) for name, times in limits.items()}
    ordinary = 2 * limit["memcpy_4096"] + limit["add_out_4096"]
    rows = [
        ("1024x1024 a + b in place", jobs["add_1024"], limit["add_out_1024"], 1.10),
        ("  against a socket", jobs["add_1024"], limit["socket_1024"], None),
        ("4096x4096 a + b in place", jobs["add_4096"], limit["add_out_4096"], 1.05),
        ("  against a socket", jobs["add_4096"], limit["socket_4096"], None),
        ("  against fresh memory", jobs["add_4096"], limit["add_fresh_4096"], 1.0),
        ("4096x4096 from ordinary memory", jobs["ordinary_4096"], ordinary, 1.2),
        ("4096x4096 from ordinary memory, natural", jobs["natural_4096"], limit["add_fresh_4096"], 1.0),
        ("1024x1024 matmul", jobs["matmul_1024"], limit["matmul_1024"], 1.03),
    ]
    return [Figure(f"{name}, {threads} thr.", *rest) for name, *rest in rows]


def numpy_figures(bench: Bench) -> List[Figure]:
    """Arrays of a worker without torch, of both hosts, against shared memory and a pipe by hand."""
    jobs: Dict[str, List[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for job in ("sum_16_changed", "add_16_changed"):
            jobs[job] += bench.samples(job, 3000, NUMPY_WORKER)
        jobs["cpp 1024"] += bench.samples("ordinary_1024", 200, NUMPY_WORKER)
        for name, samples in _python_arrays(bench).items():
            jobs[name] += samples
        for size, count in ((16, 3000), (1024, 200)):
            jobs[f"by hand {size}"] += _by_hand(bench, size, count)
    limit = {name: statistics.median(samples) for name, samples in jobs.items()}
    return [
        Figure("numpy, two 16x16 in, a + b, C++", jobs["sum_16_changed"], None, 12),
        Figure("numpy, the same into empty, C++", jobs["add_16_changed"], None, 15),
        Figure("numpy, two 16x16 in, a + b, Python", jobs["python sum 16"], None, 20),
        Figure("numpy, the same into empty, Python", jobs["python add 16"], None, 20),
        Figure("  against shared_memory by hand", jobs["python add 16"], limit["by hand 16"], None),
        Figure(
            "numpy, two 1024x1024 in, empty, Python", jobs["python add 1024"], limit["by hand 1024"], 1.15
        ),
        Figure("  the same, C++", jobs["cpp 1024"], limit["by hand 1024"], None),
    ]


def _python_arrays(bench: Bench) -> Dict[str, List[float]]:
    """Arrays sent by this process."""
    import numpy as np

    from tech_renaissance import PythonSession

    samples: Dict[str, List[float]] = {}
    with PythonSession(NUMPY_WORKER, "bench_arrays", True, transport="shm", library="numpy") as session:
        session.wait_until_ready(60000)
        for command, size, count in (("sum", 16, 3000), ("add", 16, 3000), ("add", 1024, 200)):
            a, b = np.full((size, size), 1.5, np.float32), np.full((size, size), 2.0, np.float32)

            def call(a: Any = a, b: Any = b, command: str = command) -> None:
                session.send_tensor(a, "a")
                session.send_tensor(b, "b")
                if session.fetch_tensor(f"{command} a b")[0, 0] != 3.5:
                    sys.exit("a wrong sum")

            name = f"python {command} {size}"
            samples[name] = bench.python(name, call, count)
    return samples


def _by_hand(bench: Bench, size: int, count: int) -> List[float]:
    command = [sys.executable, str(HERE / "workers" / "by_hand.py"), str(size), str(bench.count(count))]
    samples: List[float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    bench.raw[f"by hand {size}"].append(samples)
    return samples


def start_figure(bench: Bench) -> Figure:
    """From nothing to the first answer, against an interpreter that imports numpy."""
    command = [sys.executable, "-c", "import numpy"]
    limit = bench.python("import numpy", lambda: subprocess.run(command, check=True), 20)
    samples = bench.samples("start", 20, NUMPY_WORKER)
    return Figure("session start to first answer", samples, statistics.median(limit), 1.25)


# What a file that uses a session would include anyway, and a program of a few lines: see benchmarks/compile.
_FORMS = {
    "standard headers": ("standard_headers.cpp", []),
    "compiled target": ("session.cpp", ["-DTR_COMPILED", "-DTR_BUILD_PYTHON_SESSION"]),
    "header-only": ("session.cpp", []),
}


def compile_figures(bench: Bench) -> List[Figure]:
    """One more file that includes the header, in both forms; processor time, so that a busy machine counts less."""
    compiler = os.environ.get("CXX", "c++")
    include = str(HERE.parent / "cpp" / "include")
    samples: Dict[str, List[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for name, (source, definitions) in _FORMS.items():
                command = [compiler, "-std=c++17", "-O2", "-I", include, *definitions, "-c"]
                command += [str(HERE / "compile" / source), "-o", os.path.join(folder, "out.o")]
                before = os.times().children_user
                subprocess.run(command, check=True)
                samples[name].append((os.times().children_user - before) * 1e6)
    bench.raw["compile"].append(dict(samples))
    standard = statistics.median(samples["standard headers"])
    return [
        Figure("one more file with the header, -O2", samples["compiled target"], standard, 5),
        Figure("  in seconds", samples["compiled target"], None, 1_200_000),
        Figure("  header-only", samples["header-only"], None, 5_000_000),
    ]


def show(figures: List[Figure]) -> bool:
    """Print the table; whether every bar was met."""
    print(f"{'job':42} {'p50':>11} {'p99':>11} {'limit':>11} {'measured':>9} {'bar':>6}  met")
    met_all = True
    for figure in figures:
        median, p99 = (percentile_of(figure.samples_us, percentile) for percentile in (50, 99))
        measured = figure.value_us / figure.limit_us if figure.limit_us else figure.value_us
        limit = f"{figure.limit_us:.1f} us" if figure.limit_us else ""
        verdict = ""
        if figure.bar is not None:
            verdict = f"{figure.bar:6.2f}  " + ("yes" if measured <= figure.bar else "NO")
            met_all = met_all and measured <= figure.bar
        print(
            f"{figure.job:42} {median:8.1f} us {p99:8.1f} us {limit:>11} {measured:9.2f} {verdict}".rstrip()
        )
    return met_all


def show_memory(bench: Bench) -> None:
    """Print what an idle session and many calls cost."""
    for transport in ("shm", "file"):
        idle = bench.cpp("idle", 1, transport=transport)
        host, worker = (100 * idle[f"{side}_cpu_s"] / idle["seconds"] for side in ("host", "worker"))
        print(
            f"idle session over {transport:4}: host {host:.3f} % CPU, worker {worker:.3f} % CPU, over {idle['seconds']} s"
        )
    memory = bench.cpp("memory", 100_000)
    share = memory["peak_nbytes"] / memory["peak_live_nbytes"]
    print(
        f"memory of the arenas, mixed calls: {memory['warm_nbytes'] / 1e6:.1f} MB after a tenth, peak {memory['peak_nbytes'] / 1e6:.1f} MB; "
        f"live blocks at most {memory['peak_live_nbytes'] / 1e6:.1f} MB ({share:.2f} x, bar 1.10)"
    )


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executable", help="the built benchmarks/cpp/bench.cpp")
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    arguments = parser.parse_args()
    workspace = tempfile.mkdtemp()
    try:
        bench = Bench(arguments.executable, workspace, quick=arguments.quick)
        print(
            f"{platform.machine()}, {os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}"
        )
        figures = [*small_figures(bench), *numpy_figures(bench), *value_figures(bench), start_figure(bench)]
        figures += compile_figures(bench)
        for threads in sorted({max(1, bench.processors - 1), bench.processors}):
            figures += tensor_figures(bench, threads)
        met = show(figures)
        show_memory(bench)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    target = HERE / "results" / f"{time.strftime('%Y-%m-%d-%H%M')}.json"
    target.write_text(json.dumps(bench.raw))
    print(f"raw data: {target.relative_to(HERE.parent)}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
