"""The control segment of a shared-memory session: where its words are, and waiting on them. Layout: spec/transport-shm.md."""

import os
import time
from typing import Optional

from .doorbell import Doorbell
from .ring import RING_NBYTES, RingReader, RingWriter, full_fence
from .segment import MappedSegment

CONTROL_NBYTES = 1 << 20
LAYOUT_VERSION = 2
_MAGIC = int.from_bytes(b"TRCTRL\0\0", "little")

# Indices of 64-bit words.
MAGIC, VERSION = 0, 1
REQUEST_HEAD, RESPONSE_TAIL, CANCELLED, HOST_ASLEEP = 8, 9, 10, 16
RESPONSE_HEAD, REQUEST_TAIL, WORKER_ASLEEP = 24, 25, 32
CURRENT_ID, CURRENT_SINCE_NS, THREADS = 40, 41, 42
SERVED, FAILED = 48, 49
HISTOGRAM = 64
_REQUESTS, _RESPONSES = 4096, 4096 + RING_NBYTES

# Not everywhere; sleeping for no time does the same.
yield_processor = getattr(os, "sched_yield", lambda: time.sleep(0))

_PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

# How long to look at a word before going to sleep; longer for a host whose worker's threads leave it a processor.
_LOOK_NS = 50_000
_LONG_LOOK_NS = 500_000
_MOST_SKIPS = 15
# Looks between two glances at the clock: some microseconds.
_LOOKS = range(200)
# Every sleep is bounded, so that a lost wake-up could only delay.
_SLEEP_S = 1.0


class Side:
    """One side of a control segment: its two ring ends, and sleeping until the other side has said something."""

    def __init__(
        self, control: MappedSegment, doorbell: Doorbell, *, is_host: bool, look_us: Optional[int] = None
    ) -> None:
        """``look_us``: how long to look each time before going to sleep; None: as long as has paid."""
        self._given_look_ns = None if look_us is None else look_us * 1000
        requests = (control, _REQUESTS, REQUEST_HEAD, REQUEST_TAIL)
        responses = (control, _RESPONSES, RESPONSE_HEAD, RESPONSE_TAIL)
        self.words = control.words
        self.doorbell = doorbell
        self.writer = RingWriter(*(requests if is_host else responses))
        self.reader = RingReader(*(responses if is_host else requests))
        self._our_flag = HOST_ASLEEP if is_host else WORKER_ASLEEP
        self._their_flag = WORKER_ASLEEP if is_host else HOST_ASLEEP
        self._their_head = RESPONSE_HEAD if is_host else REQUEST_HEAD
        self._skips = self._penalty = 0
        self._may_share = False  # a processor with the other side

    def wake_other(self) -> None:
        """To be called after a new head, or a new tail in a crowded ring: rings if the other side sleeps."""
        full_fence()
        if self.words[self._their_flag]:
            self.doorbell.ring()
            self._may_share = True

    @property
    def other_is_awake(self) -> bool:
        """Whether the other side will see a frame without being woken, most probably."""
        return not self.words[self._their_flag]

    def give_way(self) -> None:
        """Who wakes the other may get it onto its own processor, where it waits until we stop: let it run, once."""
        if self._may_share:
            self._may_share = False
            yield_processor()

    def look(self) -> bool:
        """Look for a frame for a bounded time, without sleeping. After it was in vain, skip 1, 3, 7, then 15 times: who waits long
        should not take the processor from the one it waits for.
        """
        words, index, seen = self.words, self._their_head, self.reader.tail
        if self._skips:
            self._skips -= 1
            return words[index] != seen
        self.give_way()
        given_ns = self._given_look_ns
        until = time.monotonic_ns() + (self._usual_look_ns() if given_ns is None else given_ns)
        while True:
            for _ in _LOOKS:
                if words[index] != seen:
                    self._penalty = 0
                    return True
            if time.monotonic_ns() >= until:
                break
        if given_ns is None:
            self._skips = self._penalty = min(2 * self._penalty + 1, _MOST_SKIPS)
        return words[index] != seen

    def _usual_look_ns(self) -> int:
        """How long to look; not at all where there is one processor."""
        if _PROCESSORS < 2:
            return 0
        has_processor = self._our_flag == HOST_ASLEEP and self.words[THREADS] < _PROCESSORS
        return _LONG_LOOK_NS if has_processor else _LOOK_NS

    def sleep(self, timeout_s: float, *, for_room: bool = False) -> bool:
        """Sleep until something happens, at most so long; whether it did. ``for_room``: a frame that is there is nothing."""
        if not self.doorbell.forget_rings():
            return True
        words = self.words
        words[self._our_flag] = 1
        full_fence()
        happened = self.writer.has_new_room() or not (for_room or words[self._their_head] == self.reader.tail)
        if not happened:
            happened = self.doorbell.wait(min(timeout_s, _SLEEP_S))
            self._may_share = True
        words[self._our_flag] = 0
        return happened

    def close(self) -> None:
        """Hang up, and let go of the segment."""
        self.doorbell.close()
        self.writer.close()
        self.reader.close()


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
