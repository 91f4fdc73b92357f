"""The owner's side of an arena: which blocks exist, who has them, and where the next one goes.

It keeps its books in private memory. From the segment it reads only one word per block: the lease that
the other side has returned. Rules: spec/transport-shm.md, Blocks and leases. Not thread-safe: a
transport calls it under its lock.
"""

import contextlib
import functools
import sys
import time
from collections import defaultdict, deque
from typing import DefaultDict, Deque, List, Optional

from ..._base.errors import ArenaFull
from .pages import PAGE, page_up
from .ranges import Ranges
from .segment import Mapping, Segment
from .window import Windows, window_begin

PREFIX_NBYTES = (
    64  # precedes a block's contents and has two words: the lease that was returned, and the one that is idle
)
_GROWTH = 1 << 16  # a multiple of every page size
TIDY_S = 10.0
_MOST_NEWEST = 4
_SOME_LOOKS = 12


class Block:
    """A range of the arena. ``holders``: how many users it has on the owner's side; ``lease``: the last
    number it was lent under, or 0; ``header``: our own copy of its tensor's header; ``start``: where in its
    window the contents begin; ``word``: the index of its first word in the window. Once the block is free,
    the same object may be used again.
    """

    __slots__ = ("header", "holders", "lease", "nbytes", "offset", "start", "window", "word")

    def __init__(self, window: Mapping, offset: int, nbytes: int) -> None:
        self.window = window
        self.offset = offset
        self.nbytes = nbytes
        self.word = (offset - window.begin) >> 3
        self.start = offset - window.begin + PREFIX_NBYTES
        self.holders = 0
        self.lease = 0
        self.header = b""


@functools.lru_cache(maxsize=1024)  # sizes repeat
def size_class(nbytes: int) -> int:
    """The size of the block for ``nbytes``, larger by at most an eighth (or 255 bytes)."""
    step = max(256, 1 << max(0, nbytes.bit_length() - 4))
    return -(-nbytes // step) * step


class LentBlocks:
    """Blocks of one size that this side has released, and that the other side had not returned at the time.
    Finding one that has been returned since takes a bounded number of looks, however many there are.
    """

    __slots__ = ("_newest", "_others")

    def __init__(self) -> None:
        self._newest: List[Block] = []
        self._others: Deque[Block] = deque()

    def add(self, block: Block) -> None:
        """Add a block."""
        newest = self._newest
        newest.append(block)
        if len(newest) > _MOST_NEWEST:
            self._others.append(newest.pop(0))

    def take_returned(self, most_looks: int, first_lease: int) -> Optional[Block]:
        """Remove and return a block that was returned, or lent before ``first_lease``; None if none is found.
        The newest are looked at each time; the others take turns, ``most_looks`` each time.
        """
        newest, others = self._newest, self._others
        for block in reversed(newest):
            if block.window.words[block.word] == block.lease or block.lease < first_lease:
                newest.remove(block)
                return block
        for _ in range(min(most_looks, len(others))):
            block = others.popleft()
            if block.window.words[block.word] == block.lease or block.lease < first_lease:
                return block
            others.append(block)
        return None


class Arena:
    """Allocates blocks in a segment that this side owns.

    There are two kinds of free ranges: gaps have memory, holes are only address space.
    A new arena is all holes.
    """

    def __init__(self, segment: Segment) -> None:
        """Raises OSError if not even the first window can be mapped."""
        self._segment = segment
        self._windows = Windows(segment)
        # By size: free blocks, the most recently used last; and blocks that only the other side still has.
        self._pool: DefaultDict[int, List[Block]] = defaultdict(list)
        self._lent: DefaultDict[int, LentBlocks] = defaultdict(LentBlocks)
        self._gaps = Ranges()
        self._holes = Ranges()  # ranges of whole pages
        number = 0
        while window_begin(number) < segment.nbytes:
            begin, end = window_begin(number), min(window_begin(number + 1), segment.nbytes)
            self._holes.add(begin, end - begin)
            number += 1
        self._live = 0  # bytes in blocks
        self._most_live = (
            0  # the most bytes in blocks since the last tidying, noted whenever memory was taken
        )
        self._free = 0  # bytes in the pool and in gaps
        self._least_free = 0  # the fewest free bytes since the last tidying, which were not needed
        self._next_lease = 1
        self._first_lease = 1  # earlier leases went to a reader that no longer exists
        self._tidied_at = time.monotonic()

    @property
    def live_nbytes(self) -> int:
        """Bytes in blocks that either side still uses."""
        self._take_back_returned(sys.maxsize)
        return self._live

    @property
    def committed_nbytes(self) -> int:
        """Memory taken from the system."""
        return self._live + self._free

    def allocate(self, nbytes: int) -> Block:
        """A block with room for ``nbytes`` after its prefix, with one holder. Raises ArenaFull."""
        size = size_class(nbytes + PREFIX_NBYTES)
        pool = self._pool.get(size)
        block = None
        if not pool and size in self._lent:
            block = self._lent[size].take_returned(
                _SOME_LOOKS, self._first_lease
            )  # it was counted as live all the time
        if block is None:
            block = pool.pop() if pool else self._carve(size)
            self._live += size
            self._free = free = self._free - size
            if free < self._least_free:  # noqa: PLR1730 - min() would cost a call
                self._least_free = free
        block.holders = 1
        return block

    def lend(self, block: Block) -> int:
        """Give the block a new lease, under which the other side now gets it, and return its number."""
        block.lease = lease = self._next_lease
        self._next_lease = lease + 1
        return lease

    def release(self, block: Block) -> None:
        """Release the block once on the owner's side. It is free once the other side has returned it, too."""
        block.holders -= 1
        if block.holders:
            return
        if self._is_returned(block):
            self._take_back(block)
        else:
            self._lent[block.nbytes].add(block)

    def forget_leases(self) -> None:
        """Call it when the other side has gone: counts everything that it had as returned."""
        self._first_lease = self._next_lease
        self._take_back_returned(sys.maxsize)

    def tidy(self) -> None:
        """Give memory that was not needed for ten seconds back to the system. Cheap to call often."""
        now = time.monotonic()
        if now - self._tidied_at >= TIDY_S:
            self._tidied_at = now
            self._take_back_returned(sys.maxsize)
            self._join()
            self._give_back(self._least_free)
            self._least_free = self._free
            self._most_live = self._live
            self._windows.tidy()

    def close(self) -> None:
        """Release the segment. Tensors in it stay."""
        self._windows.close()
        self._segment.close()

    def _is_returned(self, block: Block) -> bool:
        return block.lease < self._first_lease or block.window.words[block.word] == block.lease

    def _take_back(self, block: Block) -> None:
        size = block.nbytes
        self._pool[size].append(block)
        self._live -= size
        self._free += size

    def _carve(self, size: int) -> Block:
        """A new block: from the gaps, else from everything that is free, else from new memory."""
        offset = self._gaps.take(size)
        if offset < 0:
            self._take_back_returned(_SOME_LOOKS)
            self._join()
            offset = self._gaps.take(size)
        if offset < 0:
            offset = self._commit(size)
        try:
            block = Block(self._windows.at(offset), offset, size)
        except OSError as error:
            self._gaps.add(offset, size)
            raise _full(size, error) from error
        # Elements of an older block may be here, and must not be mistaken for leases.
        block.window.words[block.word] = block.window.words[block.word + 1] = 0
        return block

    def _take_back_returned(self, most_looks: int) -> None:
        for blocks in self._lent.values():
            block = blocks.take_returned(most_looks, self._first_lease)
            while block is not None:
                self._take_back(block)
                block = blocks.take_returned(most_looks, self._first_lease)

    def _join(self) -> None:
        """Turn everything that is free into gaps."""
        for size, blocks in self._pool.items():
            for block in blocks:
                self._gaps.add(block.offset, size)
        self._pool.clear()

    def _commit(self, size: int) -> int:
        """Take memory from the system. First gives some back, so that the total is at most a 32nd
        more than was ever live at once.
        """
        wanted = page_up(max(size, _GROWTH))
        self._most_live = most_live = max(self._most_live, self._live + size)
        self._give_back(self.committed_nbytes + wanted - most_live - max(most_live // 32, _GROWTH))
        offset = self._holes.take(wanted)
        try:
            if offset < 0:
                raise OSError(f"no address space left in an arena of {self._segment.nbytes} bytes")
            window = self._windows.at(offset)
            self._segment.commit(offset, offset + wanted)
        except OSError as error:
            if offset >= 0:
                self._holes.add(offset, wanted)
            raise _full(size, error) from error
        start = offset - window.begin
        window.populate(start, start + wanted)
        self._free += wanted
        self._gaps.add(offset + size, wanted - size)
        return offset

    def _give_back(self, nbytes: int) -> None:
        """Turn about ``nbytes`` of the largest gaps into holes."""
        while nbytes >= PAGE:
            gap = self._gaps.take_largest()
            if gap is None:
                break
            offset, size = gap
            begin = page_up(offset)
            end = min((offset + size) // PAGE * PAGE, begin + nbytes // PAGE * PAGE)
            if end <= begin:
                self._gaps.add(offset, size)
                break
            with contextlib.suppress(OSError):
                window = self._windows.at(begin)
                window.give_back(begin - window.begin, end - window.begin)
            self._gaps.add(offset, begin - offset)
            self._gaps.add(end, offset + size - end)
            self._holes.add(begin, end - begin)
            self._free -= end - begin
            nbytes -= end - begin


def _full(size: int, error: OSError) -> ArenaFull:
    return ArenaFull(f"no shared memory for {size} more bytes: {error}")
