"""A thread that starts when it is first needed, so that sessions that do not need it have no thread."""

import threading
from typing import Callable, Optional

from .._base.errors import LaunchError

_PREFIX = "tech_renaissance "


def is_ours() -> bool:
    """Whether the current thread is one of ours. Others may be waiting for it, for
    example while it runs a callback.
    """
    return threading.current_thread().name.startswith(_PREFIX)


class LazyThread:
    """Does not keep the interpreter alive. ``start`` is not thread-safe; its callers must hold a lock."""

    def __init__(self, name: str, run: Callable[[], object]) -> None:
        self._name = _PREFIX + name
        self._run = run
        self._thread: Optional[threading.Thread] = None
        self._is_starting = False

    @property
    def is_current(self) -> bool:
        """Whether the caller is running in this thread."""
        return self._thread is threading.current_thread()

    @property
    def has_ended(self) -> bool:
        """Whether it was started, and runs no more."""
        return self._thread is not None and self._thread.ident is not None and not self._thread.is_alive()

    def start(self) -> None:
        """Start it, unless it has been started. If a signal handler has interrupted this, and calls it, it
        starts after the handler. Raises LaunchError ``launch_failed`` if the system has no thread left.
        """
        if self._is_starting:
            return
        self._is_starting = True
        try:
            self._start()
        finally:
            self._is_starting = False

    def join(self) -> None:
        """Wait for its end, unless it was never started or the caller is running in it."""
        if self._thread is not None and self._thread.ident is not None and not self.is_current:
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:  # noted first: an exception may come once it runs
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        if self._thread.ident is None:
            try:
                self._thread.start()
            except RuntimeError as error:
                raise LaunchError("launch_failed", f"cannot start a thread: {error}") from error
