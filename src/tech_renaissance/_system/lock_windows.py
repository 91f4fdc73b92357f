"""Locks a file on Windows: a single byte far beyond the text, so that others can still read who holds it."""

import ctypes
import msvcrt
from ctypes import wintypes

from .file_identity import identity_of
from .forks import close_held
from .open_folder import OpenFolder

_EXCLUSIVE_NOW = 0x2 | 0x1  # LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY
_OFFSET_HIGH = 1 << 30  # byte 2^62

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)


class _Overlapped(ctypes.Structure):
    _fields_ = [
        ("internal", ctypes.c_size_t * 2),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    ]


_kernel32.LockFileEx.argtypes = [
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.DWORD,
    ctypes.POINTER(_Overlapped),
]


def try_lock(descriptor: int) -> bool:
    """Lock the file for this process; False if another holds it."""
    position = _Overlapped(offset_high=_OFFSET_HIGH)
    handle = msvcrt.get_osfhandle(descriptor)
    return bool(_kernel32.LockFileEx(handle, _EXCLUSIVE_NOW, 0, 1, 0, ctypes.byref(position)))


def remove_locked(descriptor: int, folder: OpenFolder, name: str) -> None:
    """Remove the file if it still has this name, then release the lock. In this order nobody can lock the
    removed file and believe that the name is theirs. The name becomes free when the file is closed.
    """
    try:
        if folder.identity_at(name) == identity_of(descriptor):
            folder.remove_file(name)
    finally:
        close_held(descriptor)
