"""Sleeping until something changes, in a way that survives interruptions.

``threading.Condition`` does not suit a thread that signals may interrupt: an exception at the wrong
moment inside ``wait`` leaves its lock locked forever, and a signal handler that uses it, too, would wait
for the thread that it interrupted.
"""

import _thread
import contextlib
from collections import deque
from typing import Deque

LockType = _thread.LockType

# Every sleep is bounded, so that an interrupted wake-up causes no more than a delay.
_LONGEST_S = 1.0


class Waiters:
    """The sleeping threads. A thread calls ``enter``, then looks whether it needs to ``sleep``. Whoever
    changes what it looks at calls ``wake_all`` afterwards.
    """

    def __init__(self) -> None:
        self.sleepers: Deque[LockType] = deque()

    def enter(self) -> LockType:
        """From now on a change will end the sleep that follows."""
        sleeper = _thread.allocate_lock()
        sleeper.acquire()
        self.sleepers.append(sleeper)
        return sleeper

    def sleep(self, sleeper: LockType, timeout_s: float) -> None:
        """Sleep until something has changed since ``enter``, for at most ``timeout_s`` or a second;
        then the caller looks again.
        """
        try:
            sleeper.acquire(timeout=min(timeout_s, _LONGEST_S))
        finally:
            with contextlib.suppress(ValueError):  # it was woken and is no longer listed
                self.sleepers.remove(sleeper)

    def wake_all(self) -> None:
        """Call it after something has changed."""
        with contextlib.suppress(IndexError):
            while True:
                self.sleepers.popleft().release()
