"""How to learn of a child's end without reaping it, on systems whose Python has ``os.waitid``."""

import os
from typing import Optional


def has_ended(pid: int) -> bool:
    """Whether the child has ended, or is no longer ours to wait for."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def wait_for_end(pid: int) -> Optional[int]:
    """Block until the child has ended. Does not reap it, so its process id cannot be reused yet.

    Returns the exit status, negative for a signal; None if it cannot be known, because the host ignores
    SIGCHLD and so the kernel reaps its children.
    """
    try:
        result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return None
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
