"""The faults of POSIX; see strikes.py."""

import os
import select
import signal
import time
from typing import List, Tuple

from leaks import wait_until
from processes import is_alive

# Ways to end a worker, and the one that is not always a death, because a handler may answer it.
WAYS = ("SIGKILL", "SIGKILL", "SIGSEGV", "SIGABRT", "SIGTERM")
GENTLE = "SIGTERM"
DIRECTORY_WAYS = ("directory removed", "directory moved", "directory swapped", "lock removed")
# Of StrangeTurns.
STRANGE = (
    "interrupt_host",
    "fork_host",
    "outlive_host",
    "raise_in_callbacks",
    "start_in_link",
    "remove_workspace",
)
# The median from a worker's death to its error.
LIMIT_S = 0.050
# Longer than anything may take on a busy machine.
PATIENCE_S = 20.0


def strike(pid: int, way: str) -> None:
    """End a process."""
    os.kill(pid, signal.Signals[way])


def statuses(way: str) -> Tuple[int, ...]:
    """How the end shows."""
    number = signal.Signals[way]
    return (-number, 128 + number) if way == GENTLE else (-number,)


class Ends:
    """The ends of processes that run now, noticed at once where the system can."""

    def __init__(self, pids: List[int]) -> None:
        self._pids = pids
        self._ends = [os.pidfd_open(pid) for pid in pids] if hasattr(os, "pidfd_open") else []

    def wait(self, patience_s: float) -> bool:
        """Until all have come."""
        if not self._ends:
            return wait_until(lambda: not any(map(is_alive, self._pids)), patience_s)
        deadline = time.monotonic() + patience_s
        try:
            waiting = list(self._ends)
            while waiting and time.monotonic() < deadline:
                ready, _, _ = select.select(waiting, [], [], deadline - time.monotonic())
                waiting = [end for end in waiting if end not in ready]
            return not waiting
        finally:
            for end in self._ends:
                os.close(end)
