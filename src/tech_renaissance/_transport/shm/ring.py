"""One direction of frames through a control segment. Layout and ordering: spec/transport-shm.md, Rings.

The other side may overwrite the bytes at any moment, so a frame is copied out before
anything in it is trusted.
"""

import os
import struct
import threading
from typing import Callable, List, Optional, Tuple

from ..._base.errors import RemoteProtocolError
from ..transport import BROKEN_RING
from .segment import MappedSegment

RING_NBYTES = 262144
_MASK = RING_NBYTES - 1
_CROWDED_NBYTES = RING_NBYTES // 4
_LEAST_NBYTES = 8  # a Pad; every other frame has a whole header
_HEADER_NBYTES = 16
_HEADER = struct.Struct("<IHxxQ")  # size, kind, id
_KIND = 4  # where a frame has its kind


def _make_fence() -> Callable[[], None]:
    """A full fence: an atomic read-modify-write in the C library, the best that Python offers. Safe in
    any number of threads, and against interruptions: a thread that finds the lock taken releases it,
    which is just as good a fence.
    """
    lock = threading.Lock()
    acquire, release = lock.acquire, lock.release

    def fence() -> None:
        taken = acquire(False)
        try:
            release()
        except RuntimeError:  # another thread released it
            if not taken:
                fence()

    return fence


full_fence = _make_fence()
# x86 does not reorder stores with stores or loads with loads. Other processors need the full fence.
_MACHINE = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
NEEDS_FENCES = _MACHINE.lower() not in ("x86_64", "amd64", "i386", "i686", "x86")


class RingWriter:
    """The writing end. ``head`` and ``tail`` are indices of words of the segment."""

    def __init__(self, control: MappedSegment, start: int, head: int, tail: int) -> None:
        self._words = control.words
        self._mapping = control.mapping  # slicing it is faster than slicing a memoryview
        self._start = start
        self._head_index = head
        self._tail_index = tail
        self.head = 0  # where the next frame begins
        self._full_at = -1  # the tail when there was last no room; -1 if there has been room since

    def has_room(self, nbytes: int) -> bool:
        """Whether a frame of up to ``nbytes`` could be written now, wherever the ring wraps."""
        tail = self._words[self._tail_index]
        if self.head + 2 * nbytes - tail <= RING_NBYTES:
            return True
        self._full_at = tail
        return False

    def has_plenty(self, nbytes: int) -> bool:
        """Whether a quarter of the ring would stay free behind a frame of ``nbytes``,
        wherever the ring wraps.
        """
        used = self.head - self._words[self._tail_index]
        return used + 2 * nbytes + _CROWDED_NBYTES <= RING_NBYTES

    def has_new_room(self) -> bool:
        """Whether the reader has taken something since there was last no
        room. True only once for each time.
        """
        if self._full_at < 0 or self._words[self._tail_index] == self._full_at:
            return False
        self._full_at = -1
        return True

    def try_write(self, frame: bytes) -> bool:
        """Copy in a frame, whose size is a multiple of 8, and publish it; False if there is no room."""
        head = self.head
        nbytes = len(frame)
        position = head & _MASK
        to_end = RING_NBYTES - position
        padding = to_end if nbytes > to_end else 0
        tail = self._words[self._tail_index]
        if head + padding + nbytes - tail > RING_NBYTES:
            self._full_at = tail
            return False
        if padding:
            start = self._start + position
            self._mapping[start : start + 8] = padding.to_bytes(8, "little")  # a Pad: its size, and kind 0
            position = 0
        start = self._start + position
        self._mapping[start : start + nbytes] = frame
        if NEEDS_FENCES:
            full_fence()
        # Our own head first, so that a signal between the two cannot lose a published frame.
        self.head = head = head + padding + nbytes
        self._words[self._head_index] = head
        return True

    def publish(self) -> None:
        """Publish what ``try_write`` has written, in case it was interrupted."""
        self._words[self._head_index] = self.head

    def close(self) -> None:
        """Release the segment."""
        del self._mapping


class RingReader:
    """The reading end."""

    def __init__(self, control: MappedSegment, start: int, head: int, tail: int) -> None:
        self._words = control.words
        self.sizes = control.bytes.cast("I")
        self._mapping = control.mapping  # slicing it is faster than slicing a memoryview
        self._start = start
        self._end = start + RING_NBYTES
        self._head_index = head
        self._tail_index = tail
        self.tail = 0
        # Whether the writer may have been waiting for room when the last frame was read.
        self.is_crowded = False

    def read(self) -> Optional[bytes]:
        """Take the next frame's bytes; None if there is none. Raises RemoteProtocolError BROKEN_RING
        if nothing more can be read.
        """
        frame = self.peek()
        if frame is not None:
            self.advance(self.tail + len(frame))
        return frame

    @property
    def has_frame(self) -> bool:
        """Whether something has been written that has not been taken."""
        return self._words[self._head_index] != self.tail

    def advance(self, tail: int) -> None:
        """Mark everything before ``tail`` as taken. May be repeated."""
        self.tail = tail
        self._words[self._tail_index] = tail
        self.is_crowded = self._words[self._head_index] - tail > _CROWDED_NBYTES

    def peek(self) -> Optional[bytes]:
        """Like ``read``, but leave the frame in the ring."""
        while True:
            tail = self.tail
            available = self._words[self._head_index] - tail
            if not available:
                return None
            if NEEDS_FENCES:
                full_fence()
            start = self._start + (tail & _MASK)
            nbytes = self.sizes[start >> 2]
            end = start + nbytes
            if not _LEAST_NBYTES <= nbytes <= available <= RING_NBYTES or nbytes & 7 or end > self._end:
                raise RemoteProtocolError(BROKEN_RING, "the ring is broken: a frame of an impossible size")
            frame = self._mapping[start:end]
            if frame[4] and nbytes >= _HEADER_NBYTES:
                return frame
            self.advance(tail + nbytes)
            # Else it is a Pad, which must end the ring; a chain of Pads could go on forever.
            if frame[4] or end != self._end or start == self._start:
                raise RemoteProtocolError(BROKEN_RING, "the ring is broken: padding in the wrong place")

    def next_kind(self) -> int:
        """The kind that the next frame seems to have; 0 if there is none."""
        # Not by an index into the mapping, which is a byte, or a number, as the platform has it.
        return self.sizes[(self._start + (self.tail & _MASK) + _KIND) >> 2] & 0xFF if self.has_frame else 0

    def headers(self) -> Optional[List[Tuple[int, int]]]:
        """The kinds and ids of the frames in the ring, for a thread that does not read it. None if another
        thread has read meanwhile, or the ring is broken.
        """
        tail = self.tail
        head = self._words[self._head_index]
        if NEEDS_FENCES:
            full_fence()
        if head - tail > RING_NBYTES:
            return None
        found: List[Tuple[int, int]] = []
        position = tail
        while position < head:
            start = self._start + (position & _MASK)
            nbytes, kind, number = _HEADER.unpack_from(self._mapping, start)
            if nbytes < _LEAST_NBYTES or nbytes & 7:
                return None
            found.append((kind, number))
            position += nbytes
        # What has not been taken by now cannot have been overwritten.
        return found if self.tail == tail and position == head else None

    def peek_many(self, most_nbytes: int) -> bytes:
        """A copy of the next frames, which stay in the ring; the last of them may be cut.
        Nothing has been looked at.
        """
        tail = self.tail
        available = self._words[self._head_index] - tail
        if NEEDS_FENCES:
            full_fence()
        start = self._start + (tail & _MASK)
        return self._mapping[start : min(start + min(available, most_nbytes), self._end)]

    def close(self) -> None:
        """Release the segment."""
        self.sizes.release()
        del self._mapping
