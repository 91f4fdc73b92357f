"""Which thread ends a session or its worker, and which ones wait for that.

An end is carried out in a thread of its own. So an exception (Ctrl+C) in the thread that asked for it does
not stop it halfway; and a signal handler, or the garbage collector, that has interrupted our own code can
ask for it and return, so that the interrupted code can go on.
"""

import threading
from typing import Callable, List, TypeVar

from .._base.errors import LaunchError
from .._system.latch import Latch
from .._system.lazy_thread import LazyThread, is_ours
from .interruption import has_interrupted_us

_Result = TypeVar("_Result")


class Ending:
    """Carries out the ends of one session. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def carry_out(self, action: Callable[[], None], *, is_finalizer: bool = False) -> None:
        """Run ``action`` after everything that was asked for earlier, and wait for it.
        It may be asked for twice.

        A callback runs it in its own thread, and does not wait for others. A signal handler that has
        interrupted our own code only starts it, and so does a finalizer; it finishes afterwards.
        """
        has_interrupted = has_interrupted_us(is_finalizer=is_finalizer)
        if is_ours() and not has_interrupted:
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
        except LaunchError:  # no thread is left, or the interpreter is shutting down
            act()
        if not has_interrupted:
            done.wait(float("inf"))

    def _do(self, action: Callable[[], None]) -> None:
        try:
            action()
        finally:
            self._lock.release()


def unbroken(action: Callable[[], _Result]) -> _Result:
    """Run ``action`` to its end even if the caller is interrupted, so that for example a launched worker is
    not forgotten. Since signals interrupt only the main thread, the main thread has another one do it.
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
