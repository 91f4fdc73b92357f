"""Who ends a session or its worker, and who waits for that.

An end is carried out by a thread of its own. An exception (Ctrl+C) in the thread that asked for it does not stop it half-way; and a signal
handler that has interrupted the session's own code can ask for it, and return, so that what it interrupted can go on.
"""

import os
import sys
import threading
from typing import TYPE_CHECKING, Callable, List, Optional, TypeVar

from .._base.errors import LaunchError
from .._system.latch import Latch
from .._system.lazy_thread import LazyThread, is_ours

if TYPE_CHECKING:
    from types import FrameType

_Result = TypeVar("_Result")

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FOLDERS = tuple(
    os.path.join(_PACKAGE, folder, "") for folder in ("_host", "_process", "_transport", "_system")
)


class Ending:
    """Ends of one session. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def carry_out(self, action: Callable[[], None]) -> None:
        """Have ``action`` done, and wait for it, and for what others have asked for before. It may be asked for twice.

        In a callback the thread of it is this one, and does not wait for others. In a signal handler that has interrupted the session's own
        code, it is begun; it ends after the handler.
        """
        if is_ours():
            if self._lock.acquire(blocking=False):
                self._do(action)
            return
        done = Latch()

        def act() -> None:
            try:
                self._lock.acquire()
                self._do(action)
            finally:
                done.set()

        try:
            LazyThread("end", act).start()
        except LaunchError:  # none is left, or the interpreter ends
            act()
        if not has_interrupted_us():
            done.wait(float("inf"))

    def _do(self, action: Callable[[], None]) -> None:
        try:
            action()
        finally:
            self._lock.release()


def unbroken(action: Callable[[], _Result]) -> _Result:
    """Run ``action`` to its end, whatever interrupts the caller: a worker that is launched must not be forgotten, say. Signals come to the
    main thread, so that has another do it.
    """
    if threading.current_thread() is not threading.main_thread():
        return action()
    results: List[_Result] = []
    errors: List[BaseException] = []
    done = Latch()

    def act() -> None:
        try:
            results.append(action())
        except BaseException as error:
            errors.append(error)
        done.set()

    try:
        LazyThread("start", act).start()
    except LaunchError:
        act()
    done.wait(float("inf"))
    if errors:
        raise errors.pop()
    return results[0]


def has_interrupted_us() -> bool:
    """Whether the caller is a signal handler, in the middle of code of ours. Only the main thread runs those."""
    if threading.current_thread() is not threading.main_thread():
        return False
    frame: Optional[FrameType] = sys._getframe(2)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    while frame:
        if frame.f_code.co_filename.startswith(_FOLDERS):
            return True
        frame = frame.f_back
    return False
