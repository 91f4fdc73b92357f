"""The host's fast path leaves what is out of the ordinary to the general path, and both notice the same."""

import threading
from typing import Any, Callable, List

import numpy as np
import pytest
from exchange_ways import NUMBER, Way, make_ways  # noqa: F401 - a fixture

from tech_renaissance._host.call import Call
from tech_renaissance._protocol.frame import (
    Exit,
    Exiting,
    Request,
    Response,
)
from tech_renaissance._transport.shm.segment import UNAVAILABLE

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")


def _sends_another(way: Way) -> None:
    assert way.exchange.send(Call(Request("other", "", NUMBER + 1)), 0)


def _queues_another(way: Way) -> None:
    way.queue.add(Call(Request("other", "", NUMBER + 1)))


def _queues_another_after_an_exception(way: Way) -> None:
    way.exchange._sender = threading.get_ident()
    way.exchange._sending = Exit()
    _queues_another(way)


def _cancels(way: Way) -> None:
    (call,) = way.exchange.under_way
    call.why, call.step = "cancel", "notice"


def _stops(way: Way) -> None:
    (call,) = way.exchange.under_way
    call.is_stopping = True


def _ends_the_worker(way: Way) -> None:
    way.exchange._is_ending = True


def _dies(way: Way) -> None:
    way.is_dead = True


def _dies_and_is_replaced(way: Way) -> None:
    way.is_dead = way.is_replaced = True


def _wakes(way: Way) -> None:
    way.exchange.wake()


@pytest.mark.parametrize(
    "meanwhile",
    [
        _sends_another,
        _queues_another,
        _queues_another_after_an_exception,
        _cancels,
        _stops,
        _ends_the_worker,
        _dies,
        _dies_and_is_replaced,
        _wakes,
    ],
)
@pytest.mark.parametrize("comes", [True, False])
def test_both_paths_notice_what_happens_while_they_wait(
    ways: List[Way], meanwhile: Callable[[Way], None], comes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether an answer has come by then or not."""
    outcomes: List[Any] = []
    for way in ways:
        if comes:
            way.say(Response("", "hello", id=NUMBER))
        name = "take_plain" if way.is_fast else "receive_some"
        take: Callable[..., Any] = getattr(way.host, name)

        def take_later(*args: Any, way: Way = way, name: str = name, take: Any = take, **options: Any) -> Any:
            monkeypatch.setattr(way.host, name, take)
            meanwhile(way)
            return take(*args, **options)

        monkeypatch.setattr(way.host, name, take_later)
        outcomes.append(
            (way.ask(idempotent=True), way.received(), [call.message for call in way.queue.calls])
        )
    fast, general = outcomes
    assert general == fast


def _is_asked(way: Way) -> None:
    assert way.exchange.send(Call(Request("other", "", 1)), 0)


def _has_a_queue(way: Way) -> None:
    call = Call(Request("other", "", 1))
    call.abandoned = True  # so that it does not leave it
    way.queue.add(call)


def _has_a_loop(way: Way) -> None:
    way.loops.all = (None,)  # type: ignore[assignment]


def _is_closed(way: Way) -> None:
    way.exchange.close()


def _is_asked_to_leave(way: Way) -> None:
    way.exchange.ask_to_leave(0)


def _has_left(way: Way) -> None:
    way.say(Exiting())
    way.exchange.take_in()


def _is_not_open(way: Way) -> None:
    way.exchange._is_open = False


def _speaks_another_protocol(way: Way) -> None:
    way.exchange._ready = {"protocol": 1}


@pytest.mark.parametrize(
    "state",
    [
        _is_asked,
        _has_a_queue,
        _has_a_loop,
        _is_closed,
        _is_asked_to_leave,
        _has_left,
        _is_not_open,
        _speaks_another_protocol,
    ],
)
def test_what_is_in_the_way_is_left_to_the_general_path(
    ways: List[Way], state: Callable[[Way], None]
) -> None:
    """Nothing is sent, and nothing noted."""
    way = ways[0]
    state(way)
    way.received()
    before = way.books()
    assert way.ask("value", "x", typed=True) is None
    assert way.ask("value", "x", tensors=[np.ones(3)]) is None
    assert (before, []) == (way.books(), way.received())
