"""Learning of a child's end without reaping it, on systems whose Python has ``os.waitid``."""

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess


def has_ended(popen: "subprocess.Popen[bytes]") -> bool:
    """Whether the child has ended; also true if somebody else has reaped it."""
    try:
        return os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def wait_for_end(pid: int) -> None:
    """Block until the child has ended, and leave it to be reaped: its number stays its own until then."""
    with contextlib.suppress(ChildProcessError):  # a host that ignores SIGCHLD: the kernel has reaped it
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
