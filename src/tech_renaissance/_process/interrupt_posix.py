"""How the worker answers its host's signals: SIGURG interrupts the handler or writes the stacks; SIGWINCH
writes the main thread's stack even if no Python code is running (spec/life.md).
"""

import contextlib
import faulthandler
import signal
import threading
from types import FrameType
from typing import Callable, Generator, Optional

from .._system.forks import in_children
from .stack_file import StackFile

# Frames of the signal handler, on top of the interrupted code's.
_OUR_FRAMES = 4


@contextlib.contextmanager
def interruptible(
    directory: str, interrupt: Callable[[], None], is_cancelled: Callable[[], bool]
) -> Generator[None, None, None]:
    """While serving, let the host have ``interrupt`` run in the main thread, and ask for the stacks."""
    del is_cancelled  # the host sends a signal when it is time
    with contextlib.ExitStack() as undo:
        stacks = StackFile(directory)
        undo.callback(stacks.close)
        if stacks.descriptor is not None:
            # The C-level handler writes this stack itself, so it works while no Python code is running.
            faulthandler.register(signal.SIGWINCH, stacks.descriptor, all_threads=False, chain=False)
            undo.callback(faulthandler.unregister, signal.SIGWINCH)
        if threading.current_thread() is threading.main_thread():
            # Both, because a question for the stacks and an interrupt may arrive as one signal.
            _handle(signal.SIGURG, lambda: (stacks.answer(_OUR_FRAMES), interrupt()), undo)
            # The host's signal mask was inherited.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGURG, signal.SIGWINCH})
        undo.callback(in_children(undo.close))  # forks of the worker must not answer
        yield


def _handle(number: int, action: Callable[[], object], undo: contextlib.ExitStack) -> None:
    def answer(number: int, frame: Optional[FrameType]) -> None:
        del number, frame
        action()

    undo.callback(signal.signal, number, signal.signal(number, answer))
