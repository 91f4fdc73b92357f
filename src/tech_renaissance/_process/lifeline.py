"""The worker's end of the lifeline: when the host dies, however that happens, the worker
and its children end at once.

On POSIX the lifeline is a pipe whose write end only the host holds. On Windows the host's job object does the
same, and there is nothing for the worker to do.
"""

import os
import select
import signal
import sys
import threading
from typing import Optional

from .._system.refused_polls import rest_if_refused


def hold_lifeline(descriptor: Optional[str]) -> None:
    """Tie this process to its host. ``descriptor`` is the value of TR_LIFELINE; None if there is no host."""
    if not descriptor or sys.platform == "win32":
        return
    lifeline = int(descriptor)
    os.set_inheritable(lifeline, False)
    if sys.platform == "linux":
        arm(lifeline, -os.getpgrp() if _leads_group() else os.getpid())
    else:
        threading.Thread(
            target=_watch, args=(lifeline,), name="tech_renaissance lifeline", daemon=True
        ).start()
    if _is_cut(lifeline, 0):
        _end()


if sys.platform == "linux":

    def arm(lifeline: int, owner: int) -> None:
        """Let the kernel end the owner (a process, or a group as a negative number) when the pipe closes,
        even while the worker holds the GIL in native code. The settings belong to the pipe's end, not to the
        process that makes them, so the host can make them for a worker that is still starting.
        """
        import fcntl

        fcntl.fcntl(lifeline, fcntl.F_SETOWN, owner)
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _watch(lifeline: int) -> None:
    while not _is_cut(lifeline, None):
        pass
    _end()


def _is_cut(lifeline: int, timeout_ms: Optional[int]) -> bool:
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    try:
        return any(event & select.POLLHUP for _, event in poll.poll(timeout_ms))
    except OSError as error:
        rest_if_refused(error, 1.0 if timeout_ms is None else timeout_ms / 1000)
        return False


def _end() -> None:
    if _leads_group():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _leads_group() -> bool:
    return os.getpgrp() == os.getpid()
