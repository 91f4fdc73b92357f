"""Many calls under way: what is sent, and settled, at once is what the general path makes of it."""

from typing import Any, List

import pytest
from exchange_ways import Way, make_ways  # noqa: F401 - a fixture

from tech_renaissance import RemoteProtocolError
from tech_renaissance._host.call import Call, PlainCall
from tech_renaissance._protocol.frame import Failure, Frame, Progress, Request, Response
from tech_renaissance._transport.shm.segment import UNAVAILABLE

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

TEXTS = ["hello", "", "汉字 😀 \u2028 \x00", 65_000 * "x", 70_000 * "y", "last"]
ENDS: List[List[Frame]] = [
    [],
    [Response("", "once more", id=2)],
    [Response("", "for nobody", id=99), Response("", "behind it", id=5)],
    [Response("", "error", id=5, error=Failure("command_failed", "it failed"))],
    [Progress(5, 1, 2), Response("", "with a message", "this", id=5)],
]


def _send(way: Way, number: int, text: str, form: int) -> Call:
    if way.is_fast:
        call: Call = PlainCall((number, "same", text, True, form, (), None))
        assert isinstance(call, PlainCall)
        if way.exchange.send_plain(call):
            return call
        assert len(text) > 65_536
    call = Call(Request("same", text, number, typed=True, form=form))
    call.stays_in_line = True
    assert way.exchange.send(call, 0)
    return call


def _outcome(call: Call) -> Any:
    return (call.done, str(call.error), call.take_response() if call.done and not call.error else None)


@pytest.mark.parametrize("end", range(len(ENDS)))
@pytest.mark.parametrize("special", ["", "given up", "stopping", "ending"])
def test_both_paths_send_and_settle_the_same(ways: List[Way], end: int, special: str) -> None:
    """Also answers that may not come, and those to calls about which something is special."""
    seen: List[Any] = []
    for way in ways:
        calls = [_send(way, number, text, number % 3) for number, text in enumerate(TEXTS, 1)]
        sent = way.received()
        if special == "given up":
            calls[0].why, calls[0].step = "cancel", "notice"
        calls[2].is_stopping = special == "stopping"
        way.exchange._is_ending = special == "ending"
        before = way.books()
        for number in (2, 1, 3):
            way.say(Response("", f"answer {number}", id=number, form=number % 3))
        for frame in ENDS[end]:
            way.say(frame)
        way.exchange.take_in()
        seen.append((sent, before[:-1], [_outcome(call) for call in calls], way.books()[:-1]))
    fast, general = seen
    assert general == fast


def test_calls_are_sent_while_the_window_has_room(ways: List[Way]) -> None:
    """What has been answered makes room, and is taken in; with none, calls are left to the line."""
    way = ways[0]
    way.exchange._window = 3
    calls = [_send(way, number, "x", 0) for number in (1, 2, 3)]
    late = PlainCall((4, "same", "x", True, 0, (), None))
    assert not way.exchange.send_plain(late)
    for number in (1, 2):
        way.say(Response("", "y", id=number))
    assert way.exchange.send_plain(late)
    assert [True, True, False] == [call.done for call in calls]
    assert [3, 4] == [call.request.id for call in way.exchange.under_way]
    with pytest.raises(RemoteProtocolError):
        way.exchange._connection.received(Response("", id=1))
