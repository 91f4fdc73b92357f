"""Shared segments: memory that a host and a worker both map.

``Segment.create`` makes one, ``Segment.inherit`` maps one that the host made; ``fileno`` is what a worker inherits. Offsets
into ``bytes`` and ``words`` are the same on both sides. The memory is freed by the system when the last mapping is gone.
"""

import contextlib
import ctypes
import mmap
import os
import sys
from typing import Optional

if sys.platform == "linux":
    from .segment_linux import POPULATE, REMOVE, make_descriptor
elif sys.platform != "win32":
    from .segment_posix import POPULATE, REMOVE, make_descriptor

_NORESERVE = 0x4000 if sys.platform == "linux" else 0
_SMALLEST_ARENA = 64 << 20
_LARGEST_ARENA = 1 << 40
PAGE = mmap.PAGESIZE


class Segment:
    """A mapped segment. ``bytes`` and ``words`` (64 bits each) are views of all of it."""

    def __init__(self, descriptor: int, nbytes: int) -> None:
        self.nbytes = nbytes
        self._descriptor = descriptor
        self.mapping = mmap.mmap(descriptor, nbytes, flags=mmap.MAP_SHARED | _NORESERVE)
        self.bytes = memoryview(self.mapping)
        self.words = self.bytes.cast("Q")
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.mapping))

    @classmethod
    def create(cls, nbytes: int) -> "Segment":
        """A new segment of exactly this size. Raises OSError."""
        descriptor = make_descriptor(nbytes)
        try:
            return cls(descriptor, nbytes)
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def create_arena(cls) -> "Segment":
        """A sparse segment: as much address space as this process may map. Raises OSError if that is too little."""
        nbytes = _LARGEST_ARENA
        while True:
            try:
                return cls.create(nbytes)
            except (OSError, OverflowError, ValueError):
                nbytes //= 2
                if nbytes < _SMALLEST_ARENA:
                    raise

    @classmethod
    def inherit(cls, descriptor: int) -> "Segment":
        """Map a segment whose descriptor was inherited. Raises OSError."""
        os.set_inheritable(descriptor, False)
        return cls(descriptor, os.fstat(descriptor).st_size)

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def commit(self, start: int, end: int) -> None:
        """Take memory for a range of whole pages, and map it. Raises OSError if there is none, instead of a signal later."""
        os.posix_fallocate(self._descriptor, start, end - start)
        self.populate(start, end)

    def populate(self, start: int, end: int) -> None:
        """Map a range of whole pages that has memory, in one step instead of page by page."""
        if POPULATE:
            with contextlib.suppress(OSError):  # an older kernel: pages are mapped as they are touched
                self.mapping.madvise(POPULATE, start, end - start)

    def populate_taken(self, start: int, end: int) -> None:
        """Map the pages of a range, unless some of it has no memory: then that would take it."""
        if hasattr(os, "SEEK_HOLE") and os.lseek(self._descriptor, start, os.SEEK_HOLE) >= end:
            self.populate(start // PAGE * PAGE, min(page_up(end), self.nbytes))

    def has_taken(self, nbytes: int) -> bool:
        """Whether the segment has taken so much memory in all. Nothing that is larger can be in it."""
        return os.fstat(self._descriptor).st_blocks * 512 >= nbytes

    def give_back(self, start: int, end: int) -> None:
        """Return the memory of a range of whole pages to the system; what stood there is gone."""
        if REMOVE:
            with contextlib.suppress(OSError):  # locked memory stays
                self.mapping.madvise(REMOVE, start, end - start)

    def close(self) -> None:
        """Close the descriptor, and the mapping if no tensor lives in it; else it goes with the last one."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        # Never mapping.close(): an array holds the mapping, but not its buffer, and would point to nothing.
        self.words.release()
        self.bytes.release()
        del self.mapping


def page_up(offset: int) -> int:
    """The next multiple of a page."""
    return -(-offset // PAGE) * PAGE


# Whether the platform has segments at all, and if not, why.
UNAVAILABLE: Optional[str] = (
    None if sys.platform == "linux" else f"shared memory is not tested on {sys.platform} yet"
)
