"""The fast path of small requests gives the answers of the general path, which is the specification."""

import threading
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterable, List, Tuple

import numpy as np
import pytest
from segments import duplicate

from tech_renaissance import Cancelled, TechRenaissanceServer, command
from tech_renaissance._protocol.frame import LONG, SHORT, Ready, Request, Response
from tech_renaissance._transport.session_place import SessionPlace
from tech_renaissance._transport.shm import control
from tech_renaissance._transport.shm import frame as shm_frame
from tech_renaissance._transport.shm.host import ShmHost
from tech_renaissance._transport.shm.segment import UNAVAILABLE
from tech_renaissance._transport.shm.worker import ShmWorker
from tech_renaissance._worker.loop import ServingLoop

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

_LATER_NS, _PAST_NS = 1 << 62, 1
_NO_TEXT = bytes.fromhex("ff fe fd")


class Server(TechRenaissanceServer):
    """Does what its requests say, and leaves at ``stop``."""

    def __init__(self) -> None:
        super().__init__(library="numpy")
        self.served: List[Tuple[str, str]] = []

    def commands(self) -> Iterable[str]:
        """Raises, too."""
        return ["say", "stop"]

    def main_logic(self, command: str, parameters: str) -> Any:
        """Serve one request."""
        self.served.append((command, parameters))
        action: Callable[[str], Any] = getattr(self, f"do_{command}", lambda _: False)
        return action(parameters)

    def do_stop(self, _: str) -> bool:
        self.is_leaving = True
        return True

    def do_say(self, parameters: str) -> bool:
        self.write_response("", parameters)
        return True

    def do_say_and_deny(self, parameters: str) -> bool:
        self.write_response("", parameters)
        return False

    def do_say_as(self, parameters: str) -> bool:
        self.write_response(parameters, "as another")
        return True

    def do_say_an_object(self, parameters: str) -> bool:
        self.write_response("", len(parameters))  # type: ignore[arg-type]
        return True

    def do_say_surrogates(self, _: str) -> bool:
        self.write_response("", "a \ud800 b")
        return True

    def do_say_nothing(self, _: str) -> str:
        return "true enough"

    def do_repeat(self, parameters: str) -> bool:
        self.write_response("", int(parameters) * "x")
        return True

    def do_remain(self, _: str) -> bool:
        self.write_response("", f"{self.remaining_s is not None} {self.cancelled}")
        return True

    def do_get(self, parameters: str) -> bool:
        return self.get_tensors(parameters) is None

    def do_send(self, parameters: str) -> bool:
        self.write_response("", "sent")
        self.send_tensors(*(np.full(3, float(number)) for number in range(int(parameters))))
        return True

    def do_send_too_much(self, _: str) -> bool:
        self.send_tensors(np.broadcast_to(np.float32(1), (1 << 45,)))
        return True

    def do_raise(self, parameters: str) -> bool:
        self.write_response("", "not to be seen")
        raise ValueError(parameters)

    def do_raise_after_get(self, parameters: str) -> bool:
        raise ValueError(self.get_tensors(parameters))

    def do_give_up(self, parameters: str) -> bool:
        raise Cancelled(parameters)

    def do_leave(self, parameters: str) -> bool:
        raise SystemExit(parameters)

    def do_interrupt(self, _: str) -> bool:
        raise KeyboardInterrupt

    @command
    def greet(self, name: str, times: int = 1) -> str:
        """One string, and so without a look at it."""
        self.served.append(("greet", name))
        return times * name

    @command
    def add(self, a: Any, b: Any) -> Any:
        """Whatever has a sum."""
        return a + b

    @command
    def same(self, value: Any = None) -> Any:
        """Its own argument."""
        return value

    @command
    def fail(self, value: Any) -> Any:
        """With a message that has the argument."""
        raise ValueError(str(value))

    @command
    def count(self, end: int) -> Any:
        """A generator."""
        yield from range(end)


# A worker's first request takes the general path, and its first tensor is looked at more closely.
FIRST = [Request("say", "first", 998), Request("send", "1", 999)]
REQUESTS = [
    Request("say", "hello", 1),
    Request("say", "", 2),
    Request("say", "汉字 😀 \u2028 \x00 \x1f\r\n", 3),
    Request("say", "short", 4, SHORT),
    Request("say", "of an older host"),
    Request("say", "of an older host, short", None, SHORT),
    Request("say", "in time", 5, LONG, _LATER_NS),
    Request("say", "too late", 6, LONG, _PAST_NS),
    Request("remain", "", 7),
    Request("remain", "", 8, LONG, _LATER_NS),
    Request("remain", "", 9, SHORT, _LATER_NS),
    Request("say_nothing", "", 10),
    Request("say_an_object", "four", 11),
    Request("say_surrogates", "", 12),
    Request("say_and_deny", "that was all", 13),
    Request("say_as", "sai", 14),
    Request("say_as", "say_as", 15),
    Request("sai", "unknown, but near", 16),
    Request("nobody knows", "", 17),
    Request("汉", "字", 18),
    Request("repeat", "65488", 19),
    Request("repeat", "65489", 20),
    Request("repeat", "100000", 21),
    Request("say", 65_000 * "y", 22),
    Request("say", 100_000 * "z", 23),
    Request("get", "nothing", 24),
    Request("get", "", 25),
    Request("send", "1", 26),
    Request("send", "3", 27),
    Request("send_too_much", "", 28),
    Request("raise", "the reason", 29),
    Request("raise", "in short", 30, SHORT),
    Request("raise_after_get", "nothing", 31),
    Request("give_up", "at once", 32),
]
TYPED_REQUESTS = [
    Request("greet", "hello", 40, typed=True),
    Request("greet", '[["汉"],{"times":3}]', 41, SHORT, _LATER_NS, typed=True, form=2),
    Request("greet", "too late", 42, LONG, _PAST_NS, typed=True),
    Request("greet", '[["a",1.5]]', 43, typed=True, form=2),
    Request("greet", '[["a"],{"time":1}]', 44, typed=True, form=2),
    Request("greet", "[[", 45, typed=True, form=2),
    Request("greet", '[["\\ud800"]]', 46, typed=True, form=2),
    Request("greet", "in words", 47),
    Request("greet", "a 3", 48),
    Request("greeet", "near", 49, typed=True),
    Request("add", "[[1,2]]", 50, typed=True, form=2),
    Request("add", '[[[1],{"$":0}]]', 51, typed=True, form=2, attachments=[array("q", range(20))]),
    Request("add", "", 52, typed=True, form=1, attachments=[np.ones(3), np.arange(3)]),
    Request("add", "", 53, LONG, _LATER_NS, typed=True, form=1, attachments=[b"a" * 100, b""]),
    Request("add", "$0 $1", 54, attachments=[np.ones(3), np.arange(3)]),
    Request("add", "$0 $2", 55, attachments=[np.ones(3), np.arange(3)]),
    Request("same", "", 56, typed=True, form=1),
    Request("same", "", 57, typed=True, form=1, attachments=[np.arange(4, dtype=np.int8)]),
    Request("same", "x", 58, typed=True, attachments=[np.ones(1)]),
    Request("same", '[[{"$":0}]]', 59, typed=True, form=2),
    Request("same", "[[1e999]]", 60, typed=True, form=2),
    Request("fail", "", 61, typed=True, form=1, attachments=[np.ones(1), np.ones(1)]),
    Request("fail", "", 62, typed=True, form=1, attachments=[np.ones(1)]),
    Request("count", "[[3]]", 63, typed=True, form=2),
    Request("say", "for main_logic", 64, typed=True),
    Request("send", "[[2]]", 65, typed=True, form=2),
    Request("get", "", 66, typed=True, form=1, attachments=[np.ones(1)]),
    Request("describe", "", 67, typed=True, form=1),
    Request("describe", "", 68, typed=True, form=1, attachments=[np.ones(1)]),
    Request("no text", "", 69, form=1),
]
LAST_REQUESTS = [Request("leave", "7", 33), Request("interrupt", "", 34), Request("exit", "", 35)]


class Pair:
    """A host's end and a serving loop, in this process."""

    def __init__(self, folder: Path, *, is_fast: bool) -> None:
        folder.mkdir()
        self.host = ShmHost(library="numpy")
        numbers = [duplicate(number) for number in self.host.prepare().descriptors]
        self.end = ShmWorker(SessionPlace(str(folder)), numbers)
        self.server = Server()
        self.is_fast = is_fast
        assert self.end.try_send(Ready({"pid": 1}))
        assert isinstance(self.host.receive(1), Ready)

    def serve(self, *requests: Request) -> List[Response]:
        """Send the requests, serve until the worker leaves, and return the responses."""
        for request in requests:
            placed = [self.host.place(attachment) for attachment in request.attachments]
            assert self.host.try_send(replace(request, attachments=placed))
        self.run()
        responses: List[Response] = []
        while True:
            response = self.host.receive(0)
            if response is None:
                return responses
            assert isinstance(response, Response)
            response.attachments = [repr(attachment) for attachment in response.attachments]
            responses.append(response)

    def run(self) -> None:
        """Serve until the worker leaves."""
        self.server.is_leaving = False
        self.server._transport = self.end
        self.server._turn = turn = self.server._new_turn()
        loop = ServingLoop(turn, self.end)
        loop._connection.sent(Ready({}))
        if not self.is_fast:
            loop._fast_path = None
        try:
            while not self.server.is_leaving and loop._serve_one():
                pass
        except (SystemExit, KeyboardInterrupt):  # the handler's own
            pass

    def close(self) -> None:
        """Both ends."""
        self.end.close()
        self.host.close()


@pytest.fixture
def pairs(tmp_path: Path) -> Any:
    """One on the fast path, one on the general."""
    pairs = [Pair(tmp_path / str(is_fast), is_fast=is_fast) for is_fast in (True, False)]
    yield pairs
    for pair in pairs:
        pair.close()


def _served(pair: Pair, frames: List[bytes]) -> List[Response]:
    """The answers to these frames, and to a last request."""
    assert pair.host._worker is not None
    for frame in frames:
        assert pair.host._worker.side.writer.try_write(frame)
    return pair.serve(Request("stop", "", 1001))


@pytest.mark.parametrize(
    "request_", REQUESTS + TYPED_REQUESTS, ids=lambda request: f"{request.id} {request.command}"
)
def test_both_paths_give_the_same_answer(pairs: List[Pair], request_: Request) -> None:
    """Each time, with the same books afterwards, and the handler has seen the same."""
    stop = Request("stop", "", 1000)
    fast, general = (pair.serve(*FIRST, request_, request_, stop) for pair in pairs)
    assert general == fast
    assert len(FIRST) + 3 == len(fast)
    fast_pair, general_pair = pairs
    assert general_pair.server.served == fast_pair.server.served
    for word in (control.SERVED, control.FAILED, control.CURRENT_ID):
        assert general_pair.end.control.words[word] == fast_pair.end.control.words[word]


@pytest.mark.parametrize("request_", LAST_REQUESTS, ids=lambda request: request.command)
def test_both_paths_leave_in_the_same_way(pairs: List[Pair], request_: Request) -> None:
    """After an answer, or after none."""
    fast, general = (pair.serve(Request("say", "first", 999), request_) for pair in pairs)
    assert general == fast
    assert (1 if request_.command == "exit" else 2) == len(fast)


def test_both_paths_find_the_same_fault_in_a_broken_request(pairs: List[Pair]) -> None:
    """What the fast path cannot read, the general one refuses."""
    whole = shm_frame.encode_request(Request("say", "a text of some length", 7))
    broken = [
        whole[:16] + bytes(4) + whole[20:],  # no command
        whole[:20] + (99).to_bytes(4, "little") + whole[24:],  # longer than its frame
        whole[:24] + _NO_TEXT + whole[27:],  # a command that is no text
        whole[:27] + _NO_TEXT + whole[30:],  # parameters that are none
    ]
    answers: List[List[Response]] = []
    for pair in pairs:
        pair.serve(Request("say", "first", 999), Request("stop", "", 1000))
        answers.append(_served(pair, broken))
    fast, general = answers
    assert general == fast
    assert 4 * ["malformed_request"] == [response.error.code for response in fast[:-1] if response.error]


def test_both_paths_find_the_same_fault_in_attachments(pairs: List[Pair]) -> None:
    """Also in blocks that the worker knows from the calls before."""
    answers: List[List[Response]] = []
    for pair in pairs:
        pair.serve(Request("say", "first", 1), Request("stop", "", 2))
        lender = pair.host._lender
        blocks = [lender.place(np.ones(3)), lender.place(np.arange(3.0))]
        frames: List[bytes] = []
        for place, data in [
            (0, b""),
            (0, b""),
            (0, b"\5"),
            (1, b"\1"),
            (8, b"\1"),
            (16, bytes(8)),
            (16, 8 * b"\xff"),
        ]:
            attached = [(0, (block.offset, lender.arena.lend(block))) for block in blocks]
            whole = shm_frame.encode_request(Request("add", "", 3, typed=True, form=1), attached)
            start = len(whole) - 24 + place  # of the last
            frames.append(whole[:start] + data + whole[start + len(data) :])
        cut = frames[0][:-8]
        frames.append(len(cut).to_bytes(4, "little") + cut[4:])
        answers.append(_served(pair, frames))
    fast, general = answers
    assert general == fast
    assert [None, None, *(6 * ["malformed_request"])] == [
        response.error and response.error.code for response in fast[:-1]
    ]


def test_views_that_are_kept_for_later_are_not_more_and_more(tmp_path: Path) -> None:
    """However many blocks a host uses."""
    pair = Pair(tmp_path / "pair", is_fast=True)
    pair.serve(Request("say", "first", 1), Request("stop", "", 2))
    for number in range(10):
        tensors = [np.full(3, float(index)) for index in range(30 * number)]
        requests = [
            Request("same", "", 3 + index, typed=True, form=1, attachments=[one])
            for index, one in enumerate(tensors)
        ]
        answers = pair.serve(*requests, Request("stop", "", 1000))
        assert [*([repr(one)] for one in tensors), []] == [answer.attachments for answer in answers]
    assert len(pair.end.lessee._leases) <= 64
    pair.close()


def test_frames_go_round_the_rings(pairs: List[Pair]) -> None:
    """Whatever their sizes: past the ends of both rings, and with no room to spare."""
    for pair in pairs:
        pair.serve(Request("say", "first", 1), Request("stop", "", 2))
        number = 3
        for size in range(20_000, 60_000, 3001):
            texts = [number * "a" + size * "b" for number in range(3)]
            requests = [Request("say", text, number + index) for index, text in enumerate(texts)]
            answers = pair.serve(*requests, Request("stop", "", number + 3))
            assert [*texts, "ok"] == [answer.result for answer in answers]
            number += 4


def test_an_answer_that_finds_no_room_waits_for_it(pairs: List[Pair]) -> None:
    """Then the general path sends it."""
    for pair in pairs:
        pair.serve(Request("say", "first", 1), Request("stop", "", 2))
        for number in range(3, 23):
            assert pair.host.try_send(Request("repeat", "60000", number))
        assert pair.host.try_send(Request("stop", "", 23))
        worker = threading.Thread(target=pair.run)
        worker.start()
        answers: List[str] = []
        while len(answers) < 21:
            answer = pair.host.receive(60)
            answers += [answer.result] if isinstance(answer, Response) else []  # it may be woken for nothing
        worker.join()
        assert [*(20 * [60_000 * "x"]), "ok"] == answers


def test_results_that_are_alike_use_the_same_blocks(pairs: List[Pair]) -> None:
    """Once the host has let go of them; what it keeps stays as it was."""
    for pair in pairs:
        kept: List[Any] = []
        used: List[List[int]] = []
        for number in range(8):
            for request in (Request("say", "first", 1), Request("send", "2", 2), Request("stop", "", 3)):
                assert pair.host.try_send(request)
            pair.run()
            responses = list(iter(lambda: pair.host.receive(0), None))  # noqa: B023 - called at once
            (tensors,) = (
                one.attachments for one in responses if isinstance(one, Response) and one.attachments
            )
            assert [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]] == [tensor.tolist() for tensor in tensors]
            used.append([tensor.ctypes.data for tensor in tensors])
            if number == 4:
                kept.append(tensors[1])
            del tensors, responses
        assert used[1] == used[2] == used[3] == used[4]
        assert used[6] == used[7]
        assert kept[0].ctypes.data not in {place for blocks in used[5:] for place in blocks}
        assert [1.0, 1.0, 1.0] == kept[0].tolist()


def test_an_attachment_is_what_its_block_holds_now(tmp_path: Path) -> None:
    """Not what it held in the calls before, which had other types and shapes."""
    pair = Pair(tmp_path / "pair", is_fast=True)
    arrays = [
        np.arange(6, dtype=dtype).reshape(shape) for dtype in ("f4", "i4") for shape in (6, (2, 3), (3, 2))
    ]
    for value in [*arrays, b"some bytes", *arrays, arrays[0]]:
        placed = pair.host.place(value)
        assert pair.host.try_send(Request("same", "", 1, typed=True, form=1, attachments=[placed]))
        request = pair.end.receive(0)
        assert isinstance(request, Request)
        for library in ("numpy", None):
            got = request.attachments[0].value(library)
            if isinstance(value, bytes):
                assert got == value
            else:
                array = np.asarray(got)  # None: of torch, if this process has imported it
                assert (array.dtype, array.shape, array.tolist()) == (
                    value.dtype,
                    value.shape,
                    value.tolist(),
                )
                del array
            del got
        for attachment in request.attachments:
            attachment.let_go()
        del placed
    pair.close()
