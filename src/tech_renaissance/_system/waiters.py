"""Sleeping until something changes, whatever interrupts it.

``threading.Condition`` is not for a thread that signals interrupt: an exception at the wrong moment inside ``wait`` leaves its lock with
nobody, and a signal handler that gets there, too, waits for the thread that it interrupted.
"""

import _thread
import contextlib
from collections import deque
from typing import Deque

LockType = _thread.LockType

# Every sleep is bounded, so that a wake-up that was interrupted could only delay.
_LONGEST_S = 1.0


class Waiters:
    """The threads that sleep. ``enter``, then look whether to ``sleep``; who changes what they look at, calls ``wake_all`` after it."""

    def __init__(self) -> None:
        self.sleepers: Deque[LockType] = deque()

    def enter(self) -> LockType:
        """From now on a change ends the sleep that follows."""
        sleeper = _thread.allocate_lock()
        sleeper.acquire()
        self.sleepers.append(sleeper)
        return sleeper

    def sleep(self, sleeper: LockType, timeout_s: float) -> None:
        """Sleep until something has changed since ``enter``, or so long, or for a second: look again then."""
        try:
            sleeper.acquire(timeout=min(timeout_s, _LONGEST_S))
        finally:
            with contextlib.suppress(ValueError):  # it has been woken
                self.sleepers.remove(sleeper)

    def wake_all(self) -> None:
        """Something has changed."""
        with contextlib.suppress(IndexError):
            while True:
                self.sleepers.popleft().release()
