"""How to learn of a child's end with kqueue, on systems whose Python has no ``os.waitid``
(macOS before Python 3.13).
"""

import contextlib
import select
from typing import Optional

# Asks for the status of wait(2) in the event's data. Python's select has no name for it (sys/event.h).
_NOTE_EXITSTATUS = 0x04000000


def has_ended(pid: int) -> bool:
    """Whether the child has ended, or is no longer ours to wait for."""
    return _wait(pid, 0) is not None


def wait_for_end(pid: int) -> Optional[int]:
    """Block until the child has ended. Does not reap it, so its process id cannot be reused yet.

    Returns the exit status, negative for a signal; None if it cannot be known.
    """
    status = _wait(pid, None)
    if status is None or status < 0:
        return None
    return -(status & 0x7F) if status & 0x7F else status >> 8


def _wait(pid: int, timeout_s: Optional[float]) -> Optional[int]:
    """The status of wait(2), -1 for an end without one; None if the child lives."""
    queue = select.kqueue()
    with contextlib.closing(queue):
        flags = select.KQ_NOTE_EXIT | _NOTE_EXITSTATUS
        event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, flags)
        try:
            events = queue.control([event], 1, timeout_s)
        except ProcessLookupError:  # it has ended already
            return -1
        return events[0].data if events else None
