"""The arena's books against a simple model, and blocks that come and go with their leases."""

from types import SimpleNamespace
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tech_renaissance import ArenaFull
from tech_renaissance._transport.shm import arena as arena_module
from tech_renaissance._transport.shm.arena import PREFIX_NBYTES, Arena, Block, LentBlocks, size_class
from tech_renaissance._transport.shm.pages import PAGE
from tech_renaissance._transport.shm.segment import UNAVAILABLE, Segment

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

SIZES = st.integers(0, 22).flatmap(lambda exponent: st.integers(0, 2**exponent))
# What happens to an arena: allocate so many bytes, or do something with the block at an index of those that are alive.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("allocate"), SIZES),
        st.tuples(st.sampled_from(["lend", "release", "return", "release and return"]), st.integers(0, 30)),
        st.tuples(st.sampled_from(["tidy", "forget"]), st.just(0)),
    ),
    max_size=80,
)


class Model:
    """An arena and what we know of its blocks: which we hold, which the other side has."""

    def __init__(self) -> None:
        self.segment = Segment.create_arena(64 << 20)
        self.arena = Arena(self.segment)
        self.held: List[Block] = []
        self.lent: Dict[
            Tuple[int, int], int
        ] = {}  # offset and size of blocks that the other side has -> lease

    def close(self) -> None:
        self.arena.close()

    def taken(self) -> List[Tuple[int, int]]:
        """Ranges that may not be given to anybody else."""
        return sorted({(block.offset, block.nbytes) for block in self.held} | set(self.lent))

    def give_back(self, place: Tuple[int, int]) -> None:
        """The other side returns a block."""
        self.segment.store(place[0], self.lent.pop(place))  # as a reader that has nothing mapped

    def step(self, what: str, number: int) -> None:
        if what == "allocate":
            block = self.arena.allocate(number)
            assert block.nbytes >= number + PREFIX_NBYTES
            begin = block.offset - block.window.begin
            assert block.window.can_hold(begin, begin + block.nbytes)
            assert all(
                block.offset >= start + size or start >= block.offset + block.nbytes
                for start, size in self.taken()
            )
            self.held.append(block)
        elif what == "tidy":
            self.arena._tidied_at -= arena_module.TIDY_S
            self.arena.tidy()
        elif what == "forget":
            self.arena.forget_leases()
            self.lent.clear()
        elif self.held:
            self.on_block(what, self.held[number % len(self.held)])

    def on_block(self, what: str, block: Block) -> None:
        place = (block.offset, block.nbytes)
        if what == "lend":
            self.lent[place] = self.arena.lend(block)
        if what in ("release", "release and return"):
            self.held.remove(block)
            self.arena.release(block)
        if what in ("return", "release and return") and place in self.lent:
            self.give_back(place)


@settings(max_examples=150)
@given(STEPS)
def test_no_memory_is_given_out_twice(steps: List[Tuple[str, int]]) -> None:
    """Whatever is allocated, lent, released and returned in whatever order, live blocks never overlap, and the books add up."""
    model = Model()
    try:
        for what, number in steps:
            model.step(what, number)
            assert model.arena.live_nbytes == sum(size for _, size in model.taken())
            assert model.arena.live_nbytes <= model.arena.committed_nbytes
    finally:
        model.close()


def test_memory_stays_within_a_tenth_of_what_was_live() -> None:
    """Many blocks of mixed sizes and lives leave a tenth of the largest live amount behind, and two steps of growth."""
    import random

    model = Model()
    numbers = random.Random(1)
    most_live = most_committed = 0
    for _ in range(20_000):
        if model.held and numbers.random() < 0.5:
            model.on_block("release", numbers.choice(model.held))
        elif len(model.held) < 20:
            model.step("allocate", int(2 ** numbers.uniform(6, 20)))
        most_live = max(most_live, model.arena._live)
        most_committed = max(most_committed, model.arena.committed_nbytes)
    model.close()
    assert most_committed <= 1.1 * most_live + 2 * arena_module._GROWTH


def test_a_block_is_used_again_only_when_both_sides_let_go() -> None:
    """The owner's release alone does not free a lent block; the returned lease does."""
    model = Model()
    block = model.arena.allocate(1000)
    lease = model.arena.lend(block)
    model.arena.release(block)
    other = model.arena.allocate(1000)
    assert block.offset != other.offset
    model.segment.store(block.offset, lease)
    assert block.offset == model.arena.allocate(1000).offset
    model.close()


def test_what_was_returned_is_found_in_few_looks_among_any_number_of_blocks() -> None:
    """The newest and the oldest at once, any other in turn: a call does not take longer because the other side keeps results."""
    looks = 0

    class Words:
        """Those of a window where one block is returned."""

        def __getitem__(self, word: int) -> int:
            nonlocal looks
            looks += 1
            return 1 if word == returned else 0

    blocks = LentBlocks()
    window: Any = SimpleNamespace(begin=0, words=Words())
    for number in range(20_000):
        block = Block(window, 8 * number, 256)
        block.lease = 1
        blocks.add(block)
    for returned, most_looks in ((19_998, 4), (0, 5), (1, 5), (20_000, 16)):
        looks = 0
        found = blocks.take_returned(12, 0)
        assert (returned == 20_000) == (found is None)
        assert looks <= most_looks
    returned, looks = 10_000, 0
    searches = 1
    while blocks.take_returned(12, 0) is None:
        searches += 1
    assert looks <= 16 * searches
    assert searches <= 20_000 / 12


def test_an_old_lease_does_not_free_a_block_that_was_lent_again() -> None:
    """What counts is the last number under which a block was lent."""
    model = Model()
    block = model.arena.allocate(1000)
    first = model.arena.lend(block)
    model.arena.lend(block)
    model.arena.release(block)
    model.segment.store(block.offset, first)
    assert block.offset != model.arena.allocate(1000).offset
    model.close()


def test_a_full_arena_says_so_and_can_be_used_on() -> None:
    """What does not fit is ArenaFull; what fits is still allocated afterwards."""
    model = Model()
    with pytest.raises(ArenaFull, match="address space"):
        model.arena.allocate(65 << 20)
    assert model.arena.allocate(1 << 20).nbytes >= 1 << 20
    model.close()


def test_unused_memory_goes_back_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that was not needed between two tidyings is returned."""
    model = Model()
    block = model.arena.allocate(20 << 20)
    model.arena.release(block)
    monkeypatch.setattr(arena_module, "TIDY_S", 0.0)
    model.arena.tidy()
    model.arena.tidy()
    assert model.arena.committed_nbytes < 1 << 20
    model.close()


@pytest.mark.parametrize("nbytes", [1, 255, 256, 257, 4096, 65_537, 10**6, 10**9 + 7])
def test_size_classes_waste_at_most_an_eighth(nbytes: int) -> None:
    """A class is at least what was asked for, and at most an eighth (or 255 bytes) more."""
    assert nbytes <= size_class(nbytes) <= max(nbytes + nbytes // 8, nbytes + 255)
    assert size_class(nbytes) % 256 == 0


def test_pages_divide_the_growth() -> None:
    """The arena grows by whole pages on every system."""
    assert arena_module._GROWTH % PAGE == 0


def test_what_stood_in_memory_is_not_taken_for_a_returned_lease() -> None:
    """A new block may begin in the middle of an old one's elements, which look like anything."""
    model = Model()
    old = model.arena.allocate(1 << 19)
    old.window.words[old.word : old.word + (old.nbytes >> 3)] = memoryview(
        b"\x01\0\0\0\0\0\0\0" * (old.nbytes // 8)
    ).cast("Q")
    model.arena.release(old)
    model.arena.live_nbytes  # noqa: B018 - joins what is free
    block = model.arena.allocate(1000)
    assert 1 == model.arena.lend(block)
    model.arena.release(block)
    assert block.offset != model.arena.allocate(1000).offset
    model.close()
