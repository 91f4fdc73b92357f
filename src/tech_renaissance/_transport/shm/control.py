"""The control segment of a shared-memory session: where its words are, and how to wait on them.
Layout: spec/transport-shm.md.
"""

import itertools
import os
import time
from typing import Dict, List, Optional

from ..._system.clock import clock_ns
from ..transport import FOR_ITEM, FOR_TURN
from .doorbell import Doorbell
from .ring import RING_NBYTES, RingReader, RingWriter, full_fence
from .segment import MappedSegment

CONTROL_NBYTES = 1 << 20
LAYOUT_VERSION = 4
_MAGIC = int.from_bytes(b"TRCTRL\0\0", "little")

# Indices of 64-bit words.
MAGIC, VERSION = 0, 1
REQUEST_HEAD, RESPONSE_TAIL, GIVEN_UP, HOST_ASLEEP = 8, 9, 10, 16
RESPONSE_HEAD, REQUEST_TAIL, WORKER_ASLEEP = 24, 25, 32
THREADS = 42
SERVED, FAILED = 48, 49
HISTOGRAM = 64
# The first slot; the others follow.
CURRENT_ID, CURRENT_SINCE_NS = 128, 129
_SLOTS = range(CURRENT_ID, CURRENT_ID + 256, 4)
PARKED_SLOTS = _SLOTS[1:]
REQUESTS, RESPONSES = 4096, 4096 + RING_NBYTES
_GIVEN_UP_IDS = (4096 + 2 * RING_NBYTES) // 8
_MOST_GIVEN_UP = 256
# In an id on that list: it is not given up, but asked to stop.
STOP = 1 << 63

# Where there is no sched_yield, sleeping for no time does the same.
yield_processor = getattr(os, "sched_yield", lambda: time.sleep(0))

_PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

# How long to look at a word before going to sleep; longer for a host if its worker's
# threads leave it a processor.
_LOOK_NS = 50_000
_LONG_LOOK_NS = 500_000
_MOST_SKIPS = 15
# How often to look between two readings of the clock; this takes some microseconds.
_LOOKS = range(200)
# Every sleep is bounded, so that a lost wake-up causes no more than a delay.
SLEEP_S = 1.0


class ControlSide:
    """One side of a control segment: its ends of the two rings, and sleeping until the
    other side has sent something.
    """

    def __init__(
        self, control: MappedSegment, doorbell: Doorbell, *, is_host: bool, look_us: Optional[int] = None
    ) -> None:
        """``look_us``: how long to look each time before going to sleep; None: for as
        long as looking has paid off.
        """
        self._given_look_ns = None if look_us is None else look_us * 1000
        requests = (control, REQUESTS, REQUEST_HEAD, REQUEST_TAIL)
        responses = (control, RESPONSES, RESPONSE_HEAD, RESPONSE_TAIL)
        self.words = control.words
        self.doorbell = doorbell
        self.writer = RingWriter(*(requests if is_host else responses))
        self.reader = RingReader(*(responses if is_host else requests))
        self._our_flag = HOST_ASLEEP if is_host else WORKER_ASLEEP
        self._their_flag = WORKER_ASLEEP if is_host else HOST_ASLEEP
        self._their_head = RESPONSE_HEAD if is_host else REQUEST_HEAD
        self._given_up = 0  # how many ids the list had at the last sleep
        self._skips = self._penalty = 0
        self._may_share = False  # whether both sides may be on the same processor

    def wake_other(self) -> None:
        """Ring if the other side is asleep. Call it after publishing a new head, or a
        new tail in a crowded ring.
        """
        full_fence()
        if self.words[self._their_flag]:
            self.ring()

    def ring(self) -> None:
        """Wake the other side."""
        self.doorbell.ring()
        self._may_share = True

    @property
    def other_is_awake(self) -> bool:
        """Whether the other side will most probably see a frame without being woken."""
        return not self.words[self._their_flag]

    def give_way(self) -> None:
        """Yield the processor once after a wake-up: the other side may have been put on our
        processor, where it would have to wait.
        """
        if self._may_share:
            self._may_share = False
            yield_processor()

    def look(self) -> bool:
        """Look for a frame for a bounded time, without sleeping; True if there is one. After a failure, the
        next 1, 3, 7, then 15 looks are skipped, because a side that waits long should not take the
        processor from the one it waits for.
        """
        words, index, seen = self.words, self._their_head, self.reader.tail
        if self._skips:
            self._skips -= 1
            return words[index] != seen
        self.give_way()
        given_ns = self._given_look_ns
        until = clock_ns() + (self._usual_look_ns() if given_ns is None else given_ns)
        while True:
            for _ in _LOOKS:
                if words[index] != seen:
                    self._penalty = 0
                    return True
            if clock_ns() >= until:
                break
        if given_ns is None:
            self._skips = self._penalty = min(2 * self._penalty + 1, _MOST_SKIPS)
        return words[index] != seen

    def _usual_look_ns(self) -> int:
        """How long to look; not at all if there is only one processor."""
        if _PROCESSORS < 2:
            return 0
        has_processor = self._our_flag == HOST_ASLEEP and self.words[THREADS] < _PROCESSORS
        return _LONG_LOOK_NS if has_processor else _LOOK_NS

    def sleep(self, timeout_s: float, *, for_room: bool = False) -> bool:
        """Sleep until something happens, at most ``timeout_s``; True if it did. ``for_room``: a frame that is
        there does not count; an id that was put on the given-up list since the last sleep always does.
        """
        if not self.doorbell.forget_rings():
            return True
        words = self.words
        words[self._our_flag] = 1
        full_fence()
        happened = self.writer.has_new_room() or not (for_room or words[self._their_head] == self.reader.tail)
        if words[GIVEN_UP] != self._given_up:
            self._given_up = words[GIVEN_UP]
            happened = True
        if not happened:
            happened = self.doorbell.wait(min(timeout_s, SLEEP_S))
            self._may_share = True
        words[self._our_flag] = 0
        return happened

    def arm(self) -> bool:
        """Be rung from now on, although nobody sleeps. False if something has happened already."""
        if not self.doorbell.forget_rings():
            return True
        words = self.words
        words[self._our_flag] = 1
        full_fence()
        return not self.writer.has_new_room() and words[self._their_head] == self.reader.tail

    def disarm(self, *, has_fired: bool) -> None:
        """Undo ``arm``. ``has_fired``: whether the doorbell was rung; it is not any more then."""
        self.words[self._our_flag] = 0
        if has_fired:
            self.doorbell.forget_all_rings()

    def close(self) -> None:
        """Hang up, and release the segment."""
        self.doorbell.close()
        self.writer.close()
        self.reader.close()


def in_work(words: memoryview) -> Dict[int, int]:
    """The ids of the requests that the worker has begun, and when, in nanoseconds of
    ``clock_ns``.
    """
    return {words[slot]: words[slot + 1] for slot in _SLOTS if words[slot]}


def awaits_item(words: memoryview, request_id: int) -> bool:
    """Whether a request in work waits for an item of its input."""
    return any(words[slot] == request_id and words[slot + 2] == FOR_ITEM for slot in _SLOTS)


def is_suspended(words: memoryview, request_id: int) -> bool:
    """Whether nothing of a request in work runs before the worker has looked at the given-up list."""
    slot = next((slot for slot in PARKED_SLOTS if words[slot] == request_id), 0)
    return slot > 0 and (words[slot + 2] == FOR_TURN or words[CURRENT_ID] not in (0, request_id))


class GivenUpList:
    """The host's end of the list of requests that it has given up, or with STOP asked to stop. Its users hold
    a lock. But the garbage collector, or a signal handler, may give up another request in the midst of this,
    and in the same thread.
    """

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._numbers = itertools.count()  # of entries
        self._added: List[int] = []  # by an ``add`` that is not over, and by those in its midst

    def add(self, request_id: int) -> None:
        """Put a request on the list. May put some there twice, which does no harm."""
        is_outermost = not self._added
        self._added.append(request_id)
        written = 0
        try:
            # If another one has come in the midst, what was counted last may be less than what is there.
            while written < len(self._added):
                written = len(self._added)
                for added in self._added[:written]:
                    self._write(added)
        finally:
            if is_outermost:
                self._added.clear()

    def _write(self, request_id: int) -> None:
        number = next(self._numbers)
        self._words[_GIVEN_UP_IDS + number % _MOST_GIVEN_UP] = request_id
        full_fence()
        self._words[GIVEN_UP] = number + 1


def given_up(words: memoryview, since: int, count: int) -> List[int]:
    """The ids that were put on the list after the first ``since``, as far as they are still
    there; ``count`` are on it now.
    """
    numbers = range(max(since, count - _MOST_GIVEN_UP), count)
    return [words[_GIVEN_UP_IDS + number % _MOST_GIVEN_UP] for number in numbers]


def write_magic(control: MappedSegment) -> None:
    """Mark a new control segment."""
    control.words[VERSION] = LAYOUT_VERSION
    control.words[MAGIC] = _MAGIC


def check_magic(control: MappedSegment) -> bool:
    """Whether this is a control segment of our layout."""
    return (
        control.nbytes == CONTROL_NBYTES
        and control.words[MAGIC] == _MAGIC
        and control.words[VERSION] == LAYOUT_VERSION
    )
