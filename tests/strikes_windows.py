"""The faults of Windows, which has no signals between processes and no forks, and neither moves nor removes a folder that is open; see
strikes.py.
"""

import ctypes
import math
from ctypes import wintypes
from typing import List, Tuple

from leaks import wait_until
from processes import KILLED, SEGFAULT, is_alive, kill

from tech_renaissance._system.error_mode_windows import end_at_once

WAYS = ("kill", "kill", "access violation")
GENTLE = ""
DIRECTORY_WAYS = ()
STRANGE = ("raise_in_callbacks",)
# Not known: wine's figures are none of Windows'.
LIMIT_S = math.inf
# Longer than anything may take on a busy machine; wine multiplies that.
PATIENCE_S = 90.0

_ALL_ACCESS = 0x1FFFFF
_NOT_A_FUNCTION = 16
_LOADING_S = 10.0

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.OpenProcess.restype = wintypes.HANDLE
_kernel32.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel32.CreateRemoteThread.restype = wintypes.HANDLE
_kernel32.CreateRemoteThread.argtypes = [
    wintypes.HANDLE,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.c_void_p,
]

end_at_once()  # workers inherit it, and may be struck before they see to it themselves


def strike(pid: int, way: str) -> None:
    """End a process; for an access violation, by a thread in it that runs where no code is. Under wine, a process that is still being
    loaded may hang instead; it is then killed.
    """
    if way == "kill":
        kill(pid)
        return
    process = _kernel32.OpenProcess(_ALL_ACCESS, False, pid)
    if process:
        thread = _kernel32.CreateRemoteThread(process, None, 0, _NOT_A_FUNCTION, None, 0, None)
        if thread:
            _kernel32.CloseHandle(thread)
        _kernel32.CloseHandle(process)
    if not wait_until(lambda: not is_alive(pid), _LOADING_S):
        kill(pid)


def statuses(way: str) -> Tuple[int, ...]:
    """How the end shows."""
    return (KILLED,) if way == "kill" else (SEGFAULT, KILLED)


class Ends:
    """The ends of processes that run now."""

    def __init__(self, pids: List[int]) -> None:
        self._pids = pids

    def wait(self, patience_s: float) -> bool:
        """Until all have come."""
        return wait_until(lambda: not any(map(is_alive, self._pids)), patience_s)
