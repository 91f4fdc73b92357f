"""Watching a directory with kqueue (macOS and the BSDs).

A kqueue reports that a directory's entries changed, which is what a rename does; a file written in place by
an older host is seen at the next re-check.
"""

import contextlib
import os
import select
from typing import List, Optional

from ..._system.forks import close_held, make_held
from .watch_posix import SleepWatch, drain


class NotifyWatch(SleepWatch):
    """A kqueue watch. The queue keeps changes from construction on, so none between two waits is missed."""

    def __init__(self, path: str) -> None:
        self._queue = select.kqueue()
        try:
            self._directory = self._add(path)
            try:
                super().__init__()
            except OSError:
                close_held(self._directory)
                raise
        except OSError:
            self._queue.close()
            raise

    def follow(self, path: str) -> None:
        """See DirectoryWatch."""
        with contextlib.suppress(OSError):  # sleeping always works
            before, self._directory = self._directory, self._add(path)
            close_held(before)

    def _add(self, path: str) -> int:
        directory = make_held(lambda: os.open(path, os.O_RDONLY))
        change = select.kevent(
            directory,
            filter=select.KQ_FILTER_VNODE,
            flags=select.KQ_EV_ADD | select.KQ_EV_CLEAR,
            fflags=select.KQ_NOTE_WRITE | select.KQ_NOTE_DELETE | select.KQ_NOTE_RENAME,
        )
        try:
            self._queue.control([change], 0)
        except OSError:
            close_held(directory)
            raise
        return directory

    def wait(self, timeout_s: float, exit_handle: Optional[int] = None) -> bool:
        """True if something happened before the timeout."""
        queue = self._queue.fileno()
        ready = self._poll(timeout_s, [self._wake_read, queue], exit_handle)
        if queue in ready:
            self._queue.control(None, 8, 0)
        if self._wake_read in ready:
            drain(self._wake_read)
        return bool(ready)

    def handles(self) -> List[int]:
        """See DirectoryWatch."""
        return [self._wake_read, self._queue.fileno()]

    def close(self) -> None:
        """Release the descriptors."""
        self._queue.close()
        close_held(self._directory)
        super().close()
