"""Values that make no sense are refused where they are given, and durations of any length work. Contract: spec/life.md, Durations."""

import math
import os
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from hosts import WORKERS

from tech_renaissance import CancelPatience, LocalProtocolError, PythonSession, RestartPolicy, TimedOut

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]

_LONG_MS = 60_000
_MOST = (1 << 63) - 1
_LEAST = -(1 << 63)


def test_options_may_last_for_ever(make_session: Maker) -> None:
    """Nothing overflows: not the clock, not a wait, not a sum of them."""
    session = make_session(
        "stubborn.py",
        quiet_mode=True,
        launch_timeout_ms=_MOST,
        patience=CancelPatience(_MOST, _MOST, _MOST),
        restart="on-crash",
        restart_policy=RestartPolicy(_MOST, _MOST, (1 << 31) - 1, 1e15),
    )
    session.start()
    assert "on" == session.fetch_response("echo on")
    session.send_request("echo later", deadline_ms=_LONG_MS)
    assert "later" == session.wait_for_response()


@pytest.mark.parametrize("supervised", [False, True])
def test_a_call_may_last_for_ever(start: Maker, supervised: bool) -> None:
    """Its timeout, its deadline, and both; a negative one has passed."""
    session = start("stubborn.py", quiet_mode=True, restart="on-crash" if supervised else "never")
    assert "1" == session.fetch_response("echo 1", _MOST)
    assert "2" == session.fetch_response("echo 2", deadline_ms=_MOST)
    assert "3" == session.fetch_response("echo 3", _MOST, deadline_ms=_MOST)
    for value in (-1, _LEAST):
        with pytest.raises(TimedOut, match="within 0 s") as caught:
            session.fetch_response("sleeps", value)
        assert "timed_out" == caught.value.code
        with pytest.raises(TimedOut) as caught:
            session.fetch_response("sleeps", _LONG_MS, deadline_ms=value)
        assert ("deadline_passed", "queue") == (caught.value.code, caught.value.step)
        assert session.cancel()
        assert "4" == session.fetch_response("echo 4", _LONG_MS)


NEGATIVE: Dict[str, Any] = {
    "launch_timeout": {"launch_timeout_ms": -1},
    "patience.notice": {"patience": CancelPatience(-1, 0, 0)},
    "patience.interrupt": {"patience": CancelPatience(0, -1, 0)},
    "patience.terminate": {"patience": CancelPatience(0, 0, _LEAST)},
    "restart_policy.first_backoff": {"restart_policy": RestartPolicy(first_backoff_ms=-1)},
    "restart_policy.max_backoff": {"restart_policy": RestartPolicy(max_backoff_ms=-1)},
    "restart_policy.limit": {"restart_policy": RestartPolicy(limit=-1)},
    "restart_policy.window": {"restart_policy": RestartPolicy(window_s=-1)},
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_a_negative_option_is_refused(make_session: Maker, name: str) -> None:
    """When it is given, before anything is made; the message names it."""
    with pytest.raises(LocalProtocolError, match=f"{name}.* is a number .*not -") as caught:
        make_session(**NEGATIVE[name])
    assert "bad_option" == caught.value.code


@pytest.mark.parametrize("variable", [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0y")])
def test_a_variable_that_no_process_can_have_is_refused(make_session: Maker, variable: Any) -> None:
    """When it is given."""
    with pytest.raises(LocalProtocolError, match=r"environment: .* cannot be a variable") as caught:
        make_session(environment=dict([variable]))
    assert "bad_option" == caught.value.code


@pytest.mark.parametrize(
    "schedule", ["1:1000000000", "1000000000:1000000000", "0:1", "2:1", "-1:1", "1.5:2", "1"]
)
def test_a_schedule_that_is_none_is_refused(make_session: Maker, schedule: str) -> None:
    """Numbers of up to nine digits, the first not larger than the second."""
    with pytest.raises(LocalProtocolError, match="first:max"):
        make_session(poll_ms=schedule)


# ---------------------------------------------------------------------------------------- what only Python can be given


def test_paths_are_texts_or_path_objects(tmp_path: Path) -> None:
    """For the interpreter, too."""
    options: Dict[str, Any] = {
        "workspace": tmp_path,
        "working_directory": tmp_path,
        "python": Path(sys.executable),
    }
    with PythonSession(WORKERS / "echo.py", "paths", True, **options) as session:
        assert str(tmp_path) == os.path.commonpath([session.session_dir, tmp_path])
        assert "here" == session.fetch_response("echo here")


async def _coroutine(_: Any) -> None:
    """Where a thread calls."""


MISTAKES: Dict[str, Any] = {
    "script_path is a path": {"script_path": 5},
    "python is a path": {"python": 5},
    "environment is a dict of variables": {"environment": ["A=1"]},
    "environment is a dict of texts": {"environment": {"A": 1}},
    "working_directory is a path": {"working_directory": b"folder"},
    "workspace is a path": {"workspace": 5},
    "launch_timeout_ms is a number": {"launch_timeout_ms": "30"},
    "launch_timeout_ms is a number of milliseconds, not nan": {"launch_timeout_ms": math.nan},
    "output is a path": {"output": 5},
    "poll_ms is a str": {"poll_ms": 5},
    r"patience is a CancelPatience\(notice_ms, ": {"patience": (100, 100, 100)},
    r"patience is a CancelPatience\(": {"patience": 100},
    "patience.notice_ms is a number": {"patience": CancelPatience("100")},  # type: ignore[arg-type]
    "patience.terminate_ms is a number": {"patience": CancelPatience(terminate_ms=math.nan)},
    "restart is 'never' or 'on-crash'": {"restart": ["never"]},
    r"restart_policy is a RestartPolicy\(": {"restart_policy": {"limit": 3}},
    "restart_policy.limit is a number": {"restart_policy": RestartPolicy(limit=1.5)},  # type: ignore[arg-type]
    "restart_policy.window_s is a number of seconds": {"restart_policy": RestartPolicy(window_s=math.nan)},
    "on_restart is a function": {"on_restart": "reload"},
    "output is called in a thread, which cannot await a coroutine": {"output": _coroutine},
    "on_restart is called in a thread, which cannot await a coroutine": {"on_restart": _coroutine},
}


@pytest.mark.parametrize("text", MISTAKES)
def test_an_option_of_another_type_is_refused(workspace: Any, text: str) -> None:
    """And the message says what is right."""
    with pytest.raises(LocalProtocolError, match=text) as caught:
        PythonSession(**MISTAKES[text])
    assert "bad_option" == caught.value.code
    assert not workspace.exists()


@pytest.fixture
def session(workspace: Any, transport: str, worker_python: str) -> Any:
    """A session of this process."""
    del workspace, transport, worker_python
    with PythonSession(str(WORKERS / "stubborn.py"), "test", quiet_mode=True, library="numpy") as session:
        assert "on" == session.fetch_response("echo on")
        yield session


WAITS: Dict[str, Callable[[PythonSession, Any], Any]] = {
    "start": lambda session, value: session.start(value),
    "please_exit": lambda session, value: session.please_exit(value),
    "join": lambda session, value: session.join(value),
    "wait_until_ready": lambda session, value: session.wait_until_ready(value),
    "wait_until_ok": lambda session, value: session.wait_until_ok(value),
    "wait_for_response": lambda session, value: session.wait_for_response(value),
    "fetch_response": lambda session, value: session.fetch_response("echo on", value),
    "deadline": lambda session, value: session.fetch_response("echo on", deadline_ms=value),
    "calculate": lambda session, value: session.calculate("echo on", timeout_ms=value),
}


def test_a_timeout_that_is_no_number_is_refused(session: PythonSession) -> None:
    """Before anything is sent."""
    for wait in WAITS.values():
        for value in ("5", math.nan, (1, 2)):
            with pytest.raises(LocalProtocolError, match=r"_ms is a number of milliseconds, not ") as caught:
                wait(session, value)
            assert "bad_option" == caught.value.code
    assert "on" == session.fetch_response("echo on")


@pytest.mark.parametrize("value", [math.inf, 1e300, 10**400, _LONG_MS + 0.5])
def test_a_timeout_may_be_any_number(session: PythonSession, value: float) -> None:
    """Infinity among them; fractions count."""
    session.start(value)
    assert "on" == session.fetch_response("echo on", value, deadline_ms=value)
    session.send_request("echo on", deadline_ms=value)
    assert session.wait_until_ok(value)
    assert "on" == session.wait_for_response(value)
    with pytest.raises(TimedOut):
        session.fetch_response("sleeps", -value)
    assert session.cancel()
    session.please_exit(value)
    assert session.join(value)


def test_a_deadline_may_be_a_fraction(session: PythonSession) -> None:
    """Of a millisecond."""
    with pytest.raises(TimedOut) as caught:
        session.fetch_response("sleeps", deadline_ms=50.5)
    assert "deadline_passed" == caught.value.code


def test_paths_may_be_paths(tmp_path: Any, workspace: Any, worker_python: str) -> None:
    """As everywhere in Python."""
    del worker_python
    output = tmp_path / "output.txt"
    with PythonSession(
        WORKERS / "echo.py", "test", workspace=workspace, working_directory=tmp_path, output=output
    ) as session:  # type: ignore[arg-type]
        session.fetch_response("echo on")
        assert os.path.samefile(session.session_dir, workspace / "python_session" / "tr_session_test")
    assert output.exists()
