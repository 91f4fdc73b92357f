"""Nothing ends a thread of ours: whatever fails in what it calls becomes an error of the call that needed it, or is tried again.

The Python host in this process; tests/cpp has the same for C++. Contract: docs/reliability.md, Something has run out.
"""

import errno
import threading
from typing import Any, Callable, Dict, List

import pytest
from late import late
from leaks import wait_until

from tech_renaissance import CallCancelled, CancelPatience, LaunchError, OutputLine, RestartPolicy, WorkerLost
from tech_renaissance._host import coroner, launched_worker
from tech_renaissance._host.life import Life
from tech_renaissance._process.output import SinkFlow
from tech_renaissance._process.output_lines import Lines
from tech_renaissance._process.process import Process
from tech_renaissance._transport.file.host import FileHost
from tech_renaissance._transport.shm.host import ShmHost

Maker = Callable[..., Any]

# Failures are injected into this process.
pytestmark = pytest.mark.parametrize("host", ["python"], indirect=True)

_LONG_MS = 60_000
FAILURES = [OSError(errno.ENOSPC, "No space left on device"), MemoryError(), RuntimeError("a defect")]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., List[int]]:
    """Let a function of a module or class fail some times. Returns a list as long as the number of calls."""

    def fail(owner: Any, name: str, error: BaseException, times: int = 1) -> List[int]:
        works = getattr(owner, name)
        calls: List[int] = []

        def fails(*args: Any, **options: Any) -> Any:
            calls.append(1)
            if len(calls) <= times:
                raise error
            return works(*args, **options)

        monkeypatch.setattr(owner, name, fails)
        return calls

    return fail


@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_a_deadline_is_seen_to_whatever_fails(start: Maker, fail: Any, error: Exception) -> None:
    """The stacks cannot be taken, and taking them raises: it is tried again. The next deadline passes, too."""
    session = start("stubborn.py", quiet_mode=True)
    session.fetch_response("echo on")
    calls = fail(launched_worker, "take_stacks", error, times=2)
    for _ in range(2):
        told = late(lambda deadline_ms: session.fetch_response("sleeps", _LONG_MS, deadline_ms=deadline_ms))
        assert "deadline_passed" == told.code
    assert len(calls) >= 3
    assert "on" == session.fetch_response("echo on")


@pytest.mark.above_transports
@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_a_call_is_cancelled_whatever_fails(start: Maker, fail: Any, error: Exception) -> None:
    """The same for one whose future is cancelled."""
    session = start("stubborn.py", quiet_mode=True)
    session.fetch_response("echo on")
    calls = fail(launched_worker, "take_stacks", error, times=2)
    future = session.submit("sleeps")
    assert wait_until(lambda: future.state() == "running")
    future.cancel()
    with pytest.raises(CallCancelled):
        future.result(_LONG_MS)
    assert len(calls) >= 3
    assert "on" == session.fetch_response("echo on")


@pytest.mark.parametrize("error", FAILURES[:2], ids=repr)
def test_a_worker_that_cannot_be_told_is_ended(
    start: Maker, fail: Any, transport: str, error: Exception
) -> None:
    """A step that fails is followed by the next one; who was not told is not interrupted."""
    session = start("stubborn.py", patience=CancelPatience(0, 0, _LONG_MS), quiet_mode=True)
    session.fetch_response("echo on")
    fail(ShmHost if transport == "shm" else FileHost, "ask_to_cancel", error, times=1000)
    fail(Process, "interrupt", error, times=1000)  # for the stacks
    told = late(lambda deadline_ms: session.fetch_response("sleeps", _LONG_MS, deadline_ms=deadline_ms))
    assert ("deadline_passed", "terminate") == (told.code, told.step)
    assert "there are no stacks" in told.stack


@pytest.mark.above_transports
@pytest.mark.parametrize("error", FAILURES, ids=repr)
@pytest.mark.parametrize("name", ["read_worker_info", "last_traceback", "write_post_mortem"])
def test_an_end_is_told_whatever_cannot_be_found_out(
    start: Maker, fail: Any, name: str, error: Exception
) -> None:
    """Its record knows less, and supervision goes on."""
    session = start("crash.py", quiet_mode=True, restart="on-crash", restart_policy=RestartPolicy(1))
    session.fetch_response("echo on", _LONG_MS)
    fail(coroner, name, error)
    with pytest.raises(WorkerLost):
        session.fetch_response("os-exit 3", _LONG_MS)
    assert session.fetch_response("echo on", _LONG_MS)


@pytest.mark.above_transports
@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_a_restart_that_fails_is_told(start: Maker, fail: Any, error: Exception) -> None:
    """To who waits for it; start makes it good."""
    session = start("crash.py", quiet_mode=True, restart="on-crash", restart_policy=RestartPolicy(1))
    session.fetch_response("echo on", _LONG_MS)
    fail(Life, "restart", error)
    with pytest.raises(WorkerLost):
        session.fetch_response("os-exit 3", _LONG_MS)
    with pytest.raises(WorkerLost, match="the worker cannot be restarted: "):
        session.fetch_response("echo on", _LONG_MS)
    assert "lost" == session.state().name
    session.start()
    assert session.fetch_response("echo on", _LONG_MS)


def test_a_session_has_a_worker_at_every_moment_of_a_restart(
    start: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call does not hear that the session was never started."""
    session = start("crash.py", quiet_mode=True, restart="on-crash", restart_policy=RestartPolicy(1))
    session.fetch_response("echo on", _LONG_MS)
    states: List[str] = []
    works = launched_worker.LaunchedWorker.__init__

    def launch(*args: Any, **options: Any) -> None:
        states.append(session.state().name)
        works(*args, **options)

    monkeypatch.setattr(launched_worker.LaunchedWorker, "__init__", launch)
    with pytest.raises(WorkerLost):
        session.fetch_response("os-exit 3", _LONG_MS)
    assert session.fetch_response("echo on", _LONG_MS)
    assert ["restarting"] == states


@pytest.mark.above_transports
@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_output_goes_on_whatever_fails(start: Maker, fail: Any, tmp_path: Any, error: Exception) -> None:
    """Some of it is lost, and the worker is not held up."""
    session = start("echo.py", output=str(tmp_path / "output.txt"))
    session.fetch_response("echo on")
    fail(SinkFlow, "give", error, times=3)
    assert wait_until(lambda: _has_said(session, (tmp_path / "output.txt").read_text))


def _has_said(session: Any, heard: Callable[[], Any]) -> bool:
    session.fetch_response("print again")
    return bool(heard())


@pytest.mark.above_transports
def test_lines_go_on_when_memory_has_run_out(start: Maker, fail: Any) -> None:
    """What was lost is counted."""
    lines: List[OutputLine] = []
    session = start("echo.py", output=lines.append)
    session.fetch_response("echo on")
    fail(Lines, "write", MemoryError())
    assert wait_until(lambda: _has_said(session, lambda: lines))
    session.close()
    assert "dropped" == lines[-1].stream


# ------------------------------------------------------------------------------------------------------------ no threads

THREADS: Dict[str, Dict[str, Any]] = {
    "exit": {},
    "output": {},
    "lines": {"output": lambda line: None},
    "supervisor": {"restart": "on-crash"},
    "deadlines": {},
}


@pytest.mark.parametrize("name", THREADS)
def test_without_a_thread_to_be_had_who_needs_it_hears_so(
    make_session: Maker, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """From start, or from the first call with a deadline. Once there are threads, all goes on."""
    session = make_session("stubborn.py", **{"quiet_mode": True, **THREADS[name]})
    works = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == f"tech_renaissance {name}":
            raise RuntimeError("can't start new thread")
        works(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(LaunchError, match="cannot start a thread") as caught:
            session.start()
            session.fetch_response("echo on", _LONG_MS, deadline_ms=_LONG_MS)
        assert "launch_failed" == caught.value.code
        if name == "deadlines":
            assert "on" == session.fetch_response("echo on")
        else:
            assert "none" == session.state().name
    session.start()
    assert "on" == session.fetch_response("echo on", _LONG_MS, deadline_ms=_LONG_MS)
