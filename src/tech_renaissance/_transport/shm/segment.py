"""Shared segments: memory that a host and a worker both map.

``Segment.create`` makes one, ``Segment.inherit`` takes over one that the host made; a worker inherits its ``fileno``. Offsets are
the same on both sides. The system frees the memory when the last descriptor and the last mapping are closed.
"""

import contextlib
import ctypes
import mmap
import os
import sys
from typing import Optional

from ..._system.fork import close_held, make_held

if sys.platform != "win32":
    from ..._system.descriptors_posix import above_standard_streams
if sys.platform == "linux":
    from .segment_linux import POPULATE, REMOVE, make_descriptor
elif sys.platform != "win32":
    from .segment_posix import POPULATE, REMOVE, make_descriptor

_NORESERVE = 0x4000 if sys.platform == "linux" else 0
_SMALLEST_ARENA = 64 << 20
_LARGEST_ARENA = 1 << 40
PAGE = mmap.PAGESIZE


class Segment:
    """A segment. It need not be mapped."""

    def __init__(self, descriptor: int) -> None:
        """Takes over the descriptor."""
        self.nbytes = os.fstat(descriptor).st_size
        self._descriptor = descriptor

    @classmethod
    def create(cls, nbytes: int) -> "Segment":
        """A new segment of exactly this size. Raises OSError."""
        return cls(make_descriptor(nbytes))

    @classmethod
    def create_arena(cls) -> "Segment":
        """A sparse segment, as large as this process is allowed to make a file. Raises OSError if that is too small."""
        nbytes = _LARGEST_ARENA
        while True:
            try:
                return cls.create(nbytes)
            except (OSError, OverflowError):
                nbytes //= 2
                if nbytes < _SMALLEST_ARENA:
                    raise

    @classmethod
    def inherit(cls, descriptor: int) -> "Segment":
        """A segment whose descriptor was inherited. Raises OSError."""
        os.set_inheritable(descriptor, False)
        return cls(make_held(lambda: descriptor))

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def commit(self, begin: int, end: int) -> None:
        """Allocate memory for a range of whole pages. Raises OSError if there is none, which avoids a signal later."""
        os.posix_fallocate(self._descriptor, begin, end - begin)

    def has_all(self, begin: int, end: int) -> bool:
        """Whether every page of a range has memory."""
        return hasattr(os, "SEEK_HOLE") and os.lseek(self._descriptor, begin, os.SEEK_HOLE) >= end

    def has_taken(self, nbytes: int) -> bool:
        """Whether the segment has at least this much memory in all. Nothing larger can be in it."""
        return os.fstat(self._descriptor).st_blocks * 512 >= nbytes

    def read(self, begin: int, nbytes: int) -> bytes:
        """Read bytes, which need not be mapped. Raises OSError."""
        data = os.pread(self._descriptor, nbytes, begin)
        while len(data) < nbytes:  # a single system call has a limit
            more = os.pread(self._descriptor, nbytes - len(data), begin + len(data))
            if not more:
                raise OSError("a segment ends where it should not")
            data += more
        return data

    def store(self, offset: int, word: int) -> None:
        """Store a word, whose place need not be mapped."""
        os.pwrite(self._descriptor, word.to_bytes(8, sys.byteorder), offset)

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            close_held(self._descriptor)
            self._descriptor = -1


class Mapping:
    """A mapped part of a segment. ``bytes`` and ``words`` (64 bits each) are views of it; ``begin`` is its offset in the segment,
    ``address`` its address in this process.
    """

    def __init__(self, segment: Segment, begin: int, end: int) -> None:
        """Raises OSError."""
        self.begin = begin
        self.nbytes = end - begin
        with above_standard_streams():  # for the descriptor that the mapping duplicates
            self.mapping = mmap.mmap(
                segment.fileno(), self.nbytes, flags=mmap.MAP_SHARED | _NORESERVE, offset=begin
            )
        self.bytes = memoryview(self.mapping)
        self.words = self.bytes.cast("Q")
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.mapping))
        self.populated_to = 0  # how far a reader has populated it

    def populate(self, start: int, end: int) -> None:
        """Make the pages of a range present in one step, instead of one by one as they are touched."""
        if POPULATE:
            start = start // PAGE * PAGE
            with contextlib.suppress(OSError):  # older kernels cannot do this
                self.mapping.madvise(POPULATE, start, min(page_up(end), self.nbytes) - start)

    def give_back(self, start: int, end: int) -> None:
        """Return the memory of a range of whole pages to the system. Its contents are lost."""
        if REMOVE:
            with contextlib.suppress(OSError):  # locked memory cannot be returned
                self.mapping.madvise(REMOVE, start, end - start)

    def close(self) -> None:
        """Unmap it if no tensor lives in it, else when the last one dies. Safe to call twice."""
        # Never mapping.close(): arrays keep the mapping alive, but not its buffer, and would be left with dangling pointers.
        self.words.release()
        self.bytes.release()
        self.__dict__.pop("mapping", None)


class MappedSegment(Mapping):
    """A segment that is mapped as a whole."""

    def __init__(self, segment: Segment) -> None:
        """Takes over the segment, even if this fails (OSError)."""
        try:
            super().__init__(segment, 0, segment.nbytes)
        except BaseException:
            segment.close()
            raise
        self._segment = segment

    def fileno(self) -> int:
        """The descriptor."""
        return self._segment.fileno()

    def close(self) -> None:
        """Close the mapping and the segment."""
        super().close()
        self._segment.close()


def page_up(offset: int) -> int:
    """Round up to a multiple of the page size."""
    return -(-offset // PAGE) * PAGE


# Whether the platform has segments at all, and if not, why.
UNAVAILABLE: Optional[str] = (
    None if sys.platform == "linux" else f"shared memory is not tested on {sys.platform} yet"
)
