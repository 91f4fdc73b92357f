"""Segments on POSIX systems: unnamed files in memory. See segment.py."""

import contextlib
import ctypes
import mmap
import os
import sys

from ..._system.descriptors_posix import above_standard_streams
from ..._system.forks import close_held, make_held
from .pages import PAGE, largest_possible, page_up

if sys.platform == "linux":
    from .memory_linux import POPULATE, REMOVE, make_descriptor, take_memory
else:
    from .memory_posix import POPULATE, REMOVE, make_descriptor, take_memory

_NORESERVE = 0x4000 if sys.platform == "linux" else 0
# Whether smaller tensors and bodies are in a segment's memory is not checked: reading where
# there is none is harmless here.
UNCHECKED_NBYTES = 1 << 20


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
    def create_arena(cls, nbytes: int = 1 << 40) -> "Segment":
        """A sparse segment of ``nbytes``, or as much as this process may put into a file. Raises
        OSError if that is too little.
        """
        return largest_possible(cls.create, nbytes)

    @classmethod
    def inherit(cls, descriptor: int) -> "Segment":
        """A segment whose descriptor was inherited. Raises OSError."""
        os.set_inheritable(descriptor, False)
        return cls(make_held(lambda: descriptor))

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def commit(self, begin: int, end: int) -> None:
        """Allocate memory for a range of whole pages. Raises OSError if there is none,
        which avoids a signal later.
        """
        take_memory(self._descriptor, begin, end)

    def has_all(self, begin: int, end: int) -> bool:
        """Whether every page of a range has memory."""
        return hasattr(os, "SEEK_HOLE") and os.lseek(self._descriptor, begin, os.SEEK_HOLE) >= end

    def can_hold(self, begin: int, end: int) -> bool:
        """Whether the other side can have written all of a range. If not, it must not be read."""
        nbytes = end - begin
        return nbytes <= UNCHECKED_NBYTES or os.fstat(self._descriptor).st_blocks * 512 >= nbytes

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
        """Store a word, whose place need not be mapped. If that cannot be done, the block stays lent."""
        with contextlib.suppress(OSError):  # beyond this process's limit of file sizes
            if os.pwrite(self._descriptor, word.to_bytes(8, sys.byteorder), offset) == 8:
                return
        with contextlib.suppress(OSError):  # the limit is not for what is mapped
            begin = offset // PAGE * PAGE
            page = Mapping(self, begin, begin + PAGE)
            page.words[offset - begin >> 3] = word
            page.close()

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            close_held(self._descriptor)
            self._descriptor = -1


class Mapping:
    """A mapped part of a segment. ``bytes`` and ``words`` (64 bits each) are views of it; ``begin`` is its
    offset in the segment, ``address`` its address in this process.
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
        self._segment = segment

    def can_hold(self, start: int, end: int) -> bool:
        """Whether the other side can have written all of a range. If not, it must not be read."""
        return self._segment.can_hold(self.begin + start, self.begin + end)

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
        # Never mapping.close(): arrays keep the mapping alive, but not its buffer, and would be
        # left with dangling pointers.
        self.words.release()
        self.bytes.release()
        self.__dict__.pop("mapping", None)
