"""interrupt_posix.py for Windows, where the host cannot send a signal: a thread of the worker checks whether the current request
has been cancelled. There are no stacks.
"""

import contextlib
import signal
import threading
from types import FrameType
from typing import Callable, Generator, List, Optional

# How long a cancelled handler has before it is interrupted.
_NOTICE_S = 0.2
_LOOK_S = 0.05


@contextlib.contextmanager
def interruptible(
    directory: str, interrupt: Callable[[], None], is_cancelled: Callable[[], bool]
) -> Generator[None, None, None]:
    """While serving, run ``interrupt`` in the main thread when the current request has been cancelled."""
    del directory
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours: List[bool] = []
    over = threading.Event()

    def answer(number: int, frame: Optional[FrameType]) -> None:
        if ours:
            ours.clear()
            interrupt()
        else:
            signal.default_int_handler(number, frame)

    def watch() -> None:
        while not over.wait(_LOOK_S):
            with contextlib.suppress(OSError, MemoryError):  # the next look may succeed
                if is_cancelled() and not over.wait(_NOTICE_S) and is_cancelled():
                    ours.append(True)
                    signal.raise_signal(signal.SIGINT)  # unlike interrupt_main, it ends a sleep

    before = signal.signal(signal.SIGINT, answer)
    watcher = threading.Thread(target=watch, name="tech_renaissance cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        signal.signal(signal.SIGINT, before)
