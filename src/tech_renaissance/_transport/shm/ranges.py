"""Ranges of an arena that are free: neighbours are joined at once, the best fit is found at once."""

from bisect import bisect_left, insort
from typing import Dict, List, Optional, Tuple

from .window import is_window_begin

Range = Tuple[int, int]  # offset, nbytes


class Ranges:
    """Free ranges. None reaches over the border of a window."""

    def __init__(self) -> None:
        self._by_nbytes: List[Tuple[int, int]] = []  # and by offset
        self._nbytes: Dict[int, int] = {}  # by where a range begins
        self._begins: Dict[int, int] = {}  # by where it ends

    def add(self, offset: int, nbytes: int) -> None:
        """A range of one window, of which nothing is here yet."""
        if not nbytes:
            return
        before = self._begins.get(offset)
        if before is not None and not is_window_begin(offset):
            nbytes += self._remove(before)
            offset = before
        end = offset + nbytes
        if end in self._nbytes and not is_window_begin(end):
            nbytes += self._remove(end)
        self._nbytes[offset] = nbytes
        self._begins[offset + nbytes] = offset
        insort(self._by_nbytes, (nbytes, offset))

    def take(self, nbytes: int) -> int:
        """Take bytes from the start of the smallest range that has them; the offset, or -1."""
        index = bisect_left(self._by_nbytes, (nbytes, 0))
        if index == len(self._by_nbytes):
            return -1
        size, offset = self._by_nbytes[index]
        self._remove(offset)
        self.add(offset + nbytes, size - nbytes)
        return offset

    def take_largest(self) -> Optional[Range]:
        """The largest range, if there is any."""
        if not self._by_nbytes:
            return None
        nbytes, offset = self._by_nbytes[-1]
        self._remove(offset)
        return offset, nbytes

    def _remove(self, offset: int) -> int:
        nbytes = self._nbytes.pop(offset)
        del self._begins[offset + nbytes]
        del self._by_nbytes[bisect_left(self._by_nbytes, (nbytes, offset))]
        return nbytes
