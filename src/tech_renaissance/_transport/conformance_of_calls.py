"""The part of the Transport contract that is about requests in work: what their handlers say and ask,
and what their hosts send them.
"""

from array import array
from typing import Any, List, Union

from .._protocol.body import ATTACHMENTS, JSON
from .._protocol.frame import Answer, Ask, Credit, Failure, Frame, Item, Progress, Request, Response
from .conformance_tools import let_go, next_frame, nothing_comes, numpy, plain, same, send
from .transport import Answers, HostTransport, Items, Taken, Transport, WorkerTransport


def _attachments() -> List[Any]:
    return [numpy().arange(6, dtype="float32").reshape(2, 3), b"", b"\0\xff" * 9, array("q", [-(2**63), 5])]


def _begin(host: HostTransport, worker: WorkerTransport, number: int) -> None:
    send(host, Request("command", "", number, typed=True))
    request = next_frame(worker)
    assert isinstance(request, Request), f"a request became {request!r}"


def _end(host: HostTransport, worker: WorkerTransport, number: int) -> None:
    send(worker, Response("command", id=number))
    response = next_frame(host)
    assert isinstance(response, Response), f"a response became {response!r}"


def _arrives(frame: Frame, source: Transport, target: Transport) -> None:
    send(source, frame)
    same(frame, _with_tuple(next_frame(target)))


def _with_tuple(frame: Frame) -> Frame:
    if isinstance(frame, (Item, Ask, Answer)) and not frame.attachments:
        frame.attachments = ()
    return frame


def _the_newest_progress_arrives_before_the_response(host: HostTransport, worker: WorkerTransport) -> None:
    _begin(host, worker, 1)
    _arrives(Progress(1, 0.25, 2.0, "caf\u00e9"), worker, host)
    _arrives(Progress(1, -0.0, 1e300), worker, host)
    send(worker, Progress(1, 1.0, 1.0))
    send(worker, Progress(1, 2.0, 2.0))
    send(worker, Response("command", id=1))
    newest = frame = next_frame(host)
    while not isinstance(frame, Response):
        newest, frame = frame, next_frame(host)
    same(Progress(1, 2.0, 2.0), newest)
    nothing_comes(host)


def _progress_never_fills_the_room(host: HostTransport, worker: WorkerTransport) -> None:
    _begin(host, worker, 1)
    for number in range(100_000):
        if not worker.try_send(Progress(1, number, 2.0, "m" * 1000)):
            break
        if not host.can_stream:
            break  # it is replaced each time
    send(worker, Response("command", id=1))
    while not isinstance(next_frame(host), Response):
        pass


def _asks_are_answered(host: HostTransport, worker: WorkerTransport) -> None:
    for number in (1, 2):
        _begin(host, worker, number)
        for waiting in (False, True):
            _arrives(Ask(number, "price", '[["\u6c49"]]', JSON, waiting=waiting), worker, host)
            _arrives(Answer(number, "r\u00e9sultat"), host, worker)
            _arrives(Ask(number, "price"), worker, host)
            failure = Failure("command_failed", "ValueError: no", "ValueError", "line 1\nline 2")
            _arrives(Answer(number, "error", message="no", error=failure), host, worker)
        _end(host, worker, number)
    nothing_comes(host)
    nothing_comes(worker)


def _asks_and_answers_carry_attachments(host: HostTransport, worker: WorkerTransport) -> None:
    """Ten thousand characters, too, and a large text."""
    _begin(host, worker, 1)
    expected = [plain(one) for one in _attachments()]
    for text in ("", "x" * 10_000, "y" * 300_000):
        send(worker, Ask(1, "add", text, ATTACHMENTS, _attachments()))
        ask = next_frame(host)
        assert isinstance(ask, Ask), f"an Ask became {ask!r}"
        same(text, ask.parameters)
        same(expected, [plain(one) for one in ask.attachments])
        send(host, Answer(1, text, ATTACHMENTS, [host.place(one) for one in ask.attachments]))
        answer = next_frame(worker)
        assert isinstance(answer, Answer), f"an Answer became {answer!r}"
        same((text, ATTACHMENTS, None), (answer.result, answer.form, answer.error))
        same(expected, [plain(one.value("numpy")) for one in answer.attachments])
        let_go(answer)
    _end(host, worker, 1)


def _items_go_both_ways(host: HostTransport, worker: WorkerTransport) -> None:
    if not host.can_stream:
        return
    _begin(host, worker, 1)
    _arrives(Credit(1, 8), worker, host)
    _arrives(Credit(1, 8), host, worker)
    for text in ("", "\u6c49", "x" * 300_000):
        _arrives(Item(1, text), worker, host)
        _arrives(Item(1, text), host, worker)
    expected = [plain(one) for one in _attachments()]
    send(host, Item(1, "", ATTACHMENTS, [host.place(one) for one in _attachments()]))
    item = next_frame(worker)
    assert isinstance(item, Item), f"an item became {item!r}"
    same(expected, [plain(one.value("numpy")) for one in item.attachments])
    let_go(item)
    _arrives(Item(1, last=True), host, worker)
    _end(host, worker, 1)


def _what_is_received_at_once_is_the_same(host: HostTransport, worker: WorkerTransport) -> None:
    if not host.can_stream:
        return
    for number in (1, 2, 3):
        _begin(host, worker, number)
    frames: List[Union[Item, Response]] = [
        *[Item(1, text) for text in ("a", "", "\u6c49", "x" * 40_000)],
        Item(2, "b"),
        Item(2, "[2]", JSON),
        Item(1, "", ATTACHMENTS, [b"raw"]),
        Item(1, "c"),
        Response("command", "2", id=2, form=JSON),
        Response("command", "3", id=3),
        Item(1, "d"),
        Response("command", "1", id=1),
    ]
    came: List[Any] = []
    for frame in frames:
        while not worker.try_send(frame):
            came += _one_by_one(host.receive_some(10, looks=True))
    while len(came) < len(frames):
        came += _one_by_one(host.receive_some(10, looks=True))
    same([(type(frame).__name__, frame.id, frame.form, frame.result) for frame in frames], came)
    nothing_comes(host)


def _one_by_one(taken: Taken) -> List[Any]:
    if isinstance(taken, (Item, Response)):
        return [(type(taken).__name__, taken.id, taken.form, taken.result)]
    if isinstance(taken, Items):
        return [("Item", taken.id, form, text) for form, text, _ in taken.bodies]
    assert isinstance(taken, Answers), f"an item, or a response, became {taken!r}"
    return [("Response", number, form, text) for number, (form, text, _) in zip(taken.numbers, taken.bodies)]


def _requests_that_are_to_stop_are_known(host: HostTransport, worker: WorkerTransport) -> None:
    same(False, worker.is_stopping(1))
    _begin(host, worker, 1)
    send(host, Request("command", id=2))
    host.ask_to_stop(2)
    same([False, True], [worker.is_stopping(1), worker.is_stopping(2)])
    same(False, worker.is_cancelled(2))
    host.ask_to_cancel(2)
    same([True, True], [worker.is_cancelled(2), not worker.is_cancelled(1)])
    host.ask_to_stop(2)  # means nothing any more
    same(True, worker.is_cancelled(2))


CHECKS_OF_CALLS = (
    _the_newest_progress_arrives_before_the_response,
    _progress_never_fills_the_room,
    _asks_are_answered,
    _asks_and_answers_carry_attachments,
    _items_go_both_ways,
    _what_is_received_at_once_is_the_same,
    _requests_that_are_to_stop_are_known,
)
