"""How the worker answers its host's signals: SIGURG interrupts the handler or writes the stacks; SIGWINCH writes the main
thread's stack even if no Python code is running (spec/life.md).
"""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import traceback
from types import FrameType
from typing import Callable, Generator, List, Optional

from .._system.fork import in_children

# Frames of the signal handler, on top of the interrupted code's.
_OUR_FRAMES = 4


@contextlib.contextmanager
def interruptible(
    directory: str, interrupt: Callable[[], None], is_cancelled: Callable[[], bool]
) -> Generator[None, None, None]:
    """While serving, let the host have ``interrupt`` run in the main thread, and ask for the stacks."""
    del is_cancelled  # the host sends a signal when it is time
    with contextlib.ExitStack() as undo:
        stacks = _open_new(os.path.join(directory, "stack.txt"))
        if stacks is not None:
            undo.callback(os.close, stacks)
            # The C-level handler writes this stack itself, so it works while no Python code is running.
            faulthandler.register(signal.SIGWINCH, stacks, all_threads=False, chain=False)
            undo.callback(faulthandler.unregister, signal.SIGWINCH)
        if threading.current_thread() is threading.main_thread():
            _handle(signal.SIGURG, lambda: _answer(stacks, interrupt), undo)
            # The host's signal mask was inherited.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGURG, signal.SIGWINCH})
        undo.callback(in_children(undo.close))  # forks of the worker must not answer
        yield


def _answer(stacks: Optional[int], interrupt: Callable[[], None]) -> None:
    """Write the stacks if the host has put a question mark into the file, else interrupt."""
    with contextlib.suppress(OSError):
        if stacks is not None and os.pread(stacks, 2, 0) == b"?":
            os.ftruncate(stacks, 0)
            os.write(stacks, _all_stacks().encode("utf-8", "replace"))
            return
    interrupt()


def _all_stacks() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts: List[str] = []
    for number, frame in sys._current_frames().items():  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        lines = traceback.format_stack(frame)
        if number == threading.get_ident():
            lines = lines[:-_OUR_FRAMES]
        parts.append(f"Thread {names.get(number, number)} (most recent call last):\n{''.join(lines)}")
    return "\n".join(reversed(parts))


def _handle(number: int, action: Callable[[], None], undo: contextlib.ExitStack) -> None:
    def answer(number: int, frame: Optional[FrameType]) -> None:
        del number, frame
        action()

    undo.callback(signal.signal, number, signal.signal(number, answer))


def _open_new(path: str) -> Optional[int]:
    """Create a new file that is only ours. None if that is impossible; then there are no stacks."""
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
