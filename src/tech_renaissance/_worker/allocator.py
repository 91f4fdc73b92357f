"""Keeps freed memory for the next call, and gives it back when the worker is idle.

glibc maps each large block afresh and unmaps it when it is freed, so that code like ``a + b`` pays for every
page again in every call, which is most of the time of a large addition. A worker allocates the same sizes
over and over. So here its allocator takes large blocks from its heap and keeps free memory at the end of the
heap, up to KEPT_NBYTES or an eighth of the machine's memory. Does nothing with other C libraries, or if users
have set their allocator's variables themselves.
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
    """From now on this process keeps what it frees, until ``give_back_memory``. Does nothing
    where that is not possible.
    """
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
