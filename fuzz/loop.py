"""The loop of the fuzzers: attempt after attempt, until the time or the number of runs is used up."""

import argparse
import random
import sys
import time
from typing import Callable, TypeVar

_Data = TypeVar("_Data")


def main(attempt: Callable[[random.Random], object]) -> int:
    """Run the loop as the command line says. Each attempt has a seed of its own, which is printed if it fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--runs", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    end = time.monotonic() + options.seconds
    count = 0
    while count < options.runs and time.monotonic() <= end:
        try:
            attempt(random.Random(options.seed + count))
        except BaseException:
            print(f"failed: --seed {options.seed + count} --runs 1")
            raise
        count += 1
    print(f"{count} runs, no failure")
    return 0


def check_shown(check: Callable[[_Data], object], data: _Data) -> None:
    """Check; what fails is printed as a literal."""
    try:
        check(data)
    except BaseException:
        print(f"failed on {data!r}")
        raise
