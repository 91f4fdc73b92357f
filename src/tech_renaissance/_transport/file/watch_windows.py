"""Watching a directory on Windows: FindFirstChangeNotificationW and WaitForMultipleObjects."""

import contextlib
import ctypes
from ctypes import wintypes
from typing import List, Optional

from ..._system.event_windows import make_event, set_event

_FILE_NAMES_AND_SIZES = 0x1 | 0x8 | 0x10  # FILE_NOTIFY_CHANGE_FILE_NAME, _SIZE, _LAST_WRITE
_WAIT_TIMEOUT = 0x102
_INVALID_HANDLE = ctypes.c_void_p(-1).value

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.FindFirstChangeNotificationW.restype = wintypes.HANDLE
_kernel32.FindFirstChangeNotificationW.argtypes = [wintypes.LPCWSTR, wintypes.BOOL, wintypes.DWORD]
_kernel32.WaitForMultipleObjects.argtypes = [
    wintypes.DWORD,
    ctypes.POINTER(wintypes.HANDLE),
    wintypes.BOOL,
    wintypes.DWORD,
]
for _function in (_kernel32.CloseHandle, _kernel32.FindNextChangeNotification):
    _function.argtypes = [wintypes.HANDLE]
_kernel32.FindCloseChangeNotification.argtypes = [wintypes.HANDLE]


class SleepWatch:
    """Sees no changes: sleeps until the timeout, a wake, or the exit handle."""

    def __init__(self) -> None:
        self._event = make_event()

    def wait(self, timeout_s: float, exit_handle: Optional[int] = None) -> bool:
        """True if something happened before the timeout."""
        return self._wait(timeout_s, [self._event], exit_handle) is not None

    def follow(self, path: str) -> None:
        """See DirectoryWatch."""

    def wake(self) -> None:
        """End a wait, or the next one. Safe from any thread."""
        set_event(self._event)

    def handles(self) -> List[int]:
        """See DirectoryWatch."""
        return [self._event]

    def close(self) -> None:
        """Release the handles."""
        _kernel32.CloseHandle(self._event)

    @staticmethod
    def _wait(timeout_s: float, handles: "list[int]", exit_handle: Optional[int]) -> Optional[int]:
        """The handle that ended the wait, or None."""
        every = [*handles, exit_handle] if exit_handle is not None else handles
        array = (wintypes.HANDLE * len(every))(*every)
        timeout_ms = min(int(-(-timeout_s * 1000 // 1)), 0x7FFFFFFF)
        index: int = _kernel32.WaitForMultipleObjects(len(every), array, False, timeout_ms)
        if index >= len(every):
            if index != _WAIT_TIMEOUT:
                raise ctypes.WinError(ctypes.get_last_error())
            return None
        return every[index]


class NotifyWatch(SleepWatch):
    """A change notification. The handle stays signalled until the next wait, so no
    change between two is missed.
    """

    def __init__(self, path: str) -> None:
        self._changes = self._watch(path)
        super().__init__()

    def follow(self, path: str) -> None:
        """See DirectoryWatch."""
        with contextlib.suppress(OSError):  # sleeping always works
            before, self._changes = self._changes, self._watch(path)
            _kernel32.FindCloseChangeNotification(before)

    @staticmethod
    def _watch(path: str) -> int:
        changes: int = _kernel32.FindFirstChangeNotificationW(path, False, _FILE_NAMES_AND_SIZES)
        if changes == _INVALID_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())
        return changes

    def wait(self, timeout_s: float, exit_handle: Optional[int] = None) -> bool:
        """True if something happened before the timeout."""
        fired = self._wait(timeout_s, [self._event, self._changes], exit_handle)
        if fired == self._changes:
            _kernel32.FindNextChangeNotification(self._changes)
        return fired is not None

    def handles(self) -> List[int]:
        """See DirectoryWatch."""
        return [self._event, self._changes]

    def close(self) -> None:
        """Release the handles."""
        _kernel32.FindCloseChangeNotification(self._changes)
        super().close()
