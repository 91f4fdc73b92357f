"""Pages, and how large an arena can be."""

import mmap
from typing import Callable, TypeVar

Made = TypeVar("Made")

PAGE = mmap.PAGESIZE
_SMALLEST_ARENA = 64 << 20


def page_up(offset: int) -> int:
    """Round up to a multiple of the page size."""
    return -(-offset // PAGE) * PAGE


def largest_possible(make: Callable[[int], Made], nbytes: int) -> Made:
    """``make(nbytes)``, or what it makes of half of that, and so on. Raises OSError if not even
    the smallest arena is possible.
    """
    while True:
        try:
            return make(nbytes)
        except (OSError, OverflowError):
            nbytes //= 2
            if nbytes < _SMALLEST_ARENA:
                raise
