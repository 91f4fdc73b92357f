"""The event loops in which a session's calls are awaited, besides the threads that wait."""

import threading
from typing import Callable, Optional, Protocol, Tuple

from .._system.wait_handle import WaitHandle


class Loop(Protocol):
    """One of them."""

    def wake(self) -> None:
        """Have it dispatch soon. Any thread may call this, also under a lock and in a signal handler."""
        ...

    def end(self) -> None:
        """The session has ended. Any thread may call this."""
        ...

    def is_closed(self) -> bool:
        """Whether it runs no more. Nobody says so when that begins."""
        ...


class Loops:
    """``all`` of them, and the handle for which they wait while there are any. Thread-safe."""

    def __init__(self, fire: Callable[[Optional[WaitHandle]], None]) -> None:
        """``fire``: see HostTransport."""
        self._fire = fire
        self._lock = threading.Lock()
        self._handle: Optional[WaitHandle] = None
        self.all: Tuple[Loop, ...] = ()

    def add(self, loop: Loop) -> WaitHandle:
        """From now on it is woken. Returns what it is to wait for. Raises OSError."""
        with self._lock:
            if self._handle is None:
                self._handle = WaitHandle()
                self._fire(self._handle)
            self.all = (*(one for one in self.all if not one.is_closed()), loop)
            return self._handle

    def remove(self, loop: Loop) -> None:
        """No longer. It must have stopped waiting."""
        with self._lock:
            self._keep(lambda one: one is not loop)

    def forget_closed(self) -> bool:
        """Remove those that are closed; whether there were any. Any thread may call this, also under a lock
        and in a signal handler, so it leaves them to the next time if the lock is taken.
        """
        if self._lock.locked() or not any(one.is_closed() for one in self.all):
            return False
        with self._lock:
            self._keep(lambda one: not one.is_closed())
        return True

    def _keep(self, is_kept: Callable[[Loop], bool]) -> None:
        self.all = tuple(filter(is_kept, self.all))
        if not self.all and self._handle:
            self._fire(None)
            self._handle.close()
            self._handle = None

    def wake(self) -> None:
        """Have all of them dispatch."""
        for loop in self.all:
            loop.wake()

    def end(self) -> None:
        """The session has ended: they forget it."""
        for loop in self.all:
            loop.end()
