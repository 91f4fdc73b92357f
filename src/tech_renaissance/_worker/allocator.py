"""Freed memory is kept for the next call, and given back when the worker has nothing to do.

glibc maps a large block anew for each allocation and unmaps it when it is freed, so that code like ``a + b`` pays for every page
again in every call: most of the time of a large addition. A worker allocates the same sizes over and over. So it has its allocator
take large blocks from its heap and keep what is freed at the end of it, up to KEPT_NBYTES or an eighth of the machine's memory.
Other C libraries, and users who have set their allocator's variables themselves, are left alone.
"""

import ctypes
import os
import sys
from typing import Any, Mapping, Optional

KEPT_NBYTES = 1 << 30
_SHARE = 8
# The numbers of mallopt(3), the same on all of glibc's platforms.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory(environment: Mapping[str, str]) -> None:
    """From now on this process keeps what it frees, until ``give_back_memory``. Does nothing where that is not to be had."""
    libc = _glibc()
    if libc is None or _is_set_by_user(environment):
        return
    kept = min(KEPT_NBYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _SHARE)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, kept)


def give_back_memory() -> None:
    """Return free memory to the system."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> Optional[Any]:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None


def _is_set_by_user(environment: Mapping[str, str]) -> bool:
    tunables = environment.get("GLIBC_TUNABLES", "")
    return "glibc.malloc." in tunables or any(name.startswith("MALLOC_") for name in environment)
