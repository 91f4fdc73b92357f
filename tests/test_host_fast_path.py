"""The host's fast path of single calls does what the general path does, which is the specification."""

import functools
from typing import Any, Callable, List, Tuple

import numpy as np
import pytest
from exchange_ways import NUMBER, Way, make_ways  # noqa: F401 - a fixture

from tech_renaissance._base.tensor import DTYPE_OF_ARRAY_NAME
from tech_renaissance._host.call import Call
from tech_renaissance._protocol.frame import (
    SHORT,
    Exiting,
    Failure,
    Frame,
    Item,
    Progress,
    Request,
    Response,
)
from tech_renaissance._system.clock import clock_ns
from tech_renaissance._transport.shm import frame as shm_frame
from tech_renaissance._transport.shm.segment import UNAVAILABLE

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")


REQUESTS = [
    ("say", ""),
    ("say", "hello"),
    ("say", "汉字 😀 \u2028 \x00"),
    ("汉", "字"),
    ("say", "\ud800"),
    ("say", 65_000 * "x"),
    ("say", 100_000 * "x"),
    ("value", "", True, 0),
    ("value", "[[1,2]]", True, 2),
    ("value", "", True, 1),
    ("value", "", True, 1, [np.ones(3), b"raw"]),
    ("value", '[[{"$":0}]]', True, 2, [np.arange(6).reshape(2, 3)]),
    ("value", "$0 汉", False, 0, [np.ones(3)]),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request[0]} {request[1][:9]}")
def test_both_paths_send_the_same(ways: List[Way], request_: Tuple[Any, ...]) -> None:
    """Or the fast one leaves it to the other."""
    command, parameters, typed, form, tensors = (*request_, *(False, 0, ())[len(request_) - 2 :])
    ask = functools.partial(
        Way.ask, command=command, parameters=parameters, typed=typed, form=form, tensors=tensors
    )
    _are_sent_alike(ways, ask)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request[0]} {request[1][:9]}")
def test_both_paths_send_the_same_deadline(ways: List[Way], request_: Tuple[Any, ...]) -> None:
    """Behind whatever the request has, and they have it watched."""
    command, parameters, typed, form, tensors = (*request_, *(False, 0, ())[len(request_) - 2 :])
    ask = functools.partial(
        Way.ask, command=command, parameters=parameters, typed=typed, form=form, tensors=tensors
    )
    _are_sent_alike(ways, functools.partial(ask, deadline_ns=clock_ns() + 60_000_000_000))


def _are_sent_alike(ways: List[Way], ask: Callable[[Way], Any]) -> None:
    fast, general = ((ask(way), way.received()) for way in ways)
    parameters = general[1][0].parameters
    assert general == fast or (fast == (None, []) and len(parameters) > 65_536)
    assert len(general[1]) == 1


ANSWERS: List[Frame] = [
    Response("", "hello", id=NUMBER),
    Response("", "", id=NUMBER),
    Response("", "汉字 😀 \u2028 \x00", id=NUMBER),
    Response("", "in short", id=NUMBER, dialect=SHORT),
    Response("", "[1,2]", id=NUMBER, form=2),
    Response("", "", id=NUMBER, form=1),
    Response("", "with a message", "this", id=NUMBER),
    Response("another", "of another name", id=NUMBER),
    Response("", "error", id=NUMBER, error=Failure("command_failed", "it failed")),
    Response("", "error", id=NUMBER, error=Failure("cancelled", "it was")),
    Response("", "tensors", id=NUMBER, attachments=[np.ones(3), b"raw"]),
    Response("", "", id=NUMBER, form=1, attachments=[np.arange(6).reshape(2, 3)]),
    Response("", "", id=NUMBER, form=1, attachments=[np.ones(5000)]),
    Response("", "error", id=NUMBER, attachments=[np.ones(3)], error=Failure("command_failed", "it failed")),
    Response("", 65_000 * "x", id=NUMBER),
    Response("", 100_000 * "x", id=NUMBER),
    Response("", "for nobody", id=NUMBER + 1),
    Response("", "of an older worker"),
    Progress(NUMBER, 1, 2, "half"),
    Item(NUMBER, "not asked for"),
    Exiting(),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{type(answer).__name__} {str(answer)[:60]}")
def test_both_paths_take_the_same(ways: List[Way], answer: Frame) -> None:
    """Also the answer that comes behind it."""
    _are_taken_alike(ways, answer, Way.ask)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{type(answer).__name__} {str(answer)[:60]}")
@pytest.mark.parametrize("has_passed", [True, False])
def test_both_paths_take_the_same_with_a_deadline(ways: List[Way], answer: Frame, has_passed: bool) -> None:
    """What comes too late is no answer."""
    deadline_ns = clock_ns() + (0 if has_passed else 60_000_000_000)
    _are_taken_alike(ways, answer, functools.partial(Way.ask, deadline_ns=deadline_ns))


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{type(answer).__name__} {str(answer)[:60]}")
def test_both_paths_note_the_same_progress(ways: List[Way], answer: Frame) -> None:
    """It is told by whoever waits for the call."""
    _are_taken_alike(ways, answer, functools.partial(Way.ask, on_progress=print))


def _are_taken_alike(ways: List[Way], answer: Frame, ask: Callable[[Way], Any]) -> None:
    after = Response("", "behind it", id=NUMBER)
    outcomes: List[Any] = []
    for way in ways:
        way.say(answer)
        outcome = ask(way)
        way.say(after)
        way.exchange.take_in()
        outcomes.append((outcome, way.books(), way.received()))
    fast, general = outcomes
    assert general == fast


def test_both_paths_take_what_is_behind_an_answer(ways: List[Way]) -> None:
    """It has come before the host looked."""
    outcomes: List[Any] = []
    for way in ways:
        way.say(Response("", "hello", id=NUMBER))
        way.say(Exiting())
        way.ask()
        way.exchange.take_in()
        outcomes.append(way.books())
    fast, general = outcomes
    assert general == fast


_WHOLE = shm_frame.encode_response(Response("", "a text of some length", id=NUMBER), (), "")
BROKEN = {
    "longer than its frame": _WHOLE[:20] + (99).to_bytes(4, "little") + _WHOLE[24:],
    "no text": _WHOLE[:40] + b"\xff" + _WHOLE[41:],
    "no form": _WHOLE[:6] + b"\x30" + _WHOLE[7:],
    "an id of 64 bits": _WHOLE[:15] + b"\x80" + _WHOLE[16:],
    "unknown kind": _WHOLE[:4] + b"\x63" + _WHOLE[5:],
    "half a header": (16).to_bytes(4, "little") + _WHOLE[4:16],
    "beyond what is there": (1 << 16).to_bytes(4, "little") + _WHOLE[4:],
    "size 0": bytes(4) + _WHOLE[4:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_both_paths_find_the_same_fault_in_a_broken_answer(ways: List[Way], name: str) -> None:
    """Whatever is wrong with it."""
    outcomes: List[Any] = []
    for way in ways:
        assert way.end.side.writer.try_write(BROKEN[name])
        outcomes.append(way.ask())
    fast, general = outcomes
    assert general == fast


def test_a_full_ring_is_left_to_the_general_path(ways: List[Way]) -> None:
    """Once there is room again, the fast path goes on, round the ring's end."""
    way = ways[0]
    text = 30_000 * "x"
    for number in range(20):
        while way.host.post((number, "fill", text, False, 0, (), None)):
            pass
        before = way.books()
        assert way.ask("fill", text) is None
        assert before == way.books()
        way.received()
        way.say(Response("", "there is room", id=NUMBER))
        assert way.ask("say", f"again {number}") is not None
        assert f"again {number}" == getattr(way.received()[-1], "parameters", "")


def test_small_results_come_in_the_same_blocks_again(ways: List[Way]) -> None:
    """Those that live on keep theirs, whatever comes after them, and so do their parts."""
    for way in ways:
        kept: List[Any] = []
        for number in range(60):
            way.say(Response("", "", id=NUMBER, form=1, attachments=[np.full(100, number), np.ones(3)]))
            if way.is_fast:
                call = way.exchange.carry(NUMBER, "say", "", 0.0)
            else:
                call = Call(Request("say", "", NUMBER))
                assert way.exchange.send(call, 0)
                assert way.exchange.wait(call, 0)
            assert call is not None
            result = call.take_response().attachments[0]
            assert 100 * [number] == result.tolist()
            del call
            if not number % 10:
                kept.append(result[50:])
        assert [50 * [number] for number in range(0, 60, 10)] == [part.tolist() for part in kept]
        in_use = way.end._lender.arena.live_nbytes
        assert in_use < 16 * 1024
        kept.clear()
        del result
        way.ask()
        way.ask()
        assert way.end._lender.arena.live_nbytes < in_use


@pytest.mark.parametrize("looks_again", ["wait", "dispatch"])
def test_what_a_reader_took_is_not_lost_when_an_exception_takes_it_away_during_a_send(
    ways: List[Way], looks_again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread has the lock at that moment, has looked already whether there is anything to finish, and becomes the reader."""
    way = ways[1]
    first, second = Call(Request("say", "", NUMBER)), Call(Request("say", "", NUMBER + 1))
    assert way.exchange.send(first, 0)
    way.say(Response("", "taken", id=NUMBER))
    assert way.host.receive_some(0, looks=False)
    way.exchange._reader, way.exchange._receiving = (0,), True
    way.say(Response("", "next", id=NUMBER + 1))
    try_send = way.host.try_send

    def leave(frame: Frame) -> bool:
        way.exchange._reader = None
        return try_send(frame)

    monkeypatch.setattr(way.host, "try_send", leave)
    way.queue.add(second)
    if looks_again == "wait":
        assert way.exchange.wait(second, 0)
    else:
        way.exchange.dispatch(has_fired=False)
    assert ("taken", "next") == (first.take_response().result, second.take_response().result)
    assert way.exchange.state.value == "ready"


def test_a_tag_that_is_announced_does_not_look_like_the_request_that_was_interrupted(ways: List[Way]) -> None:
    """It moves the ring's head, before anybody has asked what became of the request."""
    way = ways[0]
    assert way.host._worker
    way.host.put_tensor("x", np.ones(3))
    posted = (NUMBER, "say", "", False, 0, (), None)
    way.exchange._sending = posted
    way.host._sending = (NUMBER, way.host._worker.side.writer.head)
    way.host.put_tensor("x", np.ones(3))
    assert not way.host.has_sent(posted)
    way.exchange.take_in()
    assert not way.exchange.under_way


@pytest.mark.parametrize("was_sent", [True, False])
def test_the_deadline_of_a_call_that_was_interrupted_is_watched(
    ways: List[Way], was_sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was: nobody waits for the call any more, but the worker may be at work."""
    deadline_ns = clock_ns() + 60_000_000_000
    for way in ways:
        name = "post" if way.is_fast else "try_send"
        send = getattr(way.host, name)

        def interrupted(sent: Any, send: Any = send) -> Any:
            if was_sent:
                send(sent)
            raise KeyboardInterrupt

        monkeypatch.setattr(way.host, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            way.ask(deadline_ns=deadline_ns)
        way.exchange.take_in()
        assert was_sent == bool(way.received())
        assert way.watched == ([NUMBER] if was_sent or not way.is_fast else [])


def test_requests_that_are_alike_use_the_same_blocks(ways: List[Way]) -> None:
    """Once the worker has given them back; what it keeps stays as it was. Tensors of ``empty`` are no hindrance, and have their own."""
    way = ways[0]
    shared = way.host.empty(DTYPE_OF_ARRAY_NAME["float64"], (5,), "numpy")
    shared[:] = 5
    used: List[List[int]] = []
    kept: List[Any] = []
    for number in range(8):
        way.say(Response("", "taken", id=NUMBER))
        sent = [np.full(3, number), np.full((2, 2), float(number)), shared]
        assert way.ask(tensors=sent)
        (request,) = iter(lambda: way.end.receive(0), None)
        assert isinstance(request, Request)
        values = [one.value("numpy") for one in request.attachments]
        assert [one.tolist() for one in sent] == [one.tolist() for one in values]
        used.append([one.offset for one in request.attachments])
        if number in (2, 3):
            kept.append(values[0])
        del values
        for one in request.attachments:
            one.let_go()
    assert used[0] == used[1] == used[2]
    assert used[6] == used[7]
    assert 3 == len({blocks[0] for blocks in used})
    assert 1 == len({blocks[2] for blocks in used})
    assert [[2, 2, 2], [3, 3, 3]] == [one.tolist() for one in kept]
