"""The wait handle on macOS and the BSDs: a kqueue, which can itself be polled."""

import contextlib
import select

from .descriptors_posix import above_standard_streams
from .wait_handle_posix import ReadableHandle


class WaitHandle(ReadableHandle):
    """Thread-safe, except for what it says of loops."""

    def __init__(self) -> None:
        """Raises OSError."""
        with above_standard_streams():
            self._queue = select.kqueue()

    def fileno(self) -> int:
        """See ReadableHandle."""
        return self._queue.fileno()

    def add(self, member: int) -> None:
        """A new member: a descriptor. Raises OSError."""
        self._change(member, select.KQ_EV_ADD)

    def remove(self, member: int) -> None:
        """A member no longer, if it was. Call it before the descriptor is closed."""
        with contextlib.suppress(OSError, ValueError):
            self._change(member, select.KQ_EV_DELETE)

    def _change(self, member: int, flags: int) -> None:
        self._queue.control([select.kevent(member, select.KQ_FILTER_READ, flags)], 0)

    def close(self) -> None:
        """Release it. Safe to call twice."""
        self._queue.close()
