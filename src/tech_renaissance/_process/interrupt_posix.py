"""The worker's answers to its host's signals: SIGURG interrupts the handler, SIGWINCH has the stacks written (spec/life.md)."""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import traceback
from types import FrameType
from typing import Callable, Generator, Optional


@contextlib.contextmanager
def interruptible(
    directory: str, interrupt: Callable[[], None], is_given_up: Callable[[], bool]
) -> Generator[None, None, None]:
    """While serving, ``interrupt`` runs in the main thread when the host asks for it; the host can have the stacks."""
    del is_given_up  # the host sends a signal when it is time
    with contextlib.ExitStack() as undo:
        descriptor = _open_new(os.path.join(directory, "stack.txt"))
        if descriptor is not None:
            undo.callback(os.close, descriptor)
            _write_stacks_into(descriptor, undo)
        if threading.current_thread() is threading.main_thread():
            _handle(signal.SIGURG, interrupt, undo)
            # A host's mask is inherited.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGURG, signal.SIGWINCH})
        yield


def _write_stacks_into(descriptor: int, undo: contextlib.ExitStack) -> None:
    """On SIGWINCH, the stack of the thread that gets it, which is the main thread as a rule, is written by the signal handler itself.
    Those of the others follow when the main thread runs Python code: without the interpreter lock, a thread that ends just
    then would take its stack away under the handler.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread:
        _handle(signal.SIGWINCH, lambda: _write_other_stacks(descriptor), undo)
    faulthandler.register(signal.SIGWINCH, descriptor, all_threads=False, chain=in_main_thread)
    undo.callback(faulthandler.unregister, signal.SIGWINCH)


def _write_other_stacks(descriptor: int) -> None:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    text = ""
    for number, frame in sys._current_frames().items():  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if number != threading.get_ident():
            text += f"\nThread {names.get(number, number)}:\n" + "".join(traceback.format_stack(frame))
    if text:
        with contextlib.suppress(OSError):
            os.write(descriptor, text.encode("utf-8", "replace"))


def _handle(number: int, action: Callable[[], None], undo: contextlib.ExitStack) -> None:
    def answer(number: int, frame: Optional[FrameType]) -> None:
        del number, frame
        action()

    undo.callback(signal.signal, number, signal.signal(number, answer))


def _open_new(path: str) -> Optional[int]:
    """A file that is new, and nobody else's; None if there is none to be had: no stacks then."""
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
