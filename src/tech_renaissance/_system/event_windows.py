"""Auto-reset events of Windows: whoever waits for one resets it by that."""

import ctypes
from ctypes import wintypes

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateEventW.restype = wintypes.HANDLE
_kernel32.CreateEventW.argtypes = [ctypes.c_void_p, wintypes.BOOL, wintypes.BOOL, wintypes.LPCWSTR]
set_event = _kernel32.SetEvent
set_event.argtypes = [wintypes.HANDLE]


def make_event() -> int:
    """The handle of a new event. Raises OSError."""
    event: int = _kernel32.CreateEventW(None, False, False, None)
    if not event:
        raise ctypes.WinError(ctypes.get_last_error())
    return event
