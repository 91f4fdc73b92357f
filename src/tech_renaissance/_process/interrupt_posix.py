"""The worker's answers to its host's signals: SIGURG interrupts the handler, SIGWINCH has the stacks written (spec/life.md)."""

import contextlib
import faulthandler
import os
import signal
import threading
from types import FrameType
from typing import Callable, Generator, Optional


@contextlib.contextmanager
def interruptible(
    directory: str, interrupt: Callable[[], None], is_given_up: Callable[[], bool]
) -> Generator[None, None, None]:
    """While serving, ``interrupt`` runs in the main thread when the host asks for it; the host can have the stacks."""
    del is_given_up  # the host sends a signal when it is time
    with _stacks(os.path.join(directory, "stack.txt")):
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def answer(number: int, frame: Optional[FrameType]) -> None:
            del number, frame
            interrupt()

        before = signal.signal(signal.SIGURG, answer)
        # A host's mask is inherited.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGURG, signal.SIGWINCH})
        try:
            yield
        finally:
            signal.signal(signal.SIGURG, before)


@contextlib.contextmanager
def _stacks(path: str) -> Generator[None, None, None]:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError:  # the disk is full, or the directory gone: no stacks then
        yield
        return
    faulthandler.register(signal.SIGWINCH, descriptor, all_threads=True, chain=False)
    try:
        yield
    finally:
        faulthandler.unregister(signal.SIGWINCH)
        os.close(descriptor)
