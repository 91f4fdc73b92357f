"""The main job, from Python: a worker with real PyTorch says hello and multiplies matrices, and every call is timed.

The exit status is not zero if any answer is wrong.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any, Callable, List, Tuple

import torch

from tech_renaissance import PythonSession, TechRenaissanceError

WORKERS = Path(__file__).resolve().parents[1] / "workers"


class Stopwatch:
    """Calls functions, and keeps what they took for the table."""

    def __init__(self) -> None:
        self._rows: List[Tuple[str, float]] = []

    def time(self, call: str, action: Callable[[], Any], count: int = 1) -> Any:
        """Call ``count`` times and note the median; returns what the last call returned."""
        times: List[float] = []
        result: Any = None
        for _ in range(count):
            begin = time.perf_counter()
            result = action()
            times.append((time.perf_counter() - begin) * 1000)
        self._rows.append((call, statistics.median(times)))
        return result

    def print(self) -> None:
        """Print the table."""
        print(f"  {'call':<48} {'time':>12}\n  {'-' * 61}")
        for call, ms in self._rows:
            print(f"  {call:<48} {ms:9.3f} ms")


def check(right: bool, what: str) -> None:
    """Print what was checked; end the program if it is wrong."""
    print(f"  {'ok    ' if right else 'WRONG '}{what}", flush=True)
    if not right:
        sys.exit(1)


def say_hello(session: PythonSession, watch: Stopwatch) -> None:
    """Text in, text out."""

    def hello() -> Any:
        return session.call("hello", "world")

    watch.time("first hello", hello)
    answer = watch.time("hello, median of 200", hello, 200)
    check(answer == "hello world", f"the worker answers: {answer}")


def multiply(session: PythonSession, watch: Stopwatch) -> None:
    """The matrices of every first example."""
    a, b = torch.full((4, 3), 1.5), torch.full((3, 5), 2.0)

    def matmul() -> Any:
        return session.call("matmul", a, b)

    watch.time("first matmul, 4x3 and 3x5", matmul)
    result = watch.time("matmul, median of 200", matmul, 200)
    check(torch.equal(result, torch.full((4, 5), 9.0)), "4x3 times 3x5 is 4x5, 9.0 in every element")
    print(f"\nresult:\n{result}\n")


def multiply_large(session: PythonSession, watch: Stopwatch) -> None:
    """Matrices with some weight: from ordinary memory, and from memory that the worker sees, too."""
    ordinary = torch.ones(1024, 1024)
    shared = session.empty((1024, 1024)).fill_(1)
    for a, what in ((ordinary, "copied, 4 MiB"), (shared, "shared")):

        def matmul(a: Any = a) -> Any:
            return session.call("matmul", a, a)

        result = watch.time(f"matmul of 1024x1024, {what}, median of 5", matmul, 5)
        check(
            torch.equal(result, torch.full((1024, 1024), 1024.0)), f"1024x1024 times itself is right, {what}"
        )


def main() -> None:
    """Start a worker, put it to work, and print what each call took."""
    watch = Stopwatch()
    session = PythonSession(WORKERS / "demo_worker.py", "demo_python")
    print("\nA Python host and a PyTorch worker\n")

    def start() -> bool:
        session.start()
        return session.wait_until_ready(60000)

    check(watch.time("start until ready (Python and PyTorch loaded)", start), "the worker is ready")

    say_hello(session, watch)
    print(f"        it runs {session.call('versions')}")
    multiply_large(session, watch)
    multiply(session, watch)
    watch.time("leave, process ended (PyTorch unloaded)", lambda: session.please_exit(5000, True))
    watch.print()
    session.close()


if __name__ == "__main__":
    try:
        main()
    except TechRenaissanceError as error:
        sys.exit(f"{error.code}: {error}")
