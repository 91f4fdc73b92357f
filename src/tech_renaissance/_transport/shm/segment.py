"""Shared segments: memory that a host and a worker both map.

``Segment.create`` makes one, ``Segment.inherit`` takes over one that the host made; ``fileno`` is what a worker inherits. Offsets
are the same on both sides. The memory is freed by the system when the last descriptor and the last mapping are gone.
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
    """A segment, of which nothing need be mapped."""

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
        """A sparse segment, as large as this process may make a file. Raises OSError if that is too little."""
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
        """Take memory for a range of whole pages. Raises OSError if there is none, instead of a signal later."""
        os.posix_fallocate(self._descriptor, begin, end - begin)

    def has_all(self, begin: int, end: int) -> bool:
        """Whether every page of a range has memory."""
        return hasattr(os, "SEEK_HOLE") and os.lseek(self._descriptor, begin, os.SEEK_HOLE) >= end

    def has_taken(self, nbytes: int) -> bool:
        """Whether the segment has taken so much memory in all. Nothing that is larger can be in it."""
        return os.fstat(self._descriptor).st_blocks * 512 >= nbytes

    def read(self, begin: int, nbytes: int) -> bytes:
        """Bytes that need not be mapped. Raises OSError."""
        data = os.pread(self._descriptor, nbytes, begin)
        while len(data) < nbytes:  # a system call has its own limit
            more = os.pread(self._descriptor, nbytes - len(data), begin + len(data))
            if not more:
                raise OSError("a segment ends where it should not")
            data += more
        return data

    def store(self, offset: int, word: int) -> None:
        """Store a word that need not be mapped."""
        os.pwrite(self._descriptor, word.to_bytes(8, sys.byteorder), offset)

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            close_held(self._descriptor)
            self._descriptor = -1


class Mapping:
    """A part of a segment that is mapped. ``bytes`` and ``words`` (64 bits each) are views of it; ``begin`` is where in the segment it
    begins, and ``address`` where in this process.
    """

    def __init__(self, segment: Segment, begin: int, end: int) -> None:
        """Raises OSError."""
        self.begin = begin
        self.nbytes = end - begin
        with above_standard_streams():  # for the descriptor that the mapping has for itself
            self.mapping = mmap.mmap(
                segment.fileno(), self.nbytes, flags=mmap.MAP_SHARED | _NORESERVE, offset=begin
            )
        self.bytes = memoryview(self.mapping)
        self.words = self.bytes.cast("Q")
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.mapping))
        self.populated_to = 0  # as far as a reader has seen to that

    def populate(self, start: int, end: int) -> None:
        """Make the pages of a range present in one step, instead of one by one as they are touched."""
        if POPULATE:
            start = start // PAGE * PAGE
            with contextlib.suppress(OSError):  # an older kernel
                self.mapping.madvise(POPULATE, start, min(page_up(end), self.nbytes) - start)

    def give_back(self, start: int, end: int) -> None:
        """Return the memory of a range of whole pages to the system; what stood there is gone."""
        if REMOVE:
            with contextlib.suppress(OSError):  # locked memory stays
                self.mapping.madvise(REMOVE, start, end - start)

    def close(self) -> None:
        """Unmap it if no tensor lives in it; else it goes with the last one. Safe to call twice."""
        # Never mapping.close(): an array holds the mapping, but not its buffer, and would point to nothing.
        self.words.release()
        self.bytes.release()
        self.__dict__.pop("mapping", None)


class MappedSegment(Mapping):
    """A segment that is mapped as a whole."""

    def __init__(self, segment: Segment) -> None:
        """Takes over the segment, also if this fails (OSError)."""
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
        """Let go of both."""
        super().close()
        self._segment.close()


def page_up(offset: int) -> int:
    """The next multiple of a page."""
    return -(-offset // PAGE) * PAGE


# Whether the platform has segments at all, and if not, why.
UNAVAILABLE: Optional[str] = (
    None if sys.platform == "linux" else f"shared memory is not tested on {sys.platform} yet"
)
