"""Any bytes in a control segment are frames, nothing, or a RemoteProtocolError: nothing else, and always an end.

    python fuzz/fuzz_shm_ring.py [--seconds N] [--runs N] [--seed N]

A writer fills a ring with frames, chance changes bytes of the ring and its words, and a reader reads until it has nothing more, or refuses.
What it gives out are whole frames that lay in the ring. A failure prints the seed of the run that repeats it.
"""

import random
import sys

import loop

from tech_renaissance._base.errors import RemoteProtocolError
from tech_renaissance._transport.shm.control import (
    CONTROL_NBYTES,
    REQUEST_HEAD,
    REQUEST_TAIL,
    check_magic,
    write_magic,
)
from tech_renaissance._transport.shm.ring import RING_NBYTES, RingReader, RingWriter
from tech_renaissance._transport.shm.segment import MappedSegment, Segment

START = 4096
HEADS = [0, 1, 4, 8, 16, RING_NBYTES - 8, RING_NBYTES, RING_NBYTES + 8, 2**32, 2**63, 2**64 - 8, 2**64 - 1]
SIZES = [
    0,
    1,
    4,
    7,
    8,
    12,
    16,
    24,
    RING_NBYTES - 8,
    RING_NBYTES,
    RING_NBYTES + 8,
    2**31,
    2**32 - 8,
    2**32 - 1,
]


class Ring:
    """Both ends, as they are after some traffic."""

    def __init__(self, segment: MappedSegment, chance: random.Random) -> None:
        self.segment = segment
        segment.words[REQUEST_HEAD] = segment.words[REQUEST_TAIL] = 0
        place = (segment, START, REQUEST_HEAD, REQUEST_TAIL)
        self.writer, self.reader = RingWriter(*place), RingReader(*place)
        for _ in range(chance.choice((0, 3, 30))):
            self.writer.try_write(self._frame(chance))
            self.reader.read()
        for _ in range(chance.choice((0, 1, 5))):
            self.writer.try_write(self._frame(chance))

    @staticmethod
    def _frame(chance: random.Random) -> bytes:
        nbytes = 8 * chance.choice((2, 3, 100, 8000))
        head = nbytes.to_bytes(4, "little") + bytes((chance.randrange(1, 20), 0, chance.randrange(8), 0))
        return head + bytes(nbytes - 8)

    def damage(self, chance: random.Random) -> None:
        """Change what a reader looks at: sizes where a frame begins, the head, bytes anywhere."""
        words, data = self.segment.words, self.segment.bytes
        for _ in range(chance.randrange(4)):
            what = chance.randrange(4)
            position = START + self.reader.tail % RING_NBYTES
            if what == 0:
                data[position : position + 4] = chance.choice(SIZES).to_bytes(4, "little")
            elif what == 1:
                words[REQUEST_HEAD] = chance.choice(
                    (chance.choice(HEADS), (self.reader.tail + chance.choice(HEADS)) % 2**64)
                )
            elif what == 2:
                data[position + 4 : position + 8] = bytes(chance.choice((0, 1, 255)) for _ in range(4))
            else:
                position = START + chance.randrange(RING_NBYTES)
                data[position] = chance.randrange(256)


def check(segment: MappedSegment, chance: random.Random) -> None:
    """One ring: damage it, and read it to its end."""
    ring = Ring(segment, chance)
    ring.damage(chance)
    frames = 0
    try:
        while True:
            frame = ring.reader.read()
            if frame is None:
                break
            frames += 1
            assert 16 <= len(frame) <= RING_NBYTES
            assert len(frame) % 8 == 0
            assert frame[4] != 0
            assert frames <= RING_NBYTES // 16, "it goes on for ever"
            if frames < 50 and chance.randrange(4) == 0:  # it goes on changing
                ring.damage(chance)
    except RemoteProtocolError as error:
        assert error.code == "broken_ring"  # noqa: PT017 - it may succeed, too
    assert ring.reader.is_crowded in (True, False)
    ring.writer.close()
    ring.reader.close()


def check_layout(segment: MappedSegment, chance: random.Random) -> None:
    """A control segment with other words at its beginning is not ours."""
    write_magic(segment)
    assert check_magic(segment)
    position = chance.choice((0, 8))
    segment.bytes[position + chance.randrange(8)] ^= 1 << chance.randrange(8)
    assert not check_magic(segment)


def main() -> int:
    """Run the loop."""
    segment = MappedSegment(Segment.create(CONTROL_NBYTES))

    def attempt(chance: random.Random) -> None:
        check(segment, chance)
        check_layout(segment, chance)

    try:
        return loop.main(attempt)
    finally:
        segment.close()


if __name__ == "__main__":
    sys.exit(main())
