"""The Transport contract as a test. Every mechanism must pass it, and a new one is finished when it does.

``check_transport(make_pair)`` raises AssertionError at the first broken rule. Each check gets a pair of its
own whose worker has already said that it is ready.
"""

import os
import sys
import threading
from array import array
from contextlib import closing
from typing import Any, Callable, List, Optional, Tuple

from .._base.errors import FormatError, RemoteProtocolError
from .._protocol.body import ATTACHMENTS, JSON
from .._protocol.frame import LONG, SHORT, Exit, Exiting, Failure, Frame, Ready, Request, Response
from .conformance_of_calls import CHECKS_OF_CALLS
from .conformance_tools import (
    PATIENCE_S,
    let_go,
    next_frame,
    nothing_comes,
    numpy,
    plain,
    same,
    same_tensor,
    send,
)
from .transport import HostTransport, WorkerTransport

# Two connected ends; the host's has been prepared, and the worker's was made from its offer.
Pair = Tuple[HostTransport, WorkerTransport]
Check = Callable[[HostTransport, WorkerTransport], None]

# More requests than any mechanism has room for.
_MANY = 100_000

_TEXTS = (
    "",
    "plain",
    'quotes " and \\ backslashes',
    "汉字 😀 \u2028 \x00 \x1f\r\n",
    "0123456789abcdef" * 65_536,
)


def check_transport(
    make_pair: Callable[[], Pair], *, spoil: Optional[Callable[[HostTransport], None]] = None
) -> None:
    """Check a mechanism against the contract of ``Transport``.

    ``make_pair`` makes a fresh pair, which the check closes. ``spoil``, for mechanisms that move bytes, puts
    bytes that are not a response where the host's end of a pair will receive them.

    Raises RuntimeError if Python leaves out assert statements, which the checks are made of.
    """
    if not __debug__:
        raise RuntimeError(
            "check_transport would check nothing, because Python leaves out assert statements: run it without -O and PYTHONOPTIMIZE"
        )
    for check in (*_CHECKS, *CHECKS_OF_CALLS):
        _run(check, make_pair)
    if spoil is not None:
        _run(_spoiled_by(spoil), make_pair)


def _run(check: Check, make_pair: Callable[[], Pair]) -> None:
    host, worker = make_pair()
    with closing(host), closing(worker):
        assert worker.try_send(Ready({"pid": 1})), "there is always room for Ready"
        ready = next_frame(host)
        assert isinstance(ready, Ready), f"the first frame is Ready, not {ready!r}"
        check(host, worker)


# ------------------------------------------------------------------------------------------------------
# frames


def _requests_arrive_whole_and_once(host: HostTransport, worker: WorkerTransport) -> None:
    for number, text in enumerate(_TEXTS, 1):
        for request in (
            Request("command", text, number, LONG, 2**62 + number),
            Request("short", text, None, SHORT),
        ):
            send(host, request)
            same(request, next_frame(worker))
    nothing_comes(worker)


def _responses_arrive_whole_and_once(host: HostTransport, worker: WorkerTransport) -> None:
    for number, text in enumerate(_TEXTS, 1):
        failure = Failure("command_failed", text, "ValueError", text)
        _exchange_request(host, worker, number)
        response = Response("command", text, text, [], failure, number, LONG)
        send(worker, response)
        same(response, _with_list(next_frame(host)))
    nothing_comes(host)


def _exit_and_exiting_arrive(host: HostTransport, worker: WorkerTransport) -> None:
    send(host, Exit())
    same(Exit(), next_frame(worker))
    send(worker, Exiting())
    same(Exiting(), next_frame(host))
    nothing_comes(host)


def _requests_keep_their_order_whatever_the_room(host: HostTransport, worker: WorkerTransport) -> None:
    sent = 0
    while sent < _MANY and host.try_send(Request("command", str(sent), sent + 1)):
        sent += 1
    assert sent > 0, "there is room for a first request"
    refused = sent < _MANY
    same([str(number) for number in range(sent)], [_parameters(next_frame(worker)) for _ in range(sent)])
    nothing_comes(worker)
    if refused:
        send(host, Request("command", "again", sent + 1))
        same("again", _parameters(next_frame(worker)))


def _a_response_is_not_lost_to_the_next(host: HostTransport, worker: WorkerTransport) -> None:
    """Whether there is room for two or not."""
    for number in (1, 2):
        _exchange_request(host, worker, number)
    send(worker, Response("command", "first", id=1))
    second = Response("command", "second", id=2)
    was_sent = worker.try_send(second)
    same("first", _result(next_frame(host)))
    if not was_sent:
        send(worker, second)
    same("second", _result(next_frame(host)))


def _requests_that_were_given_up_are_known(host: HostTransport, worker: WorkerTransport) -> None:
    same(False, worker.is_cancelled(1))
    _exchange_request(host, worker, 1)
    send(host, Request("command", id=2))
    same([1], list(host.begun([1, 2])))
    host.ask_to_cancel(2)
    same([False, True], [worker.is_cancelled(1), worker.is_cancelled(2)])
    host.ask_to_cancel(1)
    same([True, True], [worker.is_cancelled(1), worker.is_cancelled(2)])
    for number in (1, 2):
        send(worker, Response("command", "", id=number))
        next_frame(host)
        if number == 1:
            next_frame(worker)
    same(False, worker.is_cancelled(3))


def _a_request_counts_as_begun_until_its_answer_is_dealt_with(
    host: HostTransport, worker: WorkerTransport
) -> None:
    send(host, Request("command", id=1))
    next_frame(worker)
    send(host, Request("command", id=2))
    same([1], list(host.begun([1, 2])))
    send(worker, Response("command", "", id=1))
    same([1], list(host.begun([1, 2])))
    next_frame(host)
    same([1], list(host.begun([1, 2])))
    host.forget_taken()
    next_frame(worker)
    same([2], list(host.begun([2])))
    send(worker, Response("command", "", id=2))
    next_frame(host)


# -----------------------------------------------------------------------------------------------------
# waiting


def _receive_0_does_not_wait(host: HostTransport, worker: WorkerTransport) -> None:
    for end in (host, worker):
        nothing_comes(end)


def _wake_ends_a_wait_or_the_next_one(host: HostTransport, worker: WorkerTransport) -> None:
    for end in (host, worker):
        end.wake()
        same(None, end.receive(PATIENCE_S))
        _ends(lambda: end.receive(PATIENCE_S * 2), end.wake)  # noqa: B023 - called before the loop goes on


def _a_frame_ends_a_wait(host: HostTransport, worker: WorkerTransport) -> None:
    for number in range(1, 20):
        request = Request("command", "", number)
        _ends(lambda: same(request, next_frame(worker)), lambda: send(host, request))  # noqa: B023
        response = Response("command", "", id=number)
        _ends(lambda: same("", _result(next_frame(host))), lambda: send(worker, response))  # noqa: B023


def _the_exit_handle_ends_waits(host: HostTransport, worker: WorkerTransport) -> None:
    if sys.platform == "win32":
        return  # handles of processes only
    del worker
    handle, signal = os.pipe()
    try:
        host.watch_exit(handle)
        _ends(lambda: host.receive(PATIENCE_S * 2), lambda: os.write(signal, b"!"))
        host.prepare()
    finally:
        os.close(handle)
        os.close(signal)


def _ends(wait: Callable[[], Any], act: Callable[[], Any]) -> None:
    """``wait``, in another thread, ends because of ``act``, whenever that happens."""
    failures: List[BaseException] = []

    def run() -> None:
        try:
            wait()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    act()
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), "a wait did not end"
    if failures:
        raise failures[0]


# -----------------------------------------------------------------------------------------------------
# tensors


def _tensors() -> List[Any]:
    np = numpy()
    return [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.arange(12, dtype=np.int64).reshape(3, 4)[::-1, ::2],
        np.array(2.5),
        np.zeros((2, 0, 3), np.int8),
        np.array([True, False]),
        np.ones((1, 2, 1, 2, 1, 2), np.complex64),
        np.ones((600, 700), np.float64),
    ]


def _tags_keep_tensors_until_they_are_replaced_or_dropped(
    host: HostTransport, worker: WorkerTransport
) -> None:
    for number, tensor in enumerate(_tensors(), 2):
        host.put_tensor("tag", tensor)
        _exchange_request(host, worker, number)
        for _ in range(2):
            same_tensor(tensor, worker.get_tensor("tag", "numpy"))
    host.drop_tensor("tag")
    host.drop_tensor("tag")
    _exchange_request(host, worker, 1)
    try:
        worker.get_tensor("tag", "numpy")
    except KeyError:
        return
    raise AssertionError("a tag that was dropped is still there")


def _a_handlers_tensor_is_its_own(host: HostTransport, worker: WorkerTransport) -> None:
    tensor = _tensors()[0]
    host.put_tensor("tag", tensor)
    _exchange_request(host, worker, 1)
    first = worker.get_tensor("tag", "numpy")
    host.put_tensor("tag", tensor + 1)
    _exchange_request(host, worker, 2)
    same_tensor(tensor, first)
    first *= 2
    same_tensor(tensor + 1, worker.get_tensor("tag", "numpy"))


def _results_arrive_and_stay(host: HostTransport, worker: WorkerTransport) -> None:
    """More, fewer, none; the later results do not harm the earlier ones."""
    kept: List[Tuple[List[Any], List[Any]]] = []
    for number, tensors in enumerate((_tensors(), _tensors()[:2], [], [_tensors()[0] + 1]), 1):
        _exchange_request(host, worker, number)
        send(worker, Response("command", "ok", attachments=tensors, id=number))
        response = next_frame(host)
        assert isinstance(response, Response), f"a response became {response!r}"
        kept.append((tensors, list(response.attachments)))
    for expected, actual in kept:
        same(len(expected), len(actual))
        for one, other in zip(expected, actual):
            same_tensor(one, other)


def _attachments_arrive_as_they_were(host: HostTransport, worker: WorkerTransport) -> None:
    """Attachments of each kind, both ways; also if their owner changes them before the request is sent,
    or the same one is sent twice.
    """
    np = numpy()
    changed = np.arange(3, dtype=np.float32)
    sent = [
        *_tensors(),
        changed,
        b"",
        b"\0\xff" * 9,
        array("q", [-(2**63), 5]),
        array("d", [0.5]),
        array("d"),
    ]
    placed = [host.place(attachment) for attachment in sent]
    changed += 1
    expected = [plain(attachment) for attachment in [*sent[: len(_tensors())], changed - 1, *sent[-5:]]]
    for number in (1, 2):
        send(host, Request("command", "[[1]]", number, typed=True, form=JSON, attachments=placed))
        request = next_frame(worker)
        assert isinstance(request, Request), f"a request became {request!r}"
        same((True, JSON, "[[1]]"), (request.typed, request.form, request.parameters))
        values = [attachment.value("numpy") for attachment in request.attachments]
        same(expected, [plain(value) for value in values])
        let_go(request)
        send(worker, Response("command", "", attachments=values, id=number, form=ATTACHMENTS))
        response = next_frame(host)
        assert isinstance(response, Response), f"a response became {response!r}"
        same(ATTACHMENTS, response.form)
        same(expected, [plain(value) for value in response.attachments])


def _what_is_kept_of_an_attachment_stays(host: HostTransport, worker: WorkerTransport) -> None:
    """However many requests come later."""
    kept: List[Any] = []
    for number in range(1, 5):
        placed = [host.place(np_array + number) for np_array in _tensors()[:2]]
        send(host, Request("command", "", number, attachments=placed))
        del placed
        request = next_frame(worker)
        assert isinstance(request, Request), f"a request became {request!r}"
        kept.append([attachment.value("numpy") for attachment in request.attachments])
        let_go(request)
        send(worker, Response("command", id=number))
        next_frame(host)
    for number, tensors in enumerate(kept, 1):
        for one, other in zip(_tensors(), tensors):
            same_tensor(one + number, other)


def _what_tsr_cannot_hold_is_refused_and_nothing_sent(host: HostTransport, worker: WorkerTransport) -> None:
    np = numpy()
    no_tensor = np.array(["text"])
    _exchange_request(host, worker, 1)
    for attempt in (
        lambda: host.put_tensor("tag", no_tensor),
        lambda: host.place(no_tensor),
        lambda: worker.try_send(Response("command", "bad", attachments=[np.ones(1), no_tensor], id=1)),
    ):
        try:
            attempt()
        except FormatError:
            continue
        raise AssertionError("an array of texts was accepted as a tensor")
    nothing_comes(host)
    send(worker, Response("command", "good", id=1))
    same("good", _result(next_frame(host)))


# -------------------------------------------------------------------------------------------------- life


def _prepare_forgets_what_was_said_and_keeps_tags(host: HostTransport, worker: WorkerTransport) -> None:
    tensor = _tensors()[0]
    host.put_tensor("tag", tensor)
    _exchange_request(host, worker, 1)
    send(worker, Response("command", "old", id=1))
    send(host, Request("command", "old", 2))
    host.prepare()
    nothing_comes(host)


def _closing_twice_is_closing_once(host: HostTransport, worker: WorkerTransport) -> None:
    for end in (worker, host):
        end.close()
        end.close()


def _spoiled_by(spoil: Callable[[HostTransport], None]) -> Check:
    def check(host: HostTransport, worker: WorkerTransport) -> None:
        _exchange_request(host, worker, 1)
        spoil(host)
        try:
            frame = host.receive(PATIENCE_S)
        except RemoteProtocolError:
            nothing_comes(host)
            return
        raise AssertionError(f"bytes that are not a frame became {frame!r}")

    return check


# --------------------------------------------------------------------------------------------------- helpers


def _exchange_request(host: HostTransport, worker: WorkerTransport, number: int) -> None:
    send(host, Request("command", "", number))
    same(Request("command", "", number), next_frame(worker))


def _with_list(frame: Frame) -> Frame:
    """A response with whatever may be left out filled in, and its tensors as a list."""
    if isinstance(frame, Response):
        frame.attachments = list(frame.attachments)
        frame.command = frame.command or "command"
    return frame


def _parameters(frame: Frame) -> str:
    assert isinstance(frame, Request), f"a request became {frame!r}"
    return frame.parameters


def _result(frame: Frame) -> str:
    assert isinstance(frame, Response), f"a response became {frame!r}"
    return frame.result


_CHECKS: Tuple[Check, ...] = (
    _requests_arrive_whole_and_once,
    _responses_arrive_whole_and_once,
    _exit_and_exiting_arrive,
    _requests_keep_their_order_whatever_the_room,
    _a_response_is_not_lost_to_the_next,
    _requests_that_were_given_up_are_known,
    _a_request_counts_as_begun_until_its_answer_is_dealt_with,
    _receive_0_does_not_wait,
    _wake_ends_a_wait_or_the_next_one,
    _a_frame_ends_a_wait,
    _the_exit_handle_ends_waits,
    _tags_keep_tensors_until_they_are_replaced_or_dropped,
    _a_handlers_tensor_is_its_own,
    _results_arrive_and_stay,
    _attachments_arrive_as_they_were,
    _what_is_kept_of_an_attachment_stays,
    _what_tsr_cannot_hold_is_refused_and_nothing_sent,
    _prepare_forgets_what_was_said_and_keeps_tags,
    _closing_twice_is_closing_once,
)
