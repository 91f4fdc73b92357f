"""What a callback that gets the output may be, slow, stuck, raising, calling its session, and what that costs the others."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from gates import Gate
from hosts import WORKERS, Driver
from leaks import wait_until

from tech_renaissance import (
    CallCancelled,
    OutputLine,
    SessionClosed,
    TechRenaissanceError,
    TimedOut,
    WorkerLost,
)

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]
MakeDriver = Callable[[], Driver]

# What a host keeps for a callback, and what an answer may bring beyond that.
MOST_KEPT = 2 << 20


class Seen:
    """The lines that came."""

    def __init__(self) -> None:
        self.lines: List[OutputLine] = []

    def wait_for(self, text: str) -> OutputLine:
        """The line with this text."""
        assert wait_until(lambda: any(line.text == text for line in self.lines)), f"no line {text!r}"
        return next(line for line in self.lines if line.text == text)

    def has_all_until(self, text: str) -> Callable[[], bool]:
        """Whether that has come, or how much was dropped."""
        return lambda: any(line.text == text or line.stream == "dropped" for line in self.lines)

    def given(self) -> List[OutputLine]:
        """All that are output."""
        return [line for line in self.lines if line.stream != "dropped"]

    def given_nbytes(self) -> int:
        """Of the whole lines of the worker's ``lines``."""
        return sum(60 for line in self.given() if len(line.text) == 59) + sum(
            len(line.text) for line in self.given() if len(line.text) != 59
        )

    def dropped_nbytes(self) -> int:
        """As the lines say that tell of it."""
        return sum(int(line.text.split()[0]) for line in self.lines if line.stream == "dropped")


@pytest.fixture
def seen() -> Seen:
    """What a callback has been given."""
    return Seen()


@pytest.fixture
def talk(make_driver: MakeDriver, seen: Seen) -> Maker:
    """Starts a session whose callback reports to ``seen``, and does what it is told besides (tests/cpp/driver.cpp)."""

    def start(**callback: Any) -> Any:
        session = make_driver().session(
            str(WORKERS / "talker.py"), "test", output=seen.lines.append, callback=callback
        )
        session.start()
        return session

    return start


def test_a_callback_that_is_stuck_costs_bounded_memory_and_no_call(
    talk: Maker, seen: Seen, gate: Gate
) -> None:
    """Calls are answered, whatever they write; what the callback missed is counted, and the rest is right: each line in its call."""
    session = talk(gate=gate.path)
    session.fetch_response("lines A 1")
    gate.wait_for_arrival()
    counts = {"B": 200_000, "C": 1}
    counts.update(dict.fromkeys("DEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn", 1000))
    for letter, count in counts.items():
        session.fetch_response(f"lines {letter} {count}", 60_000)
    gate.open()
    assert wait_until(lambda: any(line.stream == "dropped" for line in seen.lines))
    session.fetch_response("print the end")
    seen.wait_for("the end")
    session.close()
    written = {letter * 59 for letter in "A" + "".join(counts)}
    lines = [line for line in seen.given() if line.message.startswith("lines ")]
    for line in lines:
        assert any(line.text in whole for whole in written), line
        assert not line.text or line.text[0] == line.message.split()[1], line
    assert sum(len(line.text) + 1 for line in lines) <= MOST_KEPT
    total = 60 * (1 + sum(counts.values()))
    told = seen.dropped_nbytes() + sum(len(line.text) + 1 for line in lines)
    assert total <= told <= total + 2 * len(lines)  # of a line that was cut, both parts count a line break
    assert "the end" in [line.text for line in seen.lines if line.message == "print the end"]


def test_a_wait_that_a_stuck_callback_makes_long_says_so(
    talk: Maker, seen: Seen, gate: Gate, tmp_path: Path
) -> None:
    """The worker is held up by the host's own program; once that goes on, so does the worker."""
    session = talk(gate=gate.path)
    session.fetch_response("lines A 1")
    gate.wait_for_arrival()
    session.fetch_response("lines B 17600", 60_000)  # a little more than is kept
    with contextlib.closing(Gate(tmp_path / "second")) as second:
        with pytest.raises(TimedOut, match="the output callback has not taken what the worker has written"):
            session.fetch_response(f"print-and-wait words {second.path}", 1)
        gate.open()
        second.open()
        assert "ok" == session.fetch_response("print the end", 60_000)


def test_a_death_is_told_at_once_though_a_callback_is_stuck(talk: Maker, seen: Seen, gate: Gate) -> None:
    """With the last words, which the callback has not seen."""
    session = talk(gate=gate.path)
    session.fetch_response("lines A 1")
    gate.wait_for_arrival()
    with pytest.raises(WorkerLost) as caught:
        session.fetch_response("print-and-die last words")
    assert "last words" in caught.value.output_tail
    assert 3 == caught.value.exit_status
    assert "last words" not in [line.text for line in seen.lines]
    gate.open()
    assert "print-and-die last words" == seen.wait_for("last words").message


def test_a_callback_that_does_not_return_holds_up_no_end(
    make_driver: MakeDriver, seen: Seen, gate: Gate
) -> None:
    """It is given up, and when it returns after all it is called no more."""
    driver = make_driver()
    session = driver.session(
        str(WORKERS / "talker.py"), "test", output=seen.lines.append, callback={"gate": gate.path}
    )
    session.start()
    session.fetch_response("lines A 10")
    gate.wait_for_arrival()
    session.close()
    gate.open()
    driver.close()
    assert ["A" * 59] == [line.text for line in seen.lines]


def test_closing_gives_a_slow_callback_a_second_and_counts_the_rest(talk: Maker, seen: Seen) -> None:
    """It is told so by its last line."""
    session = talk(pause_us=1000)
    session.fetch_response("lines A 20000", 60_000)
    session.close()
    assert "dropped" == seen.lines[-1].stream
    assert 60 * 20_000 == seen.given_nbytes() + seen.dropped_nbytes()


@pytest.mark.skipif(sys.platform == "win32", reason="wine makes callbacks more than a little slow")
def test_a_callback_that_is_a_little_slow_misses_nothing(talk: Maker, seen: Seen) -> None:
    """Its worker is held up instead: by a full pipe, and before its next request."""
    session = talk()
    for letter in "ABC":  # a little more than is kept
        session.fetch_response(f"lines {letter} 19000", 60_000)
    for letter in "FGH":
        for _ in range(10):
            session.fetch_response(f"lines {letter} 500", 60_000)
    session.close()
    assert 60 * (3 * 19_000 + 3 * 10 * 500) == seen.given_nbytes()
    assert 0 == seen.dropped_nbytes()


def _request(op: str, **arguments: Any) -> str:
    return "call " + json.dumps({"op": op, **arguments})


@pytest.mark.parametrize(
    ("request_", "result"),
    [
        ({"op": "fetch_response", "message": "echo inside"}, "inside"),
        ({"op": "fetch_response", "message": "lines A 40000"}, "ok"),
        ({"op": "is_alive"}, "true"),
        ({"op": "join", "timeout_ms": 0}, "false"),
    ],
    ids=["a call", "a call that floods", "a question", "a wait"],
)
def test_a_callback_may_use_its_session(
    talk: Maker, seen: Seen, request_: Dict[str, Any], result: str
) -> None:
    """While others do; also if what it asks for writes more than is kept for it."""
    session = talk(calls=True)
    session.fetch_response("print " + _request(**request_))
    assert wait_until(lambda: any(line.stream == "called" for line in seen.lines))
    assert [result] == [line.text.lower() for line in seen.lines if line.stream == "called"]
    assert "on" == session.fetch_response("echo on")
    session.close()


def test_a_callback_may_cancel_the_call_that_it_hears_of(talk: Maker, seen: Seen, gate: Gate) -> None:
    """Who waits for it gets CallCancelled."""
    session = talk(calls=True)
    with pytest.raises(CallCancelled):
        session.fetch_response(f"print-and-wait {_request('cancel')} {gate.path}", 60_000)
    assert wait_until(lambda: any(line.stream == "called" for line in seen.lines))
    assert ["interrupt"] == [line.text for line in seen.lines if line.stream == "called"]
    assert "on" == session.fetch_response("echo on")


def test_a_callback_may_terminate_its_worker(talk: Maker, seen: Seen, gate: Gate) -> None:
    """Who waits for a call hears of that."""
    session = talk(calls=True)
    with pytest.raises(TechRenaissanceError):
        session.fetch_response(f"print-and-wait {_request('terminate')} {gate.path}", 60_000)
    assert wait_until(lambda: any(line.stream == "called" for line in seen.lines))
    session.start()
    assert "on" == session.fetch_response("echo on")


def test_a_callback_may_close_its_session(
    make_driver: MakeDriver, seen: Seen, gate: Gate, workspace: Path
) -> None:
    """In C++: destroy it. Nothing is left, and it is called no more."""
    driver = make_driver()
    session = driver.session(
        str(WORKERS / "talker.py"), "test", output=seen.lines.append, callback={"calls": True}
    )
    session.start()
    session.fetch_response(f"later {gate.path} {_request('close')}")
    gate.open()
    assert wait_until(lambda: any(line.stream == "called" for line in seen.lines))
    with pytest.raises(SessionClosed):
        session.fetch_response("echo on")
    assert [] == list((workspace / "python_session").iterdir())
    driver.close()
    assert "called" == seen.lines[-1].stream


@pytest.mark.parametrize("host", ["python"])  # for C++, a unit test: the driver's callback is not the test's
@pytest.mark.parametrize(
    "error",
    [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, BaseException],
    ids=lambda e: e.__name__,
)
def test_a_callback_that_raises_is_called_again(
    start: Maker, host: str, error: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever it raises is printed, and disturbs nobody."""
    del host
    seen: List[str] = []

    def fail(line: OutputLine) -> None:
        seen.append(line.text)
        raise error(line.text)

    session = start("talker.py", output=fail)
    session.fetch_response("print one")
    session.fetch_response("print two")
    session.close()
    assert {"one", "two"} <= set(seen)
    assert f"{error.__name__}: two" in capfd.readouterr().err


@pytest.mark.parametrize("host", ["python"])
def test_a_callback_that_cannot_even_complain_is_called_again(
    start: Maker, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host without a stderr has nowhere to print to."""
    del host
    seen: List[str] = []
    monkeypatch.setattr(sys, "stderr", None)

    def fail(line: OutputLine) -> None:
        seen.append(line.text)
        raise ValueError(line.text)

    session = start("talker.py", output=fail)
    session.fetch_response("print one")
    session.fetch_response("print two")
    session.close()
    assert {"one", "two"} <= set(seen)


@pytest.mark.parametrize("host", ["python"])  # for C++: tests/cpp/guest_owners.cpp
def test_a_callback_may_use_its_session_while_that_ends(start: Maker, host: str) -> None:
    """It is told that the session has ended, and gets all lines."""
    del host
    codes: List[str] = []
    given: List[str] = []

    def code_of(use: Callable[[], Any]) -> str:
        try:
            use()
        except TechRenaissanceError as error:
            return getattr(error, "code", "")
        return ""

    def use_session(line: OutputLine) -> None:
        given.append(line.text)
        while len(given) == 1 and code_of(lambda: session.fetch_response("echo on")) != "session_closed":
            pass
        while session.is_alive():
            pass
        codes.append(code_of(session.start))
        codes.append(code_of(lambda: session.empty((1,))))
        codes.append(code_of(lambda: session.submit("ping").result()))
        session.terminate()
        assert not session.is_ready()

    session = start("talker.py", output=use_session)
    session.fetch_response("lines A 100")
    session.close()
    assert ["A" * 59] * 100 == given
    assert ["session_closed"] * 300 == codes


_USES = [
    {"op": "start"},
    {"op": "terminate"},
    {"op": "set_quiet_mode", "quiet": True},
    {"op": "drop_tensor", "tag": "tag"},
]


@pytest.mark.parametrize("use", _USES, ids=lambda use: use["op"])
def test_a_start_waits_for_no_callback_which_may_use_the_session(
    talk: Maker, seen: Seen, gate: Gate, use: Dict[str, Any]
) -> None:
    """It gets the rest of the last worker's lines, or is told how much of them was dropped."""
    session = talk(gate=gate.path, calls=True)
    session.fetch_response("lines A 1")
    gate.wait_for_arrival()
    with pytest.raises(WorkerLost):
        session.fetch_response(f"print-and-die {_request(**use)}\nlast words")
    session.start()
    assert ["A" * 59] == [line.text for line in seen.lines]
    gate.open(2)  # in C++, the callback of each worker has its own first line
    assert wait_until(seen.has_all_until("last words"))


def test_a_callback_may_make_a_call_that_waits_for_the_next_worker(
    make_driver: MakeDriver, seen: Seen, gate: Gate
) -> None:
    """The restart does not wait for it."""
    driver = make_driver()
    session = driver.session(
        str(WORKERS / "talker.py"),
        "test",
        output=seen.lines.append,
        callback={"gate": gate.path, "calls": True},
        restart="on-crash",
    )
    session.start()
    session.fetch_response("lines A 1")
    gate.wait_for_arrival()
    with pytest.raises(WorkerLost):
        session.fetch_response(
            f"print-and-die {_request(op='fetch_response', message='echo inside')}\nlast words"
        )
    gate.open(2)
    assert wait_until(seen.has_all_until("last words"))
    assert {"inside"} >= {line.text for line in seen.lines if line.stream == "called"}


def test_what_an_abandoned_callback_misses_is_told_before_the_next_lines(
    talk: Maker, seen: Seen, gate: Gate
) -> None:
    """As output that was dropped."""
    session = talk(gate=gate.path)
    session.fetch_response("lines A 10")
    gate.wait_for_arrival()
    with pytest.raises(WorkerLost):
        session.fetch_response("print-and-die last words")
    session.start()
    assert wait_until(lambda: seen.lines[-1].stream == "dropped")
    assert ["A" * 59] == [line.text for line in seen.given()]
    assert 9 * 60 + len("last words\n") == seen.dropped_nbytes()
    gate.open(2)
    session.fetch_response("print first words")
    seen.wait_for("first words")
    assert 1 == len([line for line in seen.lines if line.text == "A" * 59])


def test_the_lines_of_a_worker_come_before_those_of_the_next(talk: Maker, seen: Seen) -> None:
    """However slow the callback is: it is called for one worker at a time."""
    session = talk(pause_us=1000)
    session.fetch_response("lines A 200")
    with pytest.raises(WorkerLost):
        session.fetch_response("print-and-die last words")
    session.start()
    session.fetch_response("print first words")
    seen.wait_for("first words")
    texts = [line.text for line in seen.given()]
    assert ["A" * 59] * 200 == texts[:200]
    assert texts.index("last words") < texts.index("first words")
