"""The fast path of streams sends the frames of the general path, which is the specification."""

import contextlib
from pathlib import Path
from typing import Any, Iterator, List

import numpy as np
import pytest
from test_fast_path import Pair

from tech_renaissance import TechRenaissanceServer, command
from tech_renaissance._protocol.frame import Credit, Item, Request, Response
from tech_renaissance._transport.shm.segment import UNAVAILABLE

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")


class Streaming(TechRenaissanceServer):
    """Leaves with the end of a stream."""

    @command
    def give(self, n: int, end: str) -> Iterator[Any]:
        """Values of all sizes and kinds, and an end of some kind."""
        try:
            for number in range(n):
                yield [number, "汉", number * "x", np.full(2, number), 3000 * number * "y", None][number % 6]
            if end == "raise":
                raise ValueError("so it ends")
            if end == "exit":
                raise SystemExit(3)
            if end == "a set":
                yield {1, 2}
        finally:
            self.is_leaving = True
        return "the end"


def frames_of(folder: Path, n: int, end: str, *, is_fast: bool) -> List[Any]:
    """What the host gets of a stream."""
    with contextlib.closing(Pair(folder / str(is_fast), is_fast=is_fast)) as pair:
        pair.server = Streaming(library="numpy")  # type: ignore[assignment]
        request = Request("give", f'[[{n},"{end}"]]', 1, typed=True, streams=True, form=2)
        assert pair.host.try_send(request)
        for _ in range(10):
            assert pair.host.try_send(Credit(1, 8))
        pair.run()
        return list(_received(pair))


def _received(pair: Pair) -> Iterator[Any]:
    while True:
        frame = pair.host.receive(0)
        if frame is None:
            return
        assert isinstance(frame, (Item, Response))
        yield (type(frame).__name__, frame.result, frame.form, repr(frame.attachments), frame.error)


@pytest.mark.parametrize("end", ["return", "raise", "exit", "a set"])
@pytest.mark.parametrize("n", [0, 1, 30])
def test_both_paths_send_the_same_frames(tmp_path: Path, n: int, end: str) -> None:
    """Items small and large, with and without tensors, and the end that the generator makes."""
    fast, general = (frames_of(tmp_path, n, end, is_fast=is_fast) for is_fast in (True, False))
    assert general == fast
    assert ["Item"] * n + ["Response"] == [frame[0] for frame in fast]
