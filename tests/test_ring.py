"""The ring against a simple model: frames come out whole, once, in order, whatever their sizes; garbage is refused."""

import random
import signal
import sys
import threading
from collections import deque
from typing import Deque, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tech_renaissance import RemoteProtocolError
from tech_renaissance._transport.shm.control import CONTROL_NBYTES, REQUEST_HEAD, REQUEST_TAIL
from tech_renaissance._transport.shm.ring import RING_NBYTES, RingReader, RingWriter, full_fence
from tech_renaissance._transport.shm.segment import UNAVAILABLE, MappedSegment, Segment

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")


class Ring:
    """Both ends on one segment."""

    def __init__(self) -> None:
        self.segment = MappedSegment(Segment.create(CONTROL_NBYTES))
        place = (self.segment, 4096, REQUEST_HEAD, REQUEST_TAIL)
        self.writer = RingWriter(*place)
        self.reader = RingReader(*place)


def frame(number: int, nbytes: int) -> bytes:
    """A frame of so many bytes that can be told from others."""
    return (
        nbytes.to_bytes(4, "little")
        + b"\x01\0\0\0"
        + number.to_bytes(8, "little")
        + bytes([number % 251]) * (nbytes - 16)
    )


@settings(max_examples=100)
@given(st.lists(st.one_of(st.integers(2, 8192), st.just(0)), max_size=400))
def test_frames_come_out_as_they_went_in(steps: List[int]) -> None:
    """A step of n writes a frame of 8 n bytes if there is room, a step of 0 reads one: the ring does what a queue does."""
    ring = Ring()
    queue: Deque[bytes] = deque()
    try:
        for number, words in enumerate(steps):
            if words:
                written = frame(number, 8 * words)
                if ring.writer.try_write(written):
                    queue.append(written)
                else:
                    assert sum(map(len, queue)) + 2 * len(written) > RING_NBYTES - 65536
            else:
                assert (queue.popleft() if queue else None) == ring.reader.read()
        while queue:
            assert queue.popleft() == ring.reader.read()
    finally:
        ring.segment.close()


def test_the_kind_of_the_next_frame_is_known_before_it_is_taken() -> None:
    """Which is how a host knows when several may be taken at once."""
    ring = Ring()
    assert 0 == ring.reader.next_kind()
    assert ring.writer.try_write(frame(1, 24))
    for _ in range(2):
        assert 1 == ring.reader.next_kind()
    assert frame(1, 24) == ring.reader.read()
    assert 0 == ring.reader.next_kind()
    ring.segment.close()


def test_a_writer_and_a_reader_in_two_threads() -> None:
    """While one side writes as fast as it can and the other reads, nothing is lost, doubled or torn."""
    ring = Ring()
    numbers = random.Random(3)
    frames = [frame(number, 8 * numbers.randrange(2, 2000)) for number in range(3000)]

    def write() -> None:
        for each in frames:
            while not ring.writer.try_write(each):
                pass

    thread = threading.Thread(target=write)
    thread.start()
    for expected in frames:
        actual = ring.reader.read()
        while actual is None:
            actual = ring.reader.read()
        assert expected == actual
    thread.join()
    ring.segment.close()


@pytest.mark.parametrize("size", [0, 4, 7, 12, RING_NBYTES, 2**32 - 8])
def test_an_impossible_size_is_refused(size: int) -> None:
    """A frame's size that is no multiple of 8, or more than was published, breaks the ring with a typed error."""
    ring = Ring()
    ring.writer.try_write(frame(1, 64))
    ring.segment.bytes[4096:4100] = size.to_bytes(4, "little")
    with pytest.raises(RemoteProtocolError):
        ring.reader.read()
    ring.segment.close()


@pytest.mark.parametrize("head", [1, 7, RING_NBYTES + 8, 2**63, 2**64 - 8])
def test_an_impossible_head_is_refused(head: int) -> None:
    """A head that cannot be is not believed."""
    ring = Ring()
    ring.segment.bytes[4096:4104] = frame(1, 64)[:8]
    ring.segment.words[REQUEST_HEAD] = head
    with pytest.raises(RemoteProtocolError):
        while ring.reader.read() is not None:
            pass
    ring.segment.close()


class Interrupt(Exception):
    """What a signal raises."""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Windows has no timer signals")
def test_a_fence_may_be_interrupted_anywhere() -> None:
    """By a signal whose handler raises, as Ctrl+C does: whoever comes next does not wait for ever."""
    interrupts = 0

    def interrupt(*_: object) -> None:
        raise Interrupt

    def until_interrupted() -> None:
        while True:
            full_fence()

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        while interrupts < 500:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0001)
                until_interrupted()
            except Interrupt:
                interrupts += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    full_fence()


def test_threads_fence_at_once() -> None:
    """One gives back what another has taken."""
    errors: List[BaseException] = []

    def fence_often() -> None:
        try:
            for _ in range(50_000):
                full_fence()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=fence_often) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert [] == errors
