"""interrupt_posix.py for Windows, where the host cannot send a signal: it sets an event, for
which a thread of the worker waits.
"""

import _winapi
import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Callable, Generator, List, Optional

from .._system.event_windows import make_event, set_event
from .stack_file import StackFile

# The source lines of stacks come from files. After reading each, this thread would
# wait for a busy main thread.
_EAGER_S = 1e-4


@contextlib.contextmanager
def interruptible(
    directory: str, interrupt: Callable[[], None], is_cancelled: Callable[[], bool]
) -> Generator[None, None, None]:
    """While serving, let the host have ``interrupt`` run in the main thread, and ask for the stacks."""
    inherited = os.environ.pop("TR_INTERRUPT", None)
    if inherited is None:  # a host that cannot ask
        yield
        return
    asked, over = int(inherited), make_event()
    os.set_handle_inheritable(asked, False)
    stacks = StackFile(directory)
    ours: List[bool] = []
    in_main_thread = threading.current_thread() is threading.main_thread()

    def answer(number: int, frame: Optional[FrameType]) -> None:
        if ours:
            ours.clear()
            interrupt()
        else:
            signal.default_int_handler(number, frame)

    def watch() -> None:
        while _winapi.WaitForMultipleObjects((asked, over), False) == _winapi.WAIT_OBJECT_0:
            with contextlib.suppress(OSError, MemoryError):  # the host asks again
                _answer(stacks)
                # Both, because a question for the stacks and an interrupt may arrive as one.
                if in_main_thread and is_cancelled():
                    ours.append(True)
                    signal.raise_signal(signal.SIGINT)  # unlike interrupt_main, it ends a sleep

    before = signal.signal(signal.SIGINT, answer) if in_main_thread else None
    watcher = threading.Thread(target=watch, name="tech_renaissance interrupt", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        set_event(over)
        watcher.join()
        if in_main_thread:
            signal.signal(signal.SIGINT, before)
        stacks.close()
        _winapi.CloseHandle(over)
        _winapi.CloseHandle(asked)


def _answer(stacks: StackFile) -> bool:
    """See StackFile. This thread's own stack is of no interest."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_EAGER_S)
    try:
        return stacks.answer(None)
    finally:
        sys.setswitchinterval(before)
