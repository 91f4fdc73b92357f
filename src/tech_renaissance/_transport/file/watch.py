"""Waiting for a directory to change.

``watch_directory(path, notify=...)`` returns the platform's best watch, or one that only sleeps if
``notify`` is False or the other cannot be made. Nothing may depend on notifications: callers bound each wait
with a Backoff and look again.
"""

import re
import sys
from typing import List, Optional, Protocol

from ..._base.errors import LocalProtocolError

if sys.platform == "win32":
    from .watch_windows import NotifyWatch, SleepWatch
elif sys.platform == "linux":
    from .watch_linux import NotifyWatch
    from .watch_posix import SleepWatch
else:
    from .watch_kqueue import NotifyWatch
    from .watch_posix import SleepWatch

_SCHEDULE = re.compile("([0-9]{1,9}):([0-9]{1,9})")


class DirectoryWatch(Protocol):
    """Waits that end early when something happens."""

    def wait(self, timeout_s: float, exit_handle: Optional[int] = None) -> bool:
        """Wait. True if the directory has changed since the last wait, ``wake`` was
        called, or ``exit_handle`` fired.
        """
        ...

    def follow(self, path: str) -> None:
        """Watch this directory instead of the previous one. Nobody may be waiting at the time."""
        ...

    def wake(self) -> None:
        """End the current wait, or the next one. Callable from any thread."""
        ...

    def handles(self) -> List[int]:
        """What fires when a wait would end, to be waited for elsewhere. A wait afterwards forgets it."""
        ...

    def close(self) -> None:
        """Release the handles."""
        ...


def watch_directory(path: str, *, notify: bool) -> DirectoryWatch:
    """Watch a directory. No change from now on is missed."""
    if notify:
        try:
            return NotifyWatch(path)
        except OSError:  # such as the system's limit on watches; sleeping always works
            pass
    return SleepWatch()


class Backoff:
    """How long to sleep between two looks: eight times ``first``, eight times twice
    that, and so on, up to ``max``.
    """

    _PER_LEVEL = 8

    def __init__(self, first_s: float = 0.001, max_s: float = 1.024) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._count = 0

    @classmethod
    def parse(cls, text: str) -> "Backoff":
        """From ``first:max`` in milliseconds, as in TR_POLL_MS. Raises LocalProtocolError ``bad_option``."""
        match = _SCHEDULE.fullmatch(text)
        first_ms, max_ms = (int(number) for number in match.groups()) if match else (0, 0)
        if not 0 < first_ms <= max_ms:
            raise LocalProtocolError(
                "bad_option",
                f"a waiting schedule is first:max in milliseconds, 0 < first <= max, not {text!r}",
            )
        return cls(first_ms / 1000, max_ms / 1000)

    def next_s(self) -> float:
        """The next pause in seconds."""
        pause = self._first_s * 2.0 ** (self._count // self._PER_LEVEL)
        if pause >= self._max_s:
            return self._max_s
        self._count += 1
        return pause

    def reset(self) -> None:
        """Start again at ``first``, because something happened."""
        self._count = 0
