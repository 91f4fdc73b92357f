"""Learning of a child's end with kqueue, on systems whose Python has no ``os.waitid`` (macOS, before Python 3.13)."""

import contextlib
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess


def has_ended(popen: "subprocess.Popen[bytes]") -> bool:
    """Whether the child has ended; reaps it then, for there is no other way to ask."""
    return popen.poll() is not None


def wait_for_end(pid: int) -> None:
    """Block until the child has ended, and leave it to be reaped: its number stays its own until then."""
    queue = select.kqueue()
    with contextlib.closing(queue), contextlib.suppress(ProcessLookupError):
        event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
        queue.control([event], 1)
