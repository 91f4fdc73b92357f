"""``select.kqueue`` on Linux, made of epoll and inotify: as much of it as this package uses, so that what is meant for macOS runs here."""

import contextlib
import ctypes
import os
import select
from typing import Any, List, NamedTuple, Optional, Sequence

import pytest

# Of sys/event.h.
NAMES = {
    "KQ_FILTER_READ": -1, "KQ_FILTER_VNODE": -4, "KQ_EV_ADD": 0x1, "KQ_EV_DELETE": 0x2, "KQ_EV_CLEAR": 0x20,
    "KQ_NOTE_DELETE": 0x1, "KQ_NOTE_WRITE": 0x2, "KQ_NOTE_RENAME": 0x20,
}  # fmt: skip

# Entries that come and go, or the directory itself; not what is written into a file.
_ENTRIES = 0x040 | 0x080 | 0x100 | 0x200 | 0x400 | 0x800
_libc = ctypes.CDLL(None, use_errno=True)


class Event(NamedTuple):
    """``select.kevent``."""

    ident: int
    filter: int
    flags: int
    fflags: int = 0


class Queue:
    """A kqueue. It is readable while an event waits in it, or a member is readable."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._inotify = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll.register(self._inotify, select.EPOLLIN)

    def fileno(self) -> int:
        """The descriptor, which can be polled."""
        return self._epoll.fileno()

    def control(
        self, changes: Optional[Sequence[Event]], most: int, timeout_s: Optional[float] = None
    ) -> List[Any]:
        """Change the members; if events are asked for, forget those of directories, which nobody looks at."""
        assert not most or timeout_s == 0
        for change in changes or ():
            self._change(change)
        if most:
            with contextlib.suppress(BlockingIOError):
                os.read(self._inotify, 65536)
        return []

    def _change(self, change: Event) -> None:
        if change.filter == NAMES["KQ_FILTER_VNODE"]:
            assert change.flags == NAMES["KQ_EV_ADD"] | NAMES["KQ_EV_CLEAR"]
            path = os.fsencode(f"/proc/self/fd/{change.ident}")
            assert _libc.inotify_add_watch(self._inotify, path, ctypes.c_uint32(_ENTRIES)) >= 0
        elif change.flags == NAMES["KQ_EV_ADD"]:
            with contextlib.suppress(FileExistsError):
                self._epoll.register(change.ident, select.EPOLLIN)
        else:
            self._epoll.unregister(change.ident)

    def close(self) -> None:
        """Safe to call twice."""
        if not self._epoll.closed:
            self._epoll.close()
            os.close(self._inotify)


def use_made_kqueue(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on ``select`` has it."""
    for name, value in {**NAMES, "kevent": Event, "kqueue": Queue}.items():
        monkeypatch.setattr(select, name, value, raising=False)
