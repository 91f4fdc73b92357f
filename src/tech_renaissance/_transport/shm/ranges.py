"""The free ranges of an arena. Neighbours are joined at once, and the best fit is found directly."""

from bisect import bisect_left, insort
from typing import Dict, List, Optional, Tuple

from .window import is_window_begin

Range = Tuple[int, int]  # offset, nbytes


class Ranges:
    """Free ranges. None crosses the border of a window. An exception in the middle (Ctrl+C) may
    lose a range, but nothing else.
    """

    def __init__(self) -> None:
        self._by_nbytes: List[Tuple[int, int]] = []  # sizes and offsets, sorted
        self._nbytes: Dict[int, int] = {}  # sizes by offset
        self._begins: Dict[int, int] = {}  # offsets by end
        self._is_torn = False  # whether a change has begun but not ended

    def add(self, offset: int, nbytes: int) -> None:
        """Add a range. It must lie in one window and not overlap others."""
        self._begin()
        self._add(offset, nbytes)
        self._is_torn = False

    def take(self, nbytes: int) -> int:
        """Take ``nbytes`` from the start of the smallest range that is large enough; the
        offset, or -1 if there is none.
        """
        self._begin()
        index = bisect_left(self._by_nbytes, (nbytes, 0))
        offset = -1
        if index < len(self._by_nbytes):
            size, offset = self._by_nbytes[index]
            self._remove(offset)
            self._add(offset + nbytes, size - nbytes)
        self._is_torn = False
        return offset

    def take_largest(self) -> Optional[Range]:
        """Remove and return the largest range; None if there is none."""
        self._begin()
        largest: Optional[Range] = None
        if self._by_nbytes:
            nbytes, offset = self._by_nbytes[-1]
            self._remove(offset)
            largest = offset, nbytes
        self._is_torn = False
        return largest

    def _begin(self) -> None:
        if self._is_torn:
            self._begins = {offset + nbytes: offset for offset, nbytes in self._nbytes.items()}
            self._by_nbytes = sorted((nbytes, offset) for offset, nbytes in self._nbytes.items())
        self._is_torn = True

    def _add(self, offset: int, nbytes: int) -> None:
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

    def _remove(self, offset: int) -> int:
        nbytes = self._nbytes.pop(offset)
        del self._begins[offset + nbytes]
        del self._by_nbytes[bisect_left(self._by_nbytes, (nbytes, offset))]
        return nbytes
