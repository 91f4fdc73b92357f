"""Something that happens once, and threads that wait for it safely even if they are
interrupted: see waiters.py.
"""

import time

from .waiters import Waiters


class Latch:
    """Becomes set once, for good. Takes no lock, so a signal handler may use it even if
    it interrupted another use.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._waiters = Waiters()

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._is_set

    def set(self) -> None:
        """Mark it as having happened, and wake all waiters."""
        self._is_set = True
        self._waiters.wake_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait for it; False if it has not happened after the timeout, which may be of any length."""
        until = time.monotonic() + timeout_s
        while not self._is_set:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            sleeper = self._waiters.enter()
            self._waiters.sleep(sleeper, 0.0 if self._is_set else left_s)
        return True
