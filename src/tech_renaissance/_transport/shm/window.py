"""The windows of an arena: the parts that a process maps, each when it is first needed.

The first window has 16 MiB; each other is as large as all before it together. A block, and so the tensors in
it, lies in a single window. Rules: spec/transport-shm.md, Windows.
"""

import weakref
from typing import Dict, Optional, Set

from .segment import Mapping, Segment

FIRST_WINDOW_NBYTES = 16 << 20


def window_number(offset: int) -> int:
    """The number of the window with this byte of an arena."""
    return (offset // FIRST_WINDOW_NBYTES).bit_length()


def window_begin(number: int) -> int:
    """Where a window begins."""
    return FIRST_WINDOW_NBYTES << number - 1 if number else 0


def window_end(offset: int) -> int:
    """Where the window of a byte ends, if the arena is large enough."""
    return window_begin(window_number(offset) + 1)


def is_window_begin(offset: int) -> bool:
    """Whether a window begins here."""
    return not offset % FIRST_WINDOW_NBYTES and not offset & (offset - 1)


class Windows:
    """One process's windows of a segment. A mapping lives as long as anything in it, even after
    it is no longer one of these.
    """

    def __init__(self, segment: Segment) -> None:
        """Raises OSError if the first window cannot be mapped."""
        self._segment = segment
        self.first = self._map(0)
        self._others: Dict[int, Mapping] = {}
        self._needed: Set[int] = set()  # those needed since the last tidying

    def at(self, offset: int) -> Mapping:
        """The window with this byte of the segment, mapped. Raises OSError if it cannot be mapped."""
        if offset < FIRST_WINDOW_NBYTES:
            return self.first
        number = window_number(offset)
        self._needed.add(number)
        return self._others.get(number) or self._map_now(number)

    def tidy(self) -> None:
        """Unmap windows that have not been needed since the last time and are not in
        use. Call it now and then.
        """
        self._drop_unused(set(self._others) - self._needed)
        self._needed.clear()

    def close(self) -> None:
        """Unmap everything in which no tensor lives, and the rest when the last tensor dies."""
        for window in (self.first, *self._others.values()):
            window.close()
        self._others.clear()

    def _map_now(self, number: int) -> Mapping:
        try:
            window = self._map(number)
        except OSError:  # too little address space: make room, even by windows that will soon be needed again
            self._drop_unused(set(self._others))
            window = self._map(number)
        self._others[number] = window
        return window

    def _map(self, number: int) -> Mapping:
        begin, end = window_begin(number), min(window_begin(number + 1), self._segment.nbytes)
        return Mapping(self._segment, begin, end)

    def _drop_unused(self, numbers: Set[int]) -> None:
        """Drop the ones that nothing else refers to: forget each, and take it back if it is still alive."""
        for number in numbers:
            used: Optional[Mapping] = weakref.ref(self._others.pop(number))()
            if used is not None:
                self._others[number] = used
