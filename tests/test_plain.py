"""Many frames at once are what they are one by one, however their bytes are broken."""

from typing import Any, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tech_renaissance import RemoteProtocolError
from tech_renaissance._protocol.frame import SHORT, Failure, Item, Response
from tech_renaissance._transport.shm.frame import ITEM, RESPONSE, decode_item, encode_item, encode_response
from tech_renaissance._transport.shm.plain import plain_frames

ITEMS = [
    Item(7, text, form) for text, form in (("1", 2), ("汉" * 9, 0), ("", 1), ("[2,{}]", 2), ("x" * 3000, 0))
]
PLAIN = [encode_item(item, ()) for item in ITEMS]


def _one_by_one(frames: bytes) -> List[Tuple[Any, Any]]:
    """The ids and bodies of the items at the beginning, as the general path reads them."""
    found: List[Tuple[Any, Any]] = []
    while len(frames) >= 40:
        nbytes = int.from_bytes(frames[:4], "little")
        frame = frames[:nbytes]
        if nbytes < 40 or nbytes & 7 or len(frame) != nbytes or frame[4] != ITEM:
            break
        try:
            item = decode_item(frame)
        except RemoteProtocolError:
            break
        found.append((item.id, (item.form, item.result, tuple(item.attachments))))
        frames = frames[nbytes:]
    return found


def test_all_plain_items_of_one_request_come_together() -> None:
    """Up to whatever is something else."""
    frames = b"".join(PLAIN)
    whole = ([7] * len(ITEMS), [(item.form, item.result, ()) for item in ITEMS], len(frames))
    others = [
        encode_item(Item(8, "1"), ()),
        encode_item(Item(7), [(0, (64, 1))]),
        encode_response(Response("f", "1", id=7), (), "f"),
        PLAIN[0][:-8],
        b"",
    ]
    for other in others:
        assert whole == plain_frames(ITEM, frames + other)
    assert ([], [], 0) == plain_frames(ITEM, others[1] + frames)


def test_all_plain_responses_come_together() -> None:
    """Whosever they are."""
    responses = [Response("f", item.result, id=number, form=item.form) for number, item in enumerate(ITEMS)]
    frames = b"".join(encode_response(response, (), "f") for response in responses)
    whole = ([0, 1, 2, 3, 4], [(item.form, item.result, ()) for item in ITEMS], len(frames))
    others = [
        Response("f", "1", "a message", id=7),
        Response("g", "1", id=7),
        Response("f", "1", id=7, dialect=SHORT),
        Response("f", "error", id=7, error=Failure("command_failed", "it failed")),
    ]
    for other in others:
        assert whole == plain_frames(RESPONSE, frames + encode_response(other, (), "f"))
    assert ([], [], 0) == plain_frames(RESPONSE, PLAIN[0] + frames)


@given(st.integers(0, 1 << 40), st.integers(0, 255), st.integers(0, 1 << 40))
def test_of_broken_frames_no_more_is_read_than_one_by_one(place: int, byte: int, end: int) -> None:
    """A frame that is no plain item, or none at all, is left where it is."""
    frames = bytearray(b"".join(PLAIN))
    frames[place % (len(frames) // 2 if place & 1 else 120)] = byte
    frames = frames[: len(frames) - end % 64]
    numbers, bodies, nbytes = plain_frames(ITEM, bytes(frames))
    expected = _one_by_one(bytes(frames))
    assert list(zip([number or None for number in numbers], bodies)) == expected[: len(bodies)]
    assert nbytes == sum(
        int.from_bytes(frames[start : start + 4], "little") for start in _starts(frames, len(bodies))
    )


def _starts(frames: bytearray, count: int) -> List[int]:
    starts = [0]
    for _ in range(count):
        starts.append(starts[-1] + int.from_bytes(frames[starts[-1] : starts[-1] + 4], "little"))
    return starts[:-1]


@pytest.mark.parametrize("first", [1 << 63, (1 << 64) - 1])
def test_an_id_of_64_bits_is_left_to_the_general_path(first: int) -> None:
    """Which refuses it."""
    frame = PLAIN[0][:8] + first.to_bytes(8, "little") + PLAIN[0][16:]
    assert ([], [], 0) == plain_frames(ITEM, frame + PLAIN[1])
