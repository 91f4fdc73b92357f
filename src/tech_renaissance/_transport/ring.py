"""One direction of frames through a control segment. Layout and ordering: spec/transport-shm.md, Rings.

The bytes are the other side's to scribble over at any moment, so a frame is copied out before anything in it is believed.
"""

import platform
import threading
from typing import Callable, Optional

from .._errors import RemoteProtocolError
from .segment import Segment

RING_NBYTES = 262144
_MASK = RING_NBYTES - 1
_LEAST_NBYTES = 8  # a Pad; every other frame has a whole header
_HEADER_NBYTES = 16


def _make_fence() -> Callable[[], None]:
    """A full fence: two atomic read-modify-writes of the C library, as good as Python gets."""
    lock = threading.Lock()
    acquire, release = lock.acquire, lock.release

    def fence() -> None:
        acquire()
        release()

    return fence


full_fence = _make_fence()
# x86 does not reorder stores with stores or loads with loads; others get the full fence.
_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")


class RingWriter:
    """The writing end. ``head`` and ``tail`` are indices of words of the segment."""

    def __init__(self, control: Segment, start: int, head: int, tail: int) -> None:
        self._words = control.words
        self._bytes = control.bytes[start : start + RING_NBYTES]
        self._head_index = head
        self._tail_index = tail
        self._head = 0

    def has_room(self, nbytes: int) -> bool:
        """Whether a frame of so many bytes, or fewer, could be written now, wherever the ring ends."""
        return self._head + 2 * nbytes - self._words[self._tail_index] <= RING_NBYTES

    def try_write(self, frame: bytes) -> bool:
        """Copy in a frame, a multiple of 8 bytes, and publish it; False if there is no room."""
        head = self._head
        nbytes = len(frame)
        position = head & _MASK
        to_end = RING_NBYTES - position
        padding = to_end if nbytes > to_end else 0
        if head + padding + nbytes - self._words[self._tail_index] > RING_NBYTES:
            return False
        if padding:
            self._bytes[position : position + 8] = padding.to_bytes(8, "little")  # size, and kind 0
            position = 0
        self._bytes[position : position + nbytes] = frame
        if not _X86:
            full_fence()
        self._words[self._head_index] = self._head = head + padding + nbytes
        return True


class RingReader:
    """The reading end."""

    def __init__(self, control: Segment, start: int, head: int, tail: int) -> None:
        self._words = control.words
        self._bytes = control.bytes[start : start + RING_NBYTES]
        self._sizes = self._bytes.cast("I")
        self._head_index = head
        self._tail_index = tail
        self.tail = 0

    def read(self) -> Optional[bytes]:
        """The next frame's bytes, or None. Raises RemoteProtocolError ``bad_frame`` when the ring is broken for good."""
        while True:
            tail = self.tail
            available = self._words[self._head_index] - tail
            if not available:
                return None
            if not _X86:
                full_fence()
            position = tail & _MASK
            nbytes = self._sizes[position >> 2]
            if (
                not _LEAST_NBYTES <= nbytes <= available <= RING_NBYTES
                or nbytes & 7
                or position + nbytes > RING_NBYTES
            ):
                raise RemoteProtocolError("bad_frame", "the ring is broken: a frame of an impossible size")
            frame = self._bytes[position : position + nbytes].tobytes()
            self._words[self._tail_index] = self.tail = tail + nbytes
            if frame[4] and nbytes >= _HEADER_NBYTES:  # kind 0 is padding
                return frame

    @property
    def is_crowded(self) -> bool:
        """Whether the writer may be waiting for room."""
        return self._words[self._head_index] - self.tail > RING_NBYTES // 4
