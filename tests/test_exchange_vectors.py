"""What becomes of calls: spec/vectors/exchange, played by both hosts' exchanges on a worker that does what a vector says."""

import json
import subprocess
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Deque, Dict, Iterator, List, Optional, Sequence, Union

import pytest
from cpp_programs import built_program

from tech_renaissance import RemoteProtocolError, WorkerLost
from tech_renaissance._host.attendant import Attendant, last_item
from tech_renaissance._host.call import Call, call_ended
from tech_renaissance._host.call_queue import CallQueue
from tech_renaissance._host.caller import Caller
from tech_renaissance._host.exchange import Exchange
from tech_renaissance._host.input_source import InputSource
from tech_renaissance._host.loops import Loops
from tech_renaissance._protocol.frame import (
    Answer,
    Ask,
    Credit,
    Exiting,
    Failure,
    Frame,
    Item,
    Progress,
    Ready,
    Request,
    Response,
)
from tech_renaissance._transport.transport import (
    Answers,
    HostTransport,
    Items,
    Offer,
    Several,
    Taken,
    Unreadable,
)

if TYPE_CHECKING:
    from tech_renaissance._protocol.body import ReadBody

ROOT = Path(__file__).resolve().parents[1]
GUEST = built_program("guest_exchange")
VECTORS = sorted((ROOT / "spec" / "vectors" / "exchange").glob("*.json"))

Step = Dict[str, Any]

# States of a call; any other is its end.
_UNDER_WAY = ("queued", "sent", "asking", "given up")


class Script(HostTransport):
    """A worker that says what it is told to, and notes what it is sent. ``gathers``: whether items, or responses, that have come together are taken as one."""

    def __init__(self, *, gathers: bool) -> None:
        self._gathers = gathers
        self.room = 1000
        self.in_work: List[int] = []
        self.suspended: List[int] = []
        self.resumes: List[int] = []
        self.sent: List[Any] = []
        self.listed: List[Any] = []
        self.says: Deque[Any] = deque()
        self._taken: Taken = None
        self._last: Optional[Frame] = None

    def try_send(self, frame: Frame) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self._last = frame
        self.sent.append(_note_of(frame))
        return True

    def has_sent(self, frame: Frame) -> bool:
        return self._last is frame

    def receive(self, timeout_s: float) -> Optional[Frame]:
        if not self.says:
            return None
        self._taken = self.says.popleft()
        if isinstance(self._taken, RemoteProtocolError):
            raise self._taken
        return self._taken

    def receive_some(self, timeout_s: float, *, looks: bool) -> Union[Frame, Several, None]:
        first = self.says[0] if self.says and self._gathers else None
        if not _is_plain(first):
            return self.receive(timeout_s)
        numbers: List[Optional[int]] = []
        bodies: List[ReadBody] = []
        while self.says and _is_plain(self.says[0]) and type(self.says[0]) is type(first):
            if isinstance(first, Item) and self.says[0].id != first.id:
                break
            frame = self.says.popleft()
            numbers.append(frame.id)
            bodies.append((frame.form, frame.result, ()))
        several = Items(first.id, bodies) if isinstance(first, Item) else Answers(numbers, bodies)
        self._taken = several
        return several

    @property
    def taken(self) -> Taken:
        return self._taken

    def forget_taken(self) -> None:
        self._taken = None

    def begun(self, request_ids: Sequence[int]) -> Dict[int, Optional[int]]:
        return {number: None for number in request_ids if number in self.in_work}

    def answered(self) -> Sequence[Optional[int]]:
        return []

    def is_suspended(self, request_id: int) -> bool:
        return request_id in self.suspended

    def ask_to_cancel(self, request_id: int) -> None:
        self.listed.append(request_id)
        if request_id in self.resumes:
            self.suspended = []

    def ask_to_stop(self, request_id: int) -> None:
        self.listed.append({"stop": request_id})

    def wake(self) -> None: ...
    def close(self) -> None: ...
    def watch_exit(self, handle: int) -> None: ...
    def drop_tensor(self, tag: str) -> None: ...
    def put_tensor(self, tag: str, tensor: Any) -> None: ...
    def prepare(self) -> Offer:
        return Offer({}, [])

    def tags(self) -> List[str]:
        return []

    def empty(self, *_: Any) -> Any:
        raise NotImplementedError

    def place(self, attachment: Any) -> Any:
        raise NotImplementedError


def _is_plain(frame: Any) -> bool:
    return isinstance(frame, (Item, Response)) and not frame.error


def _note_of(frame: Frame) -> Any:
    """What a vector says of a frame that the host sends."""
    if isinstance(frame, Credit):
        return [frame.id, frame.count]
    if isinstance(frame, Answer):
        return {"answer": frame.id, **({"error": frame.error.code} if frame.error else {})}
    if isinstance(frame, Item):
        return {"item": frame.id, **({"last": True} if frame.last else {})}
    return frame.id or 0 if isinstance(frame, Request) else 0


def _new_frame(kind: str, step: Step) -> Any:
    number = step.get("id", 0)
    refusal = Failure("cancelled", "not begun") if "refused" in step else None
    frames: Dict[str, Any] = {
        "Ready": Ready({key: step[key] for key in ("window",) if key in step}),
        "Response": Response("", id=number, error=refusal),
        "Item": Item(number),
        "Ask": Ask(number, "f", waiting=True),
        "Credit": Credit(number, step.get("count", 0)),
        "Progress": Progress(number, step.get("done", 0)),
        "Exiting": Exiting(),
        "Unreadable": Unreadable(RemoteProtocolError("bad_frame", "nonsense"), step.get("id")),
    }
    return frames[kind]


class Play:
    """A session's calls, from one worker to the next."""

    def __init__(self, *, restarts: bool, gathers: bool) -> None:
        self._restarts = restarts
        self._gathers = gathers
        self._queue = CallQueue()
        self._calls: Dict[int, Call] = {}
        self._hears: Optional[float] = None
        self._start(is_open=True)

    def _start(self, *, is_open: bool) -> None:
        self._worker = Script(gathers=self._gathers)
        self._is_dead = False
        self._exchange = Exchange(
            self._worker,
            lambda: self._is_dead,
            lambda call, _: call_ended(call) if call and call.why else WorkerLost("worker_lost", "it died"),
            self._queue,
            Loops(lambda _: None),
            hands_over=lambda: self._restarts,
            is_open=is_open,
        )

    def take(self, step: Step) -> None:
        (what, value), *_ = step.items()
        getattr(self, f"_{what.replace(' ', '_')}")(value, step)
        self._exchange.take_in()

    def _ask(self, number: int, step: Step) -> None:
        request = Request("x", id=number, streams=step.get("streams", False))
        call = Call(request, idempotent=step.get("idempotent", False))
        call.on_progress = lambda _: None
        if step.get("input"):
            call.source = InputSource(iter(()))
        self._calls[number] = call
        call.abandoned = not self._exchange.send(call, 0)

    def _frame(self, kind: str, step: Step) -> None:
        for _ in range(step.get("times", 1)):
            self._worker.says.append(_new_frame(kind, step))

    def _take(self, number: int, step: Step) -> None:
        for _ in range(step.get("times", 1)):
            assert Caller.take_item(self._calls[number])

    def _push(self, number: int, step: Step) -> None:
        source = self._calls[number].source
        for _ in range(step.get("times", 1)):
            if source and source.may_send and self._exchange.begin_item(self._calls[number]):
                self._exchange.send_item(self._calls[number], Item(number), 0)

    def _end_input(self, number: int, _: Step) -> None:
        self._exchange.send_item(self._calls[number], last_item(self._calls[number]), 0)

    def _run(self, number: int, _: Step) -> None:
        assert self._exchange.take_ask(self._calls[number])

    def _answer(self, number: int, _: Step) -> None:
        self._exchange.send_answer(self._calls[number], Answer(number))

    def _hear(self, number: int, _: Step) -> None:
        progress = Attendant.new_progress(self._calls[number])
        self._hears = progress and progress.done

    def _stop(self, number: int, _: Step) -> None:
        self._exchange.stop(self._calls[number])

    def _cancel(self, number: int, _: Step) -> None:
        self._exchange.cancel(self._calls[number])

    def _close(self, number: int, _: Step) -> None:
        call = self._calls[number]
        call.abandoned = True
        if call.exchange:
            self._exchange.close_stream(call)

    def _in_work(self, numbers: List[int], step: Step) -> None:
        self._worker.in_work = numbers
        self._worker.suspended, self._worker.resumes = step.get("suspended", []), step.get("resumes", [])

    def _room(self, room: int, _: Step) -> None:
        self._worker.room = room

    def _expire(self, number: int, _: Step) -> None:
        self._calls[number].request.deadline_ns = 1
        self._exchange.expire(self._calls[number])

    def _end(self, number: int, _: Step) -> None:
        assert self._exchange.begin_end(self._calls[number], "cancel")

    def _abandon(self, number: int, _: Step) -> None:
        self._exchange.abandon(self._calls[number])

    def _leave(self, *_: Any) -> None:
        self._exchange.ask_to_leave(0)

    def _dies(self, *_: Any) -> None:
        self._is_dead = True

    def _next(self, *_: Any) -> None:
        self._exchange.close()
        self._start(is_open=False)

    def _open(self, *_: Any) -> None:
        self._exchange.open()

    def outcome(self) -> Step:
        unanswered = list(self._exchange._connection.unanswered)
        sent, self._worker.sent = self._worker.sent, []
        listed, self._worker.listed = self._worker.listed, []
        hears, self._hears = self._hears, None
        calls = {str(n): self._state(call, unanswered) for n, call in self._calls.items()}
        progress = {str(n): call.progress.done for n, call in self._calls.items() if call.progress}
        return {"sends": sent, "lists": listed, "hears": hears, "calls": calls, "progress": progress}

    def _state(self, call: Call, unanswered: List[Optional[int]]) -> str:
        is_sent = call.request.id in unanswered
        if call.abandoned:
            return "given up" if is_sent else "forgotten"
        if call.error:
            return call.error.code
        if call.response:
            return "answered"
        if not is_sent:
            return "queued"
        return "given up" if call.why else "asking" if self._exchange.is_asking(call) else "sent"


def _expected(steps: List[Step]) -> Iterator[Step]:
    calls: Dict[str, str] = {}
    progress: Dict[str, float] = {}
    for step in steps:
        calls = {**calls, **step.get("becomes", {})}
        progress = {**progress, **step.get("progress", {})}
        yield {
            "sends": step.get("sends", []),
            "lists": step.get("lists", []),
            "hears": step.get("hears"),
            "calls": calls,
            "progress": progress,
        }


def _python(vector: Step, *, gathers: bool = False) -> List[Step]:
    play = Play(restarts=vector.get("restarts", False), gathers=gathers)
    outcomes: List[Step] = []
    for step in vector["steps"]:
        play.take(step)
        outcomes.append(play.outcome())
    return outcomes


def _python_gathers(vector: Step) -> List[Step]:
    return _python(vector, gathers=True)


def _cpp(vector: Step) -> List[Step]:
    if not GUEST.exists():
        pytest.skip(f"{GUEST} is not built")
    line = json.dumps(vector) + "\n"
    run = subprocess.run([str(GUEST)], input=line.encode(), stdout=subprocess.PIPE, check=True)
    outcomes: List[Step] = json.loads(run.stdout)
    return outcomes


@pytest.mark.parametrize("player", [_python, _python_gathers, _cpp], ids=["python", "gathers", "cpp"])
@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_calls_go_as_their_vector_says(path: Path, player: Any) -> None:
    """Step by step: what is sent and listed, and what becomes of each call."""
    vector = json.loads(path.read_text("utf-8"))
    outcomes = player(vector)
    assert len(vector["steps"]) == len(outcomes)
    for number, (expected, found) in enumerate(zip(_expected(vector["steps"]), outcomes), 1):
        assert expected == found, f"step {number}"


def test_every_state_of_a_call_is_left_for_every_other_that_it_can_become() -> None:
    """As the table in spec/protocol.md has it."""
    left = set()
    for path in VECTORS:
        calls: Dict[str, str] = {}
        for step in json.loads(path.read_text("utf-8"))["steps"]:
            for call, state in step.get("becomes", {}).items():
                left.add((calls.get(call, "new"), state if state in _UNDER_WAY else "done"))
                calls[call] = state
    assert {
        ("new", "queued"),
        ("new", "sent"),
        ("new", "done"),
        ("queued", "sent"),
        ("queued", "done"),
        ("sent", "done"),
        ("sent", "queued"),
        ("sent", "given up"),
        ("sent", "asking"),
        ("asking", "sent"),
        ("asking", "queued"),
        ("asking", "given up"),
        ("asking", "done"),
        ("given up", "done"),
    } == left
