"""How a worker handles signals while it serves."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Callable, List, Optional

from .._system.forks import in_children
from .standard_streams import flush_streams, prepare_streams

if sys.platform == "win32":
    from .._system.error_mode_windows import end_at_once


def hear_interrupts() -> None:
    """Undo an inherited "ignore SIGINT": a host in a shell's background
    ignores it, and so do its children.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def orderly_signals(on_leave: Callable[[], None]) -> Any:
    """While serving: SIGTERM lets the worker leave in an orderly way, native crashes print a
    stack, and prints appear at once.
    """
    ended_by: List[int] = []

    def leave(number: int, _: Optional[FrameType]) -> None:
        on_leave()
        ended_by.append(number)
        raise SystemExit(128 + number)

    if sys.platform == "win32":
        end_at_once()
    prepare_streams()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)

    def default_in_children() -> None:
        if signal.getsignal(signal.SIGTERM) is leave:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    forget = in_children(default_in_children)
    try:
        yield
    finally:
        forget()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if ended_by:
            flush_streams()
            os.kill(os.getpid(), ended_by[0])  # so that the exit status shows the true reason
