"""How to take a worker's Python stacks from outside: the worker writes them into a file when
asked (spec/life.md, Stacks).
"""

import os
import stat
import sys
import time

from .process import Process, process_state
from .stack_file import QUESTION

# Whether the stack can be had without the help of Python code.
_CAN_INSIST = sys.platform != "win32"
_LONGEST_S = 0.15
# Only Python code can answer, which on a busy machine may take a while.
_LONGEST_WITHOUT_S = 0.85
_STILL_S = 0.02
_LOOK_S = 0.002
_MOST_NBYTES = 1 << 20
_STATES = {"T": "it is stopped", "t": "a debugger holds it", "D": "it is in uninterruptible sleep"}


def take_stacks(process: Process, path: str) -> str:
    """The stacks of all threads, or why they cannot be taken; empty if the worker has no such file."""
    flags = (
        os.O_RDWR
        | getattr(os, "O_NOFOLLOW", 0)
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_CLOEXEC", 0)
        | getattr(os, "O_BINARY", 0)
    )
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return ""
    why = ""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:  # not the file that the worker made
            return ""
        os.ftruncate(descriptor, 0)
        os.write(descriptor, QUESTION)
        process.interrupt()
        if not _wait_for_answer(descriptor, _LONGEST_S):
            if _CAN_INSIST:
                os.ftruncate(descriptor, 0)
                process.ask_for_stack()
            _wait_for_answer(descriptor, _LONGEST_S if _CAN_INSIST else _LONGEST_WITHOUT_S)
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = os.read(descriptor, _MOST_NBYTES).decode("utf-8", "replace")
        if text == QUESTION.decode():
            text = ""
            os.ftruncate(descriptor, 0)  # nobody is to answer it in place of a later interrupt
    except (OSError, MemoryError) as error:  # such as a full disk
        text, why = "", getattr(error, "strerror", None) or "no memory"
    finally:
        os.close(descriptor)
    if text:
        return text
    why = why or _STATES.get(process_state(process.pid), "it does not answer")
    return f"(there are no stacks of process {process.pid}: {why})\n"


def _wait_for_answer(descriptor: int, longest_s: float) -> bool:
    """Wait for an answer that has stopped growing for a moment; False if none comes in time."""
    started = changed = time.monotonic()
    seen = 0
    while True:
        now = time.monotonic()
        nbytes = os.fstat(descriptor).st_size
        if nbytes != seen:
            seen, changed = nbytes, now
        if seen > len(QUESTION) and now - changed >= _STILL_S:
            return True
        if now - started > longest_s:
            return seen > len(QUESTION)
        time.sleep(_LOOK_S)
