"""The clock for Windows Pythons before 3.10, whose ``time.perf_counter`` begins anew in each process
(https://docs.python.org/3/library/time.html#time.perf_counter).
"""

import ctypes

_kernel32 = ctypes.WinDLL("kernel32")
_per_second = ctypes.c_longlong()
_kernel32.QueryPerformanceFrequency(ctypes.byref(_per_second))


def clock_ns() -> int:
    """Nanoseconds since some moment before this machine's processes began."""
    ticks = ctypes.c_longlong()
    _kernel32.QueryPerformanceCounter(ctypes.byref(ticks))
    return ticks.value * 1_000_000_000 // _per_second.value
