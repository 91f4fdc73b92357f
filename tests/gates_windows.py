"""Gates on Windows: a named semaphore for each direction."""

import ctypes
from ctypes import wintypes
from pathlib import Path

_MOST = 0x7FFFFFFF

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateSemaphoreW.restype = wintypes.HANDLE
_kernel32.CreateSemaphoreW.argtypes = [ctypes.c_void_p, wintypes.LONG, wintypes.LONG, wintypes.LPCWSTR]
_kernel32.ReleaseSemaphore.argtypes = [wintypes.HANDLE, wintypes.LONG, ctypes.c_void_p]
_kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]

_PATIENCE_MS = 60_000


class Gate:
    """See gates.py."""

    def __init__(self, path: Path) -> None:
        self.path = path.as_posix()  # the name of a semaphore has no backslashes
        self._arrived = _semaphore(f"{self.path}.arrived")
        self._opened = _semaphore(f"{self.path}.opened")

    def wait_for_arrival(self) -> None:
        assert self.has_arrival(_PATIENCE_MS), "nobody came to the gate"

    def has_arrival(self, patience_ms: int = 0) -> bool:
        return not _kernel32.WaitForSingleObject(self._arrived, patience_ms)

    def open(self, count: int = 1) -> None:
        assert _kernel32.ReleaseSemaphore(self._opened, count, None)

    def close(self) -> None:
        self.open(100)
        _kernel32.CloseHandle(self._arrived)
        _kernel32.CloseHandle(self._opened)


def _semaphore(name: str) -> int:
    handle: int = _kernel32.CreateSemaphoreW(None, 0, _MOST, name)
    if not handle:
        raise ctypes.WinError(ctypes.get_last_error())
    return handle
