"""Watching a directory with inotify (man 7 inotify), through the C library because
Python has no binding for it.
"""

import contextlib
import ctypes
import os
from typing import List, Optional

from ..._system.forks import close_held, make_held
from .watch_posix import SleepWatch, drain

_IN_CLOSE_WRITE = 0x008
_IN_MOVED_FROM = 0x040
_IN_MOVED_TO = 0x080
_IN_DELETE = 0x200
_IN_DELETE_SELF = 0x400
_MASK = _IN_CLOSE_WRITE | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_DELETE | _IN_DELETE_SELF

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class NotifyWatch(SleepWatch):
    """An inotify watch. Changes queue up from construction on, so none between two waits is missed."""

    def __init__(self, path: str) -> None:
        self._inotify = make_held(lambda: _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)))
        try:
            self._add(path)
            super().__init__()
        except OSError:
            close_held(self._inotify)
            raise

    def wait(self, timeout_s: float, exit_handle: Optional[int] = None) -> bool:
        """True if something happened before the timeout."""
        ready = self._poll(timeout_s, [self._wake_read, self._inotify], exit_handle)
        for descriptor in ready:
            if descriptor != exit_handle:
                drain(descriptor)
        return bool(ready)

    def follow(self, path: str) -> None:
        """See DirectoryWatch."""
        with contextlib.suppress(OSError):  # if no watch is left, sleeping always works
            self._add(path)

    def _add(self, path: str) -> None:
        _checked(_libc.inotify_add_watch(self._inotify, os.fsencode(path), ctypes.c_uint32(_MASK)))

    def handles(self) -> List[int]:
        """See DirectoryWatch."""
        return [self._wake_read, self._inotify]

    def close(self) -> None:
        """Release the descriptors."""
        close_held(self._inotify)
        super().close()
