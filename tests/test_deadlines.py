"""Deadlines and cancelling: a call ends when it must, at the first step of the ladder that ends it, and its error says which."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, List, Optional

import numpy as np
import pytest
from asyncio_host import asyncio_everywhere, asyncio_too
from gates import Gate
from hosts import WORKERS
from late import begin, late, longer_and_longer
from leaks import wait_until
from processes import is_alive, kill, posix_signals

from tech_renaissance import (
    CallCancelled,
    CancelPatience,
    CommandError,
    PythonSession,
    TimedOut,
    WorkerLost,
)
from tech_renaissance._host.life import Life
from tech_renaissance._system import files
from tech_renaissance._transport.session_directory import SessionDirectory

Maker = Callable[..., Any]

_LONG_MS = 60_000

# Each handler, the patience that lets the step it needs be the last one, and that step.
OBEYING = [
    ("obeys", CancelPatience(notice_ms=_LONG_MS), "notice"),
    ("sleeps", CancelPatience(0, interrupt_ms=_LONG_MS), "interrupt"),
]
DYING = [
    ("swallows", CancelPatience(0, 0, terminate_ms=_LONG_MS), "terminate"),
    ("deaf", CancelPatience(0, 0, 0), "kill"),
    ("native", CancelPatience(0, 0, 0), "kill"),
]


@pytest.mark.interpreters
def test_a_call_that_takes_notice_leaves_the_worker_alive(start: Maker) -> None:
    """It need not be interrupted."""
    session = start("stubborn.py", patience=CancelPatience(notice_ms=_LONG_MS), quiet_mode=True)
    _ends_alone(session, "obeys", "notice", lambda error: error.step != "queue")


@pytest.mark.interpreters
def test_a_call_that_obeys_leaves_the_worker_alive(start: Maker) -> None:
    """Also in a sleep, and between bytecodes."""
    session = start("stubborn.py", patience=CancelPatience(0, interrupt_ms=_LONG_MS), quiet_mode=True)
    for command in ("sleeps", "loops", "cleans-up"):
        _ends_alone(session, command, "interrupt", lambda error: "in main_logic" in error.stack)


def _ends_alone(session: Any, command: str, step: str, has_begun: Callable[[TimedOut], bool]) -> None:
    pid = session.fetch_response("pid")
    error = late(lambda deadline_ms: session.fetch_response(command, deadline_ms=deadline_ms), has_begun)
    assert ("deadline_passed", step, None) == (error.code, error.step, error.post_mortem)
    assert f"'{command}' passed its deadline" in str(error)
    assert pid == session.fetch_response("pid")


@pytest.mark.above_transports
@pytest.mark.parametrize(("command", "patience", "step"), DYING)
def test_a_call_that_does_not_obey_ends_with_its_worker(
    start: Maker, gate: Gate, command: str, patience: CancelPatience, step: str
) -> None:
    """And the error has the post-mortem; the others' calls are lost with it."""
    session = start("stubborn.py", patience=patience, quiet_mode=True)
    pids: List[int] = []

    def call(deadline_ms: int) -> None:
        if pids:
            session.terminate()
            session.start()
        pids.append(int(session.fetch_response("pid")))
        session.send_request(f"{command} {gate.path}", deadline_ms=deadline_ms)
        session.send_request("echo behind")
        session.wait_for_response(_LONG_MS)

    error = late(call, lambda _: gate.has_arrival())
    assert "deadline_passed" == error.code
    assert error.step in ((step,) if os.name == "posix" else ("terminate", "kill"))  # Windows kills in both
    assert error.post_mortem is not None
    assert f"{command} {gate.path}" == error.post_mortem.message
    assert "passed its deadline" in error.post_mortem.ended_by_host
    with pytest.raises(WorkerLost, match="passed its deadline"):
        session.wait_for_response()
    assert not is_alive(pids[-1])
    session.start()
    assert "again" == session.fetch_response("echo again")


@posix_signals
def test_a_stopped_worker_is_killed(start: Maker, gate: Gate) -> None:
    """Nothing else reaches it; the stacks say why there are none."""
    session = start("stubborn.py", patience=CancelPatience(0, 0, 0), quiet_mode=True)
    os.kill(int(session.fetch_response("pid")), signal.SIGSTOP)
    error = late(lambda deadline_ms: session.fetch_response("echo", deadline_ms=deadline_ms))
    assert error.step in ("terminate", "kill")  # SIGTERM is followed by SIGCONT
    assert "it is stopped" in error.stack


@pytest.mark.above_transports
@pytest.mark.parametrize(("command", "patience", "step"), [*OBEYING, *DYING[:2]])
def test_cancel_takes_the_same_steps(
    start: Maker, gate: Gate, command: str, patience: CancelPatience, step: str
) -> None:
    """From another thread; it says which one was needed."""
    session = start("stubborn.py", patience=patience, quiet_mode=True)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(session.fetch_response, f"{command} {gate.path}", _LONG_MS)
        gate.wait_for_arrival()
        assert step == session.cancel()
        with pytest.raises(CallCancelled, match=f"'{command}' was cancelled") as caught:
            call.result()
    assert ("cancelled", step) == (caught.value.code, caught.value.step)
    assert (step in ("terminate", "kill")) == (caught.value.post_mortem is not None)
    session.start()
    assert "again" == session.fetch_response("echo again")


def test_the_stacks_of_a_cancelled_call_show_where_its_handler_was(start: Maker, gate: Gate) -> None:
    """Not how it reacted, though it looks every few milliseconds."""
    session = start("stubborn.py", patience=CancelPatience(notice_ms=_LONG_MS))
    future = session.submit("obeys", gate.path)
    gate.wait_for_arrival()
    future.cancel()
    with pytest.raises(CallCancelled) as caught:
        future.result(_LONG_MS)
    assert "notice" == caught.value.step
    assert "in obeys" in caught.value.stack


@posix_signals
@asyncio_too
@pytest.mark.parametrize("end", ["deadline", "cancel"])
def test_a_call_that_is_answered_while_its_stacks_are_taken_is_over_at_once(
    start: Maker, gate: Gate, end: str
) -> None:
    """Its error has none. A slow machine may need some attempts: the host does not wait long for stacks that do not come."""
    session = start("stubborn.py", patience=CancelPatience(notice_ms=_LONG_MS))
    assert session.wait_until_ready(_LONG_MS)

    def attempt(deadline_ms: Optional[int]) -> Any:
        call = threads.submit(
            session.fetch_response, f"answers-the-question {gate.path}", _LONG_MS, deadline_ms=deadline_ms
        )
        if deadline_ms is None:
            gate.wait_for_arrival()
            session.cancel()
        return call.exception()

    with ThreadPoolExecutor(1) as threads:
        for deadline_ms in (100, 200, 400, 800, 1600):
            error = attempt(deadline_ms if end == "deadline" else None)
            if (error.step, error.stack) == ("notice", ""):
                break
    assert ("notice", "") == (error.step, error.stack)


@asyncio_too
@pytest.mark.parametrize("restart", ["never", "on-crash"])
def test_cancel_ends_a_call_that_waits_for_its_worker(start: Maker, gate: Gate, restart: str) -> None:
    """At once; the worker never hears of it."""
    session = start("slow_start.py", environment={"GATE": gate.path}, restart=restart)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(session.fetch_response, "echo never", _LONG_MS)
        wait_until(lambda: session.cancel() == "queue")
        with pytest.raises(CallCancelled) as caught:
            call.result()
    assert "queue" == caught.value.step
    assert "" == session.cancel()
    gate.open()
    assert "on" == session.fetch_response("echo on")


@pytest.mark.above_transports
def test_cancelling_nothing_is_nothing(make_session: Maker) -> None:
    """Before the start, when idle, and after the end."""
    session = make_session("stubborn.py")
    assert "" == session.cancel()
    session.start()
    assert "on" == session.fetch_response("echo on")
    assert "" == session.cancel()
    assert "on" == session.fetch_response("echo on")
    session.terminate()
    assert "" == session.cancel()


def test_only_the_call_in_work_is_cancelled(start: Maker, gate: Gate) -> None:
    """Those that wait in line get their answers."""
    session = start("stubborn.py", patience=CancelPatience(0, interrupt_ms=_LONG_MS))
    session.send_request(f"sleeps {gate.path}")
    session.send_request("echo behind")
    gate.wait_for_arrival()
    assert "interrupt" == session.cancel()
    with pytest.raises(CallCancelled):
        session.wait_for_response()
    assert "behind" == session.wait_for_response()


def test_a_call_in_line_ends_at_its_deadline(start: Maker, gate: Gate) -> None:
    """It is not begun, and the one in front goes on."""
    session = start("stubborn.py")
    session.send_request(f"wait {gate.path} first")
    gate.wait_for_arrival()
    with pytest.raises(TimedOut, match="it had not begun") as caught:
        session.fetch_response("print never", deadline_ms=50)
    assert ("deadline_passed", "queue") == (caught.value.code, caught.value.step)
    gate.open()
    assert "first" == session.wait_for_response()
    assert "on" == session.fetch_response("echo on")


@asyncio_everywhere
def test_a_deadline_holds_before_the_call_is_sent(start: Maker, gate: Gate) -> None:
    """While the worker starts, and while there is no room."""
    session = start("slow_start.py", environment={"GATE": gate.path})
    gate.wait_for_arrival()
    with pytest.raises(TimedOut) as caught:
        session.fetch_response("echo", deadline_ms=50)
    assert ("deadline_passed", "queue") == (caught.value.code, caught.value.step)
    assert "starting" == session.state().name
    gate.open()
    session.send_request(f"wait {gate.path} first")
    gate.wait_for_arrival()
    codes = []
    for number in range(3):
        with pytest.raises(TimedOut) as caught:
            session.fetch_response(f"echo {number}", deadline_ms=50)
        codes.append((caught.value.code, caught.value.step))
    assert [("deadline_passed", "queue")] * 3 == codes
    gate.open()
    assert "first" == session.wait_for_response()


def test_a_deadline_holds_though_nobody_waits(start: Maker, gate: Gate) -> None:
    """A shorter timeout lets go of the call, not of its deadline."""
    session = start("stubborn.py", patience=CancelPatience(0, interrupt_ms=_LONG_MS))
    assert session.wait_until_ready(_LONG_MS)
    for deadline_ms in longer_and_longer(300):
        with pytest.raises(TimedOut) as caught:
            session.fetch_response(f"sleeps {gate.path}", 50, deadline_ms=deadline_ms)
        if "timed_out" == caught.value.code:
            break
    assert "" == caught.value.step
    assert "on" == session.fetch_response("echo on", _LONG_MS)


def test_an_interrupt_leaves_no_tensor_half_made(start: Maker, gate: Gate) -> None:
    """However often it comes while the worker takes and makes tensors."""
    session = start("stubborn.py", patience=CancelPatience(0, interrupt_ms=_LONG_MS))
    session.send_tensor(np.arange(1000, dtype=np.float32), "t")
    for _ in range(30):
        session.send_request(f"allocates {gate.path}")
        gate.wait_for_arrival()
        assert session.cancel()
        with pytest.raises(CallCancelled):
            session.wait_for_response()
        assert np.array_equal(np.arange(1000), session.fetch_tensor("twice-tensor t") / 2)


def test_a_handler_sees_its_deadline(start: Maker) -> None:
    """As seconds that remain."""
    session = start("stubborn.py")
    remaining, cancelled = session.fetch_response("remaining", deadline_ms=_LONG_MS).split()
    assert 0 < float(remaining) <= 60
    assert "False" == cancelled
    assert "None False" == session.fetch_response("remaining")


@asyncio_too
def test_an_answer_in_time_is_an_answer(start: Maker) -> None:
    """Many, so that deadlines are forgotten in time, too."""
    session = start("stubborn.py")
    for number in range(100):
        assert str(number) == session.fetch_response(f"echo {number}", deadline_ms=_LONG_MS)
    assert ("ready", "") == session.state()[:2]


def test_a_handler_that_cancels_itself_has_failed(start: Maker) -> None:
    """Nobody had asked for it."""
    session = start("stubborn.py")
    with pytest.raises(CommandError) as caught:
        session.fetch_response("raises-cancelled")
    assert ("cancelled", "tech_renaissance.Cancelled") == (caught.value.code, caught.value.remote_type)
    assert "on" == session.fetch_response("echo on")


@pytest.mark.parametrize("host", ["python"])
def test_a_request_that_was_given_up_in_line_is_not_begun(start: Maker, gate: Gate) -> None:
    """Whichever of those that wait; the others are served."""
    session = start("echo.py", quiet_mode=True)
    session.send_request(f"wait {gate.path} first")
    gate.wait_for_arrival()
    session.send_request("echo second")
    session._life.worker.transport.ask_to_cancel(2)
    gate.open()
    assert "first" == session.wait_for_response()
    with pytest.raises(CommandError) as caught:
        session.wait_for_response()
    assert ("cancelled", "") == (caught.value.code, caught.value.remote_type)
    assert "third" == session.fetch_response("echo third")


def test_the_state_is_the_truth(start: Maker, gate: Gate) -> None:
    """Which call, since when; hung once its deadline has passed."""
    session = start("stubborn.py", patience=CancelPatience(notice_ms=_LONG_MS), quiet_mode=True)
    assert session.wait_until_ready(60_000)
    assert ("ready", "", 0.0) == tuple(session.state())
    begin(session, f"sleeps {gate.path}", gate)
    assert f"sleeps {gate.path}" == session.state().message
    assert wait_until(lambda: session.state().name == "hung")
    busy_s = session.state().busy_s
    assert 0 < busy_s < session.state().busy_s
    session.terminate()
    assert "exited" == session.state().name


def test_states_at_the_ends(make_session: Maker, gate: Gate) -> None:
    """Before, at the start, and after."""
    session = make_session("slow_start.py", environment={"GATE": gate.path})
    assert "none" == session.state().name
    session.start()
    gate.wait_for_arrival()
    assert "starting" == session.state().name
    gate.open()
    assert session.wait_until_ready(60_000)
    kill(int(session.fetch_response("pid")))
    assert session.join()
    assert "lost" == session.state().name


def test_nobody_writes_into_a_directory_that_is_being_removed(
    workspace: Any, worker_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that gives a call up may still be about it when the session is closed: it is waited for."""
    write, end, remove = files.write, Life.end, SessionDirectory.remove
    has_ended = threading.Event()
    writing = 0
    seen: List[int] = []

    def write_late(path: str, data: Any) -> None:
        nonlocal writing
        if path.endswith("cancel.txt"):
            writing += 1
            has_ended.wait()
        write(path, data)
        writing -= path.endswith("cancel.txt")

    def end_and_say_so(life: Life) -> None:
        end(life)
        has_ended.set()

    def look_and_remove(directory: SessionDirectory) -> None:
        seen.append(writing)
        has_ended.set()
        remove(directory)

    monkeypatch.setattr(files, "write", write_late)
    monkeypatch.setattr(Life, "end", end_and_say_so)
    monkeypatch.setattr(SessionDirectory, "remove", look_and_remove)
    with PythonSession(
        str(WORKERS / "stubborn.py"), "test", True, python=worker_python, transport="file"
    ) as session:
        assert session.fetch_response("pid", _LONG_MS)
        while not wait_until(lambda: bool(writing), 1):  # else the handler has looked at the time first
            late(lambda deadline_ms: session.fetch_response("obeys", deadline_ms=deadline_ms))
    assert [0] == seen


@posix_signals
def test_an_interrupt_that_comes_with_a_question_for_the_stacks_is_heard(tmp_path: Path) -> None:
    """Both are the same signal, so the two may arrive as one."""
    from tech_renaissance._process.interrupt_posix import interruptible

    heard: List[bool] = []
    with interruptible(str(tmp_path), lambda: heard.append(True), lambda: True):
        with (tmp_path / "stack.txt").open("r+b") as stacks:
            stacks.write(b"?")
        signal.raise_signal(signal.SIGURG)
        assert b"MainThread" in (tmp_path / "stack.txt").read_bytes()
    assert [True] == heard
