"""A gate of named semaphores (tests/gates_windows.py)."""

import ctypes
from ctypes import wintypes

_SYNCHRONIZE, _MODIFY = 0x100000, 0x2
_STEP_MS = 100

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.OpenSemaphoreW.restype = wintypes.HANDLE
_kernel32.OpenSemaphoreW.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.LPCWSTR]
_kernel32.ReleaseSemaphore.argtypes = [wintypes.HANDLE, wintypes.LONG, ctypes.c_void_p]
_kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]


def pass_gate(path: str) -> None:
    opened = _open(f"{path}.opened")
    announce(path)
    # In steps: between them an exception may be raised here, as on other systems in the middle of a wait.
    while _kernel32.WaitForSingleObject(opened, _STEP_MS):
        pass
    _kernel32.CloseHandle(opened)


def announce(path: str) -> None:
    """Say that we are here, and go on."""
    arrived = _open(f"{path}.arrived")
    _kernel32.ReleaseSemaphore(arrived, 1, None)
    _kernel32.CloseHandle(arrived)


def _open(name: str) -> int:
    handle: int = _kernel32.OpenSemaphoreW(_SYNCHRONIZE | _MODIFY, False, name)
    if not handle:
        raise ctypes.WinError(ctypes.get_last_error())
    return handle
