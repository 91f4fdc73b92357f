"""A thread of ours that starts when it is first needed: sessions that do not need it have none."""

import threading
from typing import Callable, Optional

from .._base.errors import LaunchError

_PREFIX = "tech_renaissance "


def is_ours() -> bool:
    """Whether the current thread is one of ours: one that runs callbacks, perhaps, and that others wait for."""
    return threading.current_thread().name.startswith(_PREFIX)


class LazyThread:
    """Does not keep the interpreter alive. ``start`` is not thread-safe: its callers hold a lock."""

    def __init__(self, name: str, run: Callable[[], object]) -> None:
        self._name = _PREFIX + name
        self._run = run
        self._thread: Optional[threading.Thread] = None

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in it."""
        return self._thread is threading.current_thread()

    def start(self) -> None:
        """Start it, if it has not been. Raises LaunchError ``launch_failed`` if the system has no thread left."""
        if self._thread is None:  # noted first: an exception may come once it runs
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        if self._thread.ident is None:
            try:
                self._thread.start()
            except RuntimeError as error:
                raise LaunchError("launch_failed", f"cannot start a thread: {error}") from error

    def join(self) -> None:
        """Wait for its end, unless it never began, or the caller runs in it."""
        if self._thread is not None and self._thread.ident is not None and not self.is_current:
            self._thread.join()
