"""The part of a watch that all POSIX systems share: waiting on descriptors, with a pipe for wake-ups."""

import contextlib
import os
import select
from typing import List, Optional

from ..._system.descriptors_posix import make_pipe
from ..._system.forks import close_held
from ..._system.refused_polls import rest_if_refused


class SleepWatch:
    """Sees no changes: sleeps until the timeout, a wake, or the exit handle."""

    def __init__(self) -> None:
        self._wake_read, self._wake_write = make_pipe()
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)

    def wait(self, timeout_s: float, exit_handle: Optional[int] = None) -> bool:
        """True if something happened before the timeout."""
        ready = self._poll(timeout_s, [self._wake_read], exit_handle)
        if self._wake_read in ready:
            drain(self._wake_read)
        return bool(ready)

    def follow(self, path: str) -> None:
        """See DirectoryWatch."""

    def wake(self) -> None:
        """End a wait, or the next one. Safe from any thread."""
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes the reader anyway
            os.write(self._wake_write, b"!")

    def handles(self) -> List[int]:
        """See DirectoryWatch."""
        return [self._wake_read]

    def close(self) -> None:
        """Release the descriptors."""
        close_held(self._wake_read)
        close_held(self._wake_write)

    @staticmethod
    def _poll(timeout_s: float, descriptors: List[int], exit_handle: Optional[int]) -> List[int]:
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        if exit_handle is not None:
            poll.register(exit_handle, select.POLLIN)
        try:
            # Rounded up, so that a wait of 0.4 ms does not become a busy loop of waits of 0 ms.
            return [descriptor for descriptor, _ in poll.poll(int(-(-timeout_s * 1000 // 1)))]
        except OSError as error:
            rest_if_refused(error, timeout_s)
            return descriptors  # perhaps


def drain(descriptor: int) -> None:
    """Read a nonblocking descriptor until it is empty."""
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, 65536):
            pass
