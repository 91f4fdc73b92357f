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
        self._latest: Optional[threading.Thread] = None
        self._runner: Optional[threading.Thread] = None  # the one that runs the function
        self._claim = threading.Lock()  # never released
        self._is_starting = False
        self._is_started = False

    @property
    def is_current(self) -> bool:
        """Whether the caller is running in this thread."""
        return self._runner is threading.current_thread()

    @property
    def has_ended(self) -> bool:
        """Whether it was started, and runs no more."""
        return self._runner is not None and not self._runner.is_alive()

    def start(self) -> None:
        """Start it, unless it has been started. If a signal handler has interrupted this, and calls it, it
        starts after the handler. Raises LaunchError ``launch_failed`` if the system has no thread left.
        """
        if self._is_starting or self._is_started:
            return
        self._is_starting = True
        try:
            self._start()
        finally:
            self._is_starting = False

    def join(self) -> None:
        """Wait for its end, unless it was never started or the caller is running in it."""
        if self.is_current:
            return
        if self._latest is not None and self._latest.ident is not None:
            self._latest.join()
        if self._runner is not None:
            self._runner.join()

    def _start(self) -> None:
        # Where a signal handler raises while a thread starts, nobody can tell whether that thread will run:
        # Thread.start takes back what it needs, unless it has it already. So there is another one then, and
        # whichever comes first runs the function.
        self._latest = threading.Thread(target=self._begin, name=self._name, daemon=True)
        try:
            self._latest.start()
        except RuntimeError as error:
            raise LaunchError("launch_failed", f"cannot start a thread: {error}") from error
        self._is_started = True

    def _begin(self) -> None:
        if self._claim.acquire(False):
            self._runner = threading.current_thread()
            self._run()
