"""Workers that are ended, or leave, while others are at them."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from gates import Gate
from hosts import WORKERS
from interrupt import interrupted
from processes import children

from tech_renaissance import PythonSession, WorkerLost

# A file that was opened, and not yet in use, is closed by the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)

Maker = Callable[..., Any]


def _leaving(start: Maker, gate: Gate) -> Any:
    """A session whose worker has said that it leaves, and lives until the gate is opened."""
    session = start("slow_exit.py", environment={"GATE": gate.path})
    with pytest.raises(Exception, match="SystemExit"):
        session.fetch_response("leave")
    gate.wait_for_arrival()
    assert "exiting" == session.state().name
    return session


def test_a_worker_that_takes_long_to_end_holds_up_no_question(start: Maker, gate: Gate) -> None:
    """One call waits for the end, to tell how it was; nobody waits for that call."""
    session = _leaving(start, gate)
    with ThreadPoolExecutor(1) as threads:
        patient = threads.submit(session.fetch_response, "echo", 60_000)
        for _ in range(200):
            assert "exiting" == session.state().name
        assert not patient.done()
        gate.open()
        error = patient.exception()
    assert isinstance(error, WorkerLost)
    assert 0 == error.exit_status


def test_a_worker_that_takes_long_to_end_holds_up_no_call_beyond_its_timeout(
    start: Maker, gate: Gate
) -> None:
    """A patient call does not make others wait."""
    session = _leaving(start, gate)
    with ThreadPoolExecutor(1) as threads:
        patient = threads.submit(session.fetch_response, "echo", 60_000)
        for _ in range(3):
            with pytest.raises(WorkerLost, match="still runs"):
                session.fetch_response("echo", 100)
        assert not patient.done()
        gate.open()
        assert isinstance(patient.exception(), WorkerLost)


@pytest.fixture
def make_local(workspace: Path, transport: str, worker_python: str, gate: Gate) -> Maker:
    """Starts sessions of this process."""

    def make(script: str = "echo.py") -> PythonSession:
        session = PythonSession(WORKERS / script, "ended", True, environment={"GATE": gate.path})
        session.start(30_000)
        return session

    return make


def test_a_call_in_work_hears_that_its_session_was_closed(make_local: Maker, gate: Gate) -> None:
    """As with ``terminate``."""
    session = make_local()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(session.fetch_response, f"wait {gate.path}", 60_000)
        gate.wait_for_arrival()
        session.close()
        assert "session_closed" == getattr(call.exception(), "code", "none")


def test_two_threads_that_close_a_session_both_return_when_it_is_closed(make_local: Maker) -> None:
    """Its worker does not hurry."""
    session = make_local("slow_exit.py")

    def close() -> bool:
        session.close()
        return os.path.exists(session.session_dir)

    with ThreadPoolExecutor(2) as threads:
        assert [False, False] == list(threads.map(lambda _: close(), range(2)))


@pytest.mark.parametrize("end", ["close", "terminate"])
def test_an_end_that_was_interrupted_can_be_repeated(make_local: Maker, end: str) -> None:
    """At some moments of many: a worker has to be started for each."""
    for moment in range(0, 1000, 29):
        session = make_local()
        was_interrupted = interrupted(getattr(session, end), moment)
        getattr(session, end)()
        if end == "terminate":
            session.start()
            assert "again" == session.fetch_response("echo again")
            session.close()
        assert not os.path.exists(session.session_dir)
        if not was_interrupted:
            break


@pytest.mark.parametrize("restart", ["never", "on-crash"])
def test_a_start_that_was_interrupted_goes_on(
    workspace: Path, transport: str, worker_python: str, restart: str
) -> None:
    """There is one worker, and it is the session's; a start after that finds it."""
    for moment in range(0, 1000, 7 if os.name == "posix" else 29):  # starts take long under wine
        session = PythonSession(WORKERS / "echo.py", "started", True, restart=restart)
        was_interrupted = interrupted(session.start, moment)
        session.start()
        pid = session.fetch_response("pid")
        assert [int(pid)] == children(os.getpid())
        session.close()
        assert not os.path.exists(session.session_dir)
        if not was_interrupted:
            break


def test_calls_of_a_supervised_session_may_be_interrupted(
    workspace: Path, transport: str, worker_python: str
) -> None:
    """With a deadline, so that every thread of ours is there."""
    with PythonSession(WORKERS / "echo.py", "supervised", True, restart="on-crash") as session:
        pid = session.fetch_response("pid", deadline_ms=60_000)
        for moment in itertools.count():
            was_interrupted = interrupted(
                lambda: session.fetch_response("echo on", deadline_ms=60_000), moment
            )
            assert f"{moment}" == session.fetch_response(f"echo {moment}", deadline_ms=60_000)
            if not was_interrupted:
                break
        assert pid == session.fetch_response("pid")
