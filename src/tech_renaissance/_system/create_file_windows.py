"""CreateFileW, by which Windows opens files, folders and pipes."""

import ctypes
from ctypes import wintypes

INVALID_HANDLE = ctypes.c_void_p(-1).value
SHARE_ALL = 0x1 | 0x2 | 0x4
OPEN_EXISTING = 3
OPEN_REPARSE_POINT = 0x00200000

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)

# Of a path, the access, the share mode, None, the disposition, the flags and None. Returns a handle for
# close_handle, or INVALID_HANDLE: ctypes.get_last_error() then has the reason.
create_file = _kernel32.CreateFileW
create_file.restype = wintypes.HANDLE
create_file.argtypes = [
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.HANDLE,
]

close_handle = _kernel32.CloseHandle
close_handle.argtypes = [wintypes.HANDLE]
