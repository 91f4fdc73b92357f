"""The owner's side of an arena: which blocks there are, who has them, and where the next one goes.

Its books are in memory of its own; in the segment it reads one word per block, the lease that the other side has
returned. Rules: spec/transport-shm.md, Blocks and leases. Not thread-safe: a transport calls it under its lock.
"""

import functools
import time
from collections import defaultdict
from typing import DefaultDict, List, Optional, Tuple

from ..._base.errors import ArenaFull
from .segment import PAGE, Segment, page_up

PREFIX_NBYTES = 64  # before a block's contents: the word with the returned lease
_GROWTH = 1 << 16  # a multiple of every page size
_TIDY_S = 10.0

Range = Tuple[int, int]  # offset, nbytes


class Block:
    """A range of the arena. ``holders``: how many on the owner's side use it; ``lease``: the last number it was lent under, or 0;
    ``header``: that of the tensor in it, our own copy. The same object may serve again once it is free.
    """

    __slots__ = ("header", "holders", "lease", "nbytes", "offset")

    def __init__(self, offset: int, nbytes: int) -> None:
        self.offset = offset
        self.nbytes = nbytes
        self.holders = 0
        self.lease = 0
        self.header = b""


@functools.lru_cache(maxsize=1024)  # sizes repeat
def size_class(nbytes: int) -> int:
    """The size of the block that holds ``nbytes``, at most an eighth larger (or 255 bytes)."""
    step = max(256, 1 << max(0, nbytes.bit_length() - 4))
    return -(-nbytes // step) * step


class Arena:
    """Allocates blocks in a segment that this side owns.

    Free ranges are of two kinds: gaps have memory, holes are address space only. All of a new arena is one hole.
    """

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._words = segment.words
        # By size: free blocks, the hottest last; and blocks that only the other side still has.
        self._pool: DefaultDict[int, List[Block]] = defaultdict(list)
        self._lent: DefaultDict[int, List[Block]] = defaultdict(list)
        self._gaps: List[Range] = []
        self._holes: List[Range] = [(0, segment.nbytes)]  # of whole pages
        self._live = 0  # bytes in blocks
        self._most_live = 0  # the most since the last tidying, when memory was taken
        self._free = 0  # bytes of memory in the pool and in gaps
        self._least_free = 0  # the least since the last tidying: what was not needed
        self._next_lease = 1
        self._first_lease = 1  # earlier ones were lent to a reader that is gone
        self._tidied_at = time.monotonic()

    @property
    def live_nbytes(self) -> int:
        """Bytes in blocks that either side has."""
        self._join()
        return self._live

    @property
    def committed_nbytes(self) -> int:
        """Memory taken from the system."""
        return self._live + self._free

    def allocate(self, nbytes: int) -> Block:
        """A block with room for ``nbytes`` after its prefix, held once. Raises ArenaFull."""
        size = size_class(nbytes + PREFIX_NBYTES)
        pool = self._pool.get(size)
        block = None if pool else self._returned(size)
        if block is None:
            block = pool.pop() if pool else self._carve(size)
            self._live += size
            self._free = free = self._free - size
            if free < self._least_free:  # noqa: PLR1730 - min() is a call too many here
                self._least_free = free
        block.holders = 1
        return block

    def lend(self, block: Block) -> int:
        """The lease number under which the other side gets the block now."""
        block.lease = lease = self._next_lease
        self._next_lease = lease + 1
        return lease

    def release(self, block: Block) -> None:
        """The owner's side lets go once; the block is free when the other side has, too."""
        block.holders -= 1
        if block.holders:
            return
        if self._is_returned(block):
            self._take_back(block)
        else:
            self._lent[block.nbytes].append(block)

    def forget_leases(self) -> None:
        """The other side is gone: what it had is returned."""
        lent, self._lent = self._lent, defaultdict(list)
        for blocks in lent.values():
            for block in blocks:
                self._take_back(block)
        self._first_lease = self._next_lease

    def tidy(self) -> None:
        """Give memory back to the system that was not needed for ten seconds. Cheap when called often."""
        now = time.monotonic()
        if now - self._tidied_at >= _TIDY_S:
            self._tidied_at = now
            self._join()
            self._give_back(self._least_free)
            self._least_free = self._free
            self._most_live = self._live

    def _is_returned(self, block: Block) -> bool:
        return block.lease < self._first_lease or self._words[block.offset >> 3] == block.lease

    def _take_back(self, block: Block) -> None:
        size = block.nbytes
        self._pool[size].append(block)
        self._live -= size
        self._free += size

    def _returned(self, size: int) -> Optional[Block]:
        """A block of this size that the other side has returned; it counts as live, as it has all the time."""
        blocks = self._lent.get(size)
        if blocks:
            words = self._words
            for index, block in enumerate(blocks):
                if words[block.offset >> 3] == block.lease:
                    del blocks[index]
                    return block
        return None

    def _carve(self, size: int) -> Block:
        """A new block: from the gaps, from all that is free, or from memory that is new."""
        offset = _best_fit(self._gaps, size)
        if offset < 0:
            self._join()
            offset = _best_fit(self._gaps, size)
        if offset < 0:
            offset = self._commit(size)
        # Where a block begins now there may have been elements: they must not be taken for a returned lease.
        self._words[offset >> 3] = 0
        return Block(offset, size)

    def _join(self) -> None:
        """Make gaps of all that is free, neighbours joined."""
        for blocks in list(self._lent.values()):
            for block in [block for block in blocks if self._is_returned(block)]:
                blocks.remove(block)
                self._take_back(block)
        for size, blocks in self._pool.items():
            self._gaps += [(block.offset, size) for block in blocks]
        self._pool.clear()
        self._gaps = _joined(self._gaps)

    def _commit(self, size: int) -> int:
        """Take memory from the system; before that, give back what there would be beyond a 32nd more than was live at once."""
        wanted = page_up(max(size, _GROWTH))
        self._most_live = most_live = max(self._most_live, self._live + size)
        self._give_back(self.committed_nbytes + wanted - most_live - max(most_live // 32, _GROWTH))
        offset = _best_fit(self._holes, wanted)
        try:
            if offset < 0:
                raise OSError(f"the arena has {self._segment.nbytes} bytes of address space")
            self._segment.commit(offset, offset + wanted)
        except OSError as error:
            if offset >= 0:
                self._holes = _joined([*self._holes, (offset, wanted)])
            raise ArenaFull(f"no shared memory for {size} more bytes: {error}") from error
        self._free += wanted
        if wanted > size:
            self._gaps.append((offset + size, wanted - size))
        return offset

    def _give_back(self, nbytes: int) -> None:
        """Turn the largest gaps into holes, about so many bytes."""
        for offset, size in sorted(self._gaps, key=lambda gap: -gap[1]):
            start, end = page_up(offset), (offset + size) // PAGE * PAGE
            if nbytes < PAGE or end <= start:
                break
            end = min(end, start + nbytes // PAGE * PAGE)
            self._segment.give_back(start, end)
            self._gaps.remove((offset, size))
            self._gaps += [gap for gap in ((offset, start - offset), (end, offset + size - end)) if gap[1]]
            self._holes.append((start, end - start))
            self._free -= end - start
            nbytes -= end - start
        self._holes = _joined(self._holes)


def _best_fit(ranges: List[Range], size: int) -> int:
    """Take ``size`` bytes from the start of the smallest range that has them; the offset, or -1."""
    fits = [(range_size, offset) for offset, range_size in ranges if range_size >= size]
    if not fits:
        return -1
    range_size, offset = min(fits)
    ranges.remove((offset, range_size))
    if range_size > size:
        ranges.append((offset + size, range_size - size))
    return offset


def _joined(ranges: List[Range]) -> List[Range]:
    """The same ranges, sorted, neighbours made one."""
    joined: List[Range] = []
    for offset, size in sorted(ranges):
        if joined and sum(joined[-1]) == offset:
            start, before = joined.pop()
            joined.append((start, before + size))
        else:
            joined.append((offset, size))
    return joined
