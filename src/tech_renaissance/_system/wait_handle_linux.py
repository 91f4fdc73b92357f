"""The wait handle on Linux: an epoll descriptor, which can itself be polled (man 7 epoll)."""

import contextlib
import select

from .descriptors_posix import above_standard_streams
from .wait_handle_posix import ReadableHandle


class WaitHandle(ReadableHandle):
    """Thread-safe, except for what it says of loops. A fork must not use it: it shares
    the members with its parent.
    """

    def __init__(self) -> None:
        """Raises OSError."""
        with above_standard_streams():
            self._epoll = select.epoll()

    def fileno(self) -> int:
        """See ReadableHandle."""
        return self._epoll.fileno()

    def add(self, member: int) -> None:
        """A new member: a descriptor. Raises OSError."""
        with contextlib.suppress(FileExistsError):
            self._epoll.register(member, select.EPOLLIN)

    def remove(self, member: int) -> None:
        """A member no longer, if it was. Call it before the descriptor is closed."""
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(member)

    def close(self) -> None:
        """Release it. Safe to call twice."""
        self._epoll.close()
