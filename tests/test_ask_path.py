"""The fast path of a handler's questions sends what the general path sends, and leaves what is not a plain answer to it."""

import contextlib
import threading
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest
from test_fast_path import Pair

from tech_renaissance._protocol.frame import Answer, Ask, Credit, Failure, Request
from tech_renaissance._transport.shm import call_frame, control
from tech_renaissance._transport.shm import frame as shm_frame
from tech_renaissance._transport.shm.ring import RING_NBYTES
from tech_renaissance._transport.shm.segment import UNAVAILABLE
from tech_renaissance._worker import ask_path

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

ID = 7


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A host's end and a worker's."""
    with contextlib.closing(Pair(tmp_path / "pair", is_fast=True)) as pair:
        yield pair


def sent(pair: Pair) -> List[bytes]:
    """What has come to the host."""
    worker: Any = pair.host._worker
    return list(iter(worker.side.reader.read, None))


@pytest.mark.parametrize(
    "text", ["", "5", "汉字", "a \ud800 b", "x" * 70_000], ids=lambda text: str(len(text))
)
def test_both_paths_send_the_same_frame(pair: Pair, text: str) -> None:
    """Unless it is too large for the fast one."""
    is_sent = ask_path.send(pair.end, ID, "näme", 2, text)
    assert is_sent == (len(text) < 65536)
    frames = sent(pair)
    if is_sent:
        pair.end.try_send(Ask(ID, "näme", text, 2, (), waiting=True))
        assert sent(pair) == frames
    else:
        assert not frames


def test_a_question_for_which_there_is_no_room_is_left_to_the_general_path(pair: Pair) -> None:
    """At the end of the ring, and in a full one."""
    count = 0
    while ask_path.send(pair.end, ID, "f", 0, "x" * 60_000):
        count += 1
    assert count == RING_NBYTES // 60_032
    frames = sent(pair)
    assert len(frames) == count
    assert not ask_path.send(pair.end, ID, "f", 0, "x" * 60_000)
    assert pair.end.try_send(Ask(ID, "f", "x" * 60_000, 0, (), waiting=True))
    assert sent(pair) == [frames[0]]


def test_a_call_that_is_given_up_asks_nothing(pair: Pair) -> None:
    """The general path raises then."""
    control.GivenUpList(pair.end.control.words).add(ID)
    assert not ask_path.send(pair.end, ID, "f", 0, "")
    assert not sent(pair)


PLAIN: List[Tuple[int, str]] = [(0, "text"), (0, ""), (1, ""), (2, '{"a":1}'), (0, "汉字")]
STRANGE = [
    call_frame.encode_answer(Answer(ID + 1, "of another call"), ()),
    call_frame.encode_answer(Answer(ID, "", 1), [(0, (64, 1))]),
    call_frame.encode_answer(Answer(ID, "error", error=Failure("command_failed", "no")), ()),
    call_frame.encode_answer(Answer(ID, "a message", message="beside it"), ()),
    call_frame.encode_answer(Answer(ID, "form 3", 3), ()),
    shm_frame.encode_body_in_block(call_frame.encode_answer(Answer(ID, "large"), ())[:16], (64, 1), 100),
    call_frame.encode_answer(Answer(ID, "text"), ()).replace(b"text", b"\xff\xfe\xfd\xfc"),
    call_frame.encode_answer(Answer(ID, "text"), ()).replace(
        b"\x04\0\0\0\0\0\0\0\0\0", b"\xff\0\0\0\0\0\0\0\0\0"
    ),
    shm_frame.encode_simple(shm_frame.ANSWER),
    shm_frame.encode_simple(shm_frame.EXIT),
    shm_frame.encode_credit(Credit(ID, 3)),
    shm_frame.encode_request(Request("next", "call", 8)),
    shm_frame.encode_put("tag", (64, 1)),
]


@pytest.mark.parametrize("answer", PLAIN, ids=str)
def test_a_plain_answer_is_taken(pair: Pair, answer: Tuple[int, str]) -> None:
    """Whether it is there already, or comes in the meantime."""
    form, text = answer
    worker: Any = pair.host._worker
    write = worker.side.writer.try_write
    data = call_frame.encode_answer(Answer(ID, text, form), ())
    assert write(data)
    assert ask_path.look(pair.end, ID) == (form, text)
    thread = threading.Thread(target=write, args=[data])
    thread.start()
    while (taken := ask_path.look(pair.end, ID)) is None:
        pass
    thread.join()
    assert taken == (form, text)
    assert not pair.end.side.reader.has_frame


@pytest.mark.parametrize("frame", STRANGE, ids=range(len(STRANGE)))
def test_everything_else_stays_where_it_is(pair: Pair, frame: bytes) -> None:
    """For the general path to read."""
    worker: Any = pair.host._worker
    write = worker.side.writer.try_write
    assert write(frame)
    assert ask_path.look(pair.end, ID) is None
    assert pair.end.side.reader.read() == frame
