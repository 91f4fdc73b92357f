"""Exceptions at any moment of a call, as Ctrl+C raises them: the next call is right."""

import itertools
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import numpy as np
import pytest
from exchange_ways import Way, make_ways  # noqa: F401 - a fixture
from hosts import WORKERS
from interrupt import interrupted
from processes import posix_signals

from tech_renaissance import CallCancelled, CommandError, PythonSession
from tech_renaissance._host import attendant
from tech_renaissance._host.call import Call, PlainCall
from tech_renaissance._host.caller import Caller
from tech_renaissance._host.exchange import Exchange
from tech_renaissance._protocol.body import TEXT
from tech_renaissance._protocol.frame import Request, Response
from tech_renaissance._transport.shm.segment import UNAVAILABLE

# A file that was opened, and not yet in use, is closed by the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)

Action = Callable[[Any, int], object]

X = np.arange(4, dtype=np.float32)


def _ask(session: Any, number: int) -> object:
    return session.fetch_response(f"echo {number}") == str(number)


def _ask_apart(session: Any, number: int) -> object:
    session.send_request(f"echo {number}")
    return session.wait_for_response().endswith(str(number))


def _fetch(session: Any, number: int) -> object:
    session.send_tensor(X + number, "x")
    return (session.fetch_tensor("same x") == X + number).all()


def _calculate(session: Any, number: int) -> object:
    return (session.calculate("same", X + number) == X + number).all()


def _call(session: Any, number: int) -> object:
    value = session.call("value", {"number": number, "tensor": X + number, "raw": b"x"})
    return value["number"] == number and (value["tensor"] == X + number).all()


def _value(session: Any, number: int) -> object:
    return session.call("value", number) == number


def _submit(session: Any, number: int) -> object:
    futures = [session.submit("value", [number, other]) for other in range(3)]
    return [[number, other] for other in range(3)] == [future.result() for future in futures]


def _stream(session: Any, number: int) -> object:
    del number
    return list(range(30)) == list(session.stream("count", 30))


def _converse(session: Any, number: int) -> object:
    told: List[Any] = []
    session.expose("add", lambda other: other + number)
    value = session.call("converse", iter(range(20)), on_progress=told.append)
    return value == 190 + 2 * number and told[-1].done == 2


ACTIONS: Dict[str, Action] = {
    "ask": _ask, "apart": _ask_apart, "fetch": _fetch, "calculate": _calculate,
    "call": _call, "value": _value, "submit": _submit, "stream": _stream, "converse": _converse,
}  # fmt: skip


# So many times as few moments are tried, where calls over files take milliseconds.
SPARSELY = {"file": 5 if sys.platform == "win32" else 1, "shm": 1}
# Those of many moments are interrupted at each so many.
STEPS = {"call": 5, "submit": 5, "stream": 17, "converse": 23}


@pytest.fixture
def session(workspace: Path, transport: str, worker_python: str) -> Any:
    """A session of this process: the interruptions happen here."""
    with PythonSession(WORKERS / "echo_tensors.py", "interrupted", True, library="numpy") as session:
        session.wait_until_ready()
        yield session


@pytest.mark.parametrize("name", ACTIONS)
def test_the_call_after_an_interrupted_one_is_right(session: Any, name: str) -> None:
    """At whatever moment it was interrupted; and the worker is the same."""
    action = ACTIONS[name]
    pid = session.fetch_response("pid")
    for moment in itertools.count(0, STEPS.get(name, 1)):
        was_interrupted = interrupted(lambda: action(session, moment), moment)  # noqa: B023
        assert _ask(session, -moment), moment
        assert _fetch(session, -moment), moment
        assert "" == session.cancel(), moment  # nothing is in work
        assert "ready" == session.state().name
        _drain(session)
        if not was_interrupted:
            break
    assert moment > 50
    assert pid == session.fetch_response("pid")


def test_a_stream_goes_on_after_an_interrupted_wait(session: Any) -> None:
    """At whatever moment it was interrupted. Lost is at most the value that was about to be given."""
    for moment in itertools.count(0, 13):
        stream = session.stream("count", 30)
        values: List[int] = []
        was_interrupted = interrupted(lambda: values.extend(iter(stream.__next__, None)), moment)  # noqa: B023
        values.extend(stream)
        assert sorted(set(values)) == values, moment
        assert len(values) >= 29, moment
        assert _ask(session, -moment), moment
        if not was_interrupted:
            break


@pytest.mark.parametrize(
    ("name", "step"), [("ask", 4), ("apart", 15), ("calculate", 13), ("value", 5), ("submit", 23)]
)
def test_a_second_interruption_while_the_first_unwinds_breaks_nothing(
    session: Any, name: str, step: int, transport: str
) -> None:
    """At whatever moments they come (the first at each so many); and the worker is the same."""
    action = ACTIONS[name]
    pid = session.fetch_response("pid")
    pairs = 0
    for moment in itertools.count(0, step * SPARSELY[transport]):
        for second in itertools.count():
            count = interrupted(lambda: action(session, moment), moment, second)  # noqa: B023
            assert _ask(session, -moment), (moment, second)
            assert _fetch(session, -moment), (moment, second)
            assert "" == session.cancel(), (moment, second)
            _drain(session)
            pairs += count == 2
            if count < 2:
                break
        if not count:
            break
    assert pairs > 20
    assert pid == session.fetch_response("pid")


def test_interruptions_on_top_of_others_leave_no_handler_waiting(
    session: Any, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """Whatever they prevent: the worker is told by whoever comes next, and an input is never taken for a shorter one."""

    def interrupt(*_: Any, **__: Any) -> float:
        raise KeyboardInterrupt

    def numbers() -> Iterator[float]:
        yield 1.0
        interrupt()

    def interrupted_often(action: Callable[[], object]) -> None:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            for owner, name in (
                (Caller, "abandon"), (Exchange, "close_stream"), (Exchange, "send_answer"), (attendant, "withdraw"),
            ):  # fmt: skip
                patch.setattr(owner, name, interrupt)
            action()

    session.expose("add", interrupt)
    for give in (numbers, lambda: iter([1.0])):
        interrupted_often(lambda: session.call("converse", give()))  # noqa: B023
        assert _ask(session, 1)
        if transport == "shm" or give is not numbers:
            stream = session.stream("converse", give())
            interrupted_often(lambda: next(stream))  # noqa: B023
            with pytest.raises((CallCancelled, CommandError)):
                next(stream)
            assert _ask(session, 2)


def _drain(session: Any) -> None:
    """Answers that an interrupted ``_ask_apart`` has left."""
    while session.new_response():
        session.read_response()


def test_an_interruption_loses_nobody_elses_answer(session: Any) -> None:
    """Another thread waits for its own, while the one that reads for both is interrupted."""
    for moment in itertools.count():
        results: List[str] = []
        thread = threading.Thread(target=_count, args=(session, results))
        thread.start()
        was_interrupted = interrupted(lambda: _ask(session, moment), moment)  # noqa: B023
        thread.join()
        assert ["0", "1", "2"] == results, moment
        assert _ask(session, -moment), moment
        if not was_interrupted:
            break


def _count(session: Any, results: List[str]) -> None:
    for number in range(3):
        results.append(session.fetch_response(f"echo {number}"))  # noqa: PERF401


def _send_plain(way: Way, number: int) -> object:
    return way.exchange.send_plain(PlainCall((number, "say", "", False, TEXT, (), None)))


def _send(way: Way, number: int) -> object:
    return way.exchange.send(Call(Request("say", "", number)), 0)


@pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")
@pytest.mark.parametrize(("send", "second"), [(_send_plain, None), (_send, 0)])
def test_an_answer_finds_its_request_although_the_sending_was_interrupted(
    ways: List[Way],
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[Way, int], object],
    second: Optional[int],
) -> None:
    """At whatever moment; on the general path again, while the first interruption unwinds. Another thread
    reads meanwhile: the answer fails none of its calls, and no answered request is taken for a waiting one.
    """
    way = ways[0]
    receive = way.host.receive_some
    for moment in itertools.count():
        was_interrupted: List[int] = []
        numbers = (2 * moment + 1, 2 * moment + 2)

        def answer() -> None:
            for frame in reversed(way.received()):
                way.say(Response("", "answer", id=getattr(frame, "id", None)))

        def send_interrupted() -> None:
            was_interrupted.append(interrupted(lambda: send(way, numbers[1]), moment, second))  # noqa: B023

        def receive_later(timeout_s: float, *, looks: bool) -> Any:
            monkeypatch.undo()
            thread = threading.Thread(target=send_interrupted)
            thread.start()
            thread.join()
            answer()
            return receive(timeout_s, looks=looks)

        call = Call(Request("say", "", numbers[0]))
        assert way.exchange.send(call, 0)
        monkeypatch.setattr(way.host, "receive_some", receive_later)
        assert way.exchange.wait(call, 60), moment
        assert "answer" == call.take_response().result, moment
        answer()  # to what has reached the worker only since
        way.exchange.take_in()
        assert not way.exchange.under_way, moment
        assert "ready" == way.exchange.state.value, moment
        if not was_interrupted[0]:
            break
    assert moment > 5


LOOP = """
import signal, sys
from tech_renaissance import PythonSession

calling = False

def interrupt(*_):
    global calling
    if calling:
        calling = False
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
with PythonSession(sys.argv[1], "loop", True) as session:
    session.wait_until_ready()
    interruptions = calls = 0
    print("ready", flush=True)
    while interruptions < 200:
        try:
            calling = True
            while True:
                calls += 1
                answer = session.fetch_response(f"echo {calls}")
                assert answer == str(calls), (answer, calls)
                print(flush=True)
        except KeyboardInterrupt:
            interruptions += 1
    assert session.fetch_response("echo last") == "last"
print("closed", flush=True)
"""


@posix_signals
def test_ctrl_c_in_a_loop_of_calls_breaks_nothing(
    workspace: Path, transport: str, worker_python: str
) -> None:
    """Two hundred times, each after a few answers, wherever it finds the host."""
    host = subprocess.Popen(
        [sys.executable, "-c", LOOP, str(WORKERS / "echo.py")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert host.stdout is not None
    lines = []
    for line in host.stdout:
        lines.append(line)
        if b"closed" not in line:
            host.send_signal(signal.SIGINT)
    _, errors = host.communicate()
    assert b"closed\n" in lines, errors.decode()
    assert 0 == host.returncode, errors.decode()
