"""The life of a session: start, readiness, states, exit, restart, end."""

import gc
import json
import os
import threading
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from asyncio_host import asyncio_too
from gates import Gate
from hosts import WORKERS
from leaks import wait_until
from processes import is_alive

from tech_renaissance import LaunchError, LocalProtocolError, PythonSession, SessionClosed, TimedOut
from tech_renaissance._system.forks import close_held, make_held

Maker = Callable[..., Any]


def worker_pid(session: Any) -> int:
    """The process id that the worker tells of itself."""
    return int(session.fetch_response("pid"))


@pytest.mark.interpreters
def test_a_started_worker_becomes_ready_and_answers(start: Maker) -> None:
    """Start, wait, ask."""
    session = start()
    assert session.wait_until_ready(30_000)
    assert session.is_alive()
    assert session.is_ready()
    assert not session.is_busy()
    assert "hello" == session.fetch_response("echo hello")


@pytest.mark.above_transports
def test_start_may_wait_until_the_worker_is_ready(make_session: Maker) -> None:
    """No longer than that takes."""
    session = make_session()
    session.start(60_000)
    assert session.is_ready()
    session.start(60_000)  # nothing to do
    assert session.is_ready()


@pytest.mark.above_transports
def test_a_start_that_waits_goes_on_without_the_worker(make_session: Maker, gate: Gate) -> None:
    """A worker that needs longer is no error: calls wait for it."""
    session = make_session("slow_start.py", environment={"GATE": gate.path})
    session.start(1)
    assert not session.is_ready()
    gate.open()
    assert "there" == session.fetch_response("echo there", 60_000)


@pytest.mark.above_transports
def test_a_start_that_waits_hears_of_a_worker_that_dies(make_session: Maker) -> None:
    """Where it was started."""
    session = make_session("exits_at_start.py")
    with pytest.raises(LaunchError) as caught:
        session.start(60_000)
    assert "died_at_start" == caught.value.code


@pytest.mark.above_transports
@asyncio_too
def test_nothing_happens_before_start(make_session: Maker) -> None:
    """A session that is not started has no process, and says so."""
    session = make_session()
    assert not session.is_alive()
    assert not session.is_ready()
    assert not session.is_busy()
    assert not Path(session.session_dir).exists()
    for call in (
        session.wait_until_ready,
        session.wait_until_ok,
        session.read_response,
        session.new_response,
    ):
        with pytest.raises(SessionClosed) as caught:
            call()
        assert "not_started" == caught.value.code


@pytest.mark.above_transports
def test_ending_what_was_not_started_is_no_error(make_session: Maker) -> None:
    """No worker, no error."""
    session = make_session()
    session.please_exit(0)
    session.terminate()
    assert session.join(0)


@pytest.mark.above_transports
def test_the_session_tells_its_name_and_directory(make_session: Maker, workspace: Path) -> None:
    """As the reference text lays it out."""
    session = make_session(session_id="some-name")
    assert "some-name" == session.session_id
    assert str(workspace / "python_session" / "tr_session_some-name") == session.session_dir


@pytest.mark.above_transports
def test_the_workspace_option_wins(make_session: Maker, tmp_path: Path) -> None:
    """An option beats the environment."""
    session = make_session(workspace=str(tmp_path / "another"))
    assert str(tmp_path / "another" / "python_session" / "tr_session_test") == session.session_dir


def test_requests_made_while_the_worker_starts_wait_for_it(start: Maker, gate: Gate) -> None:
    """A call's timeout counts from readiness."""
    session = start("slow_start.py", environment={"GATE": gate.path})
    gate.wait_for_arrival()
    assert not session.wait_until_ready(1)
    assert not session.is_ready()
    assert session.is_alive()
    gate.open()
    assert "early" == session.fetch_response("echo early", 10_000)


@pytest.mark.above_transports
def test_starting_twice_is_starting_once(start: Maker) -> None:
    """A running worker goes on."""
    session = start()
    pid = worker_pid(session)
    session.start()
    assert pid == worker_pid(session)


def test_busy_while_it_works(start: Maker, gate: Gate) -> None:
    """The states are the worker's."""
    session = start()
    session.send_request(f"wait {gate.path} done")
    gate.wait_for_arrival()
    assert session.is_busy()
    assert not session.is_ready()
    gate.open()
    assert session.wait_until_ok()
    assert session.is_ready()
    assert "done" == session.read_response()


def test_wait_until_ok_tells_whether_the_last_request_succeeded(start: Maker) -> None:
    """False for a failure; the reply is still there to be read."""
    session = start()
    session.send_request("no-such-command")
    assert not session.wait_until_ok()
    session.send_request("echo again")
    assert session.wait_until_ok()


def test_wait_until_ok_is_false_while_the_worker_works(start: Maker, gate: Gate) -> None:
    """A timeout there is no error."""
    session = start()
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    assert not session.wait_until_ok(1)
    gate.open()
    assert session.wait_until_ok()


def test_please_exit_ends_the_worker_in_order(start: Maker) -> None:
    """It has left when the call returns, and nothing of the session is usable until the next start."""
    session = start()
    pid = worker_pid(session)
    session.please_exit(10_000)
    assert not session.is_alive()
    assert not is_alive(pid)
    assert "terminated" == (Path(session.session_dir) / "status.txt").read_text()
    with pytest.raises(SessionClosed) as caught:
        session.fetch_response("echo")
    assert "session_closed" == caught.value.code
    session.please_exit(0)


def test_please_exit_lets_the_worker_finish(start: Maker, gate: Gate) -> None:
    """What it was sent before is served, and the answer is there."""
    session = start()
    session.send_request(f"wait {gate.path} served")
    gate.wait_for_arrival()
    with pytest.raises(TimedOut):
        session.please_exit(1)
    gate.open()
    session.please_exit(10_000)
    assert "served" == session.read_response()


@pytest.mark.files
def test_please_exit_loses_no_answer(start: Maker) -> None:
    """Also those that found no room, because nobody had read the ones before."""
    session = start()
    texts = ["1", "2", "3"]
    for text in texts:
        session.send_request(f"echo {text}")
    # All of them are in the worker's hands, and one answer is in the way of the others.
    directory = Path(session.session_dir)
    assert wait_until(
        lambda: (directory / "response.json").exists() and not (directory / "request.json").exists()
    )
    session.please_exit(10_000)
    assert texts == [session.wait_for_response() for _ in texts]


def test_please_exit_with_ensure_ends_a_worker_that_does_not_listen(start: Maker, gate: Gate) -> None:
    """The reference text's ``please_exit(timeout_ms, true)``."""
    session = start()
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    session.please_exit(1, True)
    assert not session.is_alive()


@pytest.mark.above_transports
@pytest.mark.parametrize("message", ["exit", '{"cmd": "exit"}', '{"command": "exit"}'])
def test_an_exit_request_ends_the_worker(start: Maker, message: str) -> None:
    """In all forms; it has no answer."""
    session = start()
    assert session.wait_until_ready(60_000)
    session.send_request(message)
    assert session.join()
    with pytest.raises(LocalProtocolError) as caught:
        session.fetch_response(message)
    assert "bad_message" == caught.value.code


def test_an_exit_request_waits_for_the_start_as_others_do(start: Maker, gate: Gate) -> None:
    """It is not lost, and what was asked before it is answered."""
    session = start("slow_start.py", environment={"GATE": gate.path})
    gate.wait_for_arrival()
    gate.open()
    session.send_request("echo first")
    session.send_request("exit")
    assert "first" == session.wait_for_response()
    assert session.join()


@pytest.mark.above_transports
def test_join_waits_for_the_end(start: Maker) -> None:
    """False while the worker runs."""
    session = start()
    assert not session.join(1)
    session.send_request("exit")
    assert session.join()
    assert not session.is_alive()


@pytest.mark.above_transports
def test_terminate_ends_the_worker_for_certain(start: Maker) -> None:
    """It is gone when the call returns; calls say that we ended it."""
    session = start()
    pid = worker_pid(session)
    session.terminate()
    assert not session.is_alive()
    assert not is_alive(pid)
    with pytest.raises(SessionClosed):
        session.fetch_response("echo")
    with pytest.raises(SessionClosed):
        session.wait_until_ready()


@pytest.mark.above_transports
def test_terminate_ends_a_worker_that_ignores_sigterm(start: Maker) -> None:
    """There is a harder step."""
    session = start("hang.py")
    pid = worker_pid(session)
    session.send_request("ignore-everything")
    assert wait_until(lambda: os.path.exists(os.path.join(session.session_dir, "deaf")))
    session.terminate()
    assert not is_alive(pid)


@pytest.mark.above_transports
def test_terminate_ends_a_worker_that_still_starts(start: Maker, gate: Gate) -> None:
    """Whoever waits for it hears it at once."""
    session = start("slow_start.py", environment={"GATE": gate.path})
    gate.wait_for_arrival()
    session.terminate()
    assert not session.is_alive()
    with pytest.raises(SessionClosed):
        session.wait_until_ready()


@pytest.mark.above_transports
@pytest.mark.parametrize("ending", ["terminate", "please_exit", "crash"])
def test_start_works_again_and_tags_are_still_there(start: Maker, ending: str) -> None:
    """The recovery example of the reference text re-sends only its request."""
    session = start("tensors.py")
    session.send_tensor(np.arange(6, dtype=np.float32).reshape(2, 3), "weights")
    first = worker_pid(session)
    if ending == "crash":
        with pytest.raises(Exception, match="exit status 7"):
            session.fetch_response("die")
    else:
        getattr(session, ending)()
    session.start()
    assert session.wait_until_ready(60_000)
    assert first != worker_pid(session)
    assert 15.0 == session.fetch_tensor("sum weights").item()


def test_a_tag_may_be_sent_before_the_start(make_session: Maker) -> None:
    """The tensors are the host's."""
    session = make_session("tensors.py")
    session.send_tensor(np.ones(4, np.float32), "early")
    session.start()
    assert 4.0 == session.fetch_tensor("sum early").item()


def test_answers_of_an_earlier_life_are_gone(start: Maker) -> None:
    """A new worker owes nothing of the old one's."""
    session = start()
    session.send_request("echo old")
    assert session.wait_until_ok()
    session.terminate()
    session.start()
    with pytest.raises(LocalProtocolError) as caught:
        session.wait_for_response(1)
    assert "no_request" == caught.value.code
    assert "new" == session.fetch_response("echo new")


@pytest.mark.above_transports
def test_close_ends_everything(start: Maker) -> None:
    """No process, no files, no second life; twice is once."""
    session = start()
    pid = worker_pid(session)
    directory = session.session_dir
    session.close()
    session.close()
    assert not is_alive(pid)
    assert not os.path.exists(directory)
    with pytest.raises(SessionClosed) as caught:
        session.start()
    assert "session_closed" == caught.value.code


@pytest.mark.above_transports
def test_close_ends_a_worker_that_hangs(start: Maker) -> None:
    """The ladder goes on to the end."""
    session = start("hang.py")
    pid = worker_pid(session)
    session.send_request("ignore-everything")
    assert wait_until(lambda: os.path.exists(os.path.join(session.session_dir, "deaf")))
    session.close()
    assert not is_alive(pid)


@pytest.mark.above_transports
def test_a_with_block_leaves_nothing(make_session: Maker) -> None:
    """Also when it is left by an exception."""
    session = make_session()
    with pytest.raises(KeyError), session:
        pid = worker_pid(session)
        raise KeyError
    assert not is_alive(pid)
    assert not os.path.exists(session.session_dir)


def test_the_garbage_collector_ends_a_session(workspace: Path, worker_python: str, transport: str) -> None:
    """A Python session that nobody holds leaves nothing."""
    session = PythonSession(str(WORKERS / "echo.py"), "forgotten")
    session.start()
    pid = worker_pid(session)
    directory = session.session_dir
    del session
    gc.collect()
    assert not is_alive(pid)
    assert not os.path.exists(directory)


def test_the_garbage_collector_may_run_while_our_code_holds_a_lock(
    workspace: Path, worker_python: str, transport: str
) -> None:
    """In any thread: it does not wait there for the end of a session that needs the lock."""
    session = PythonSession(str(WORKERS / "echo.py"), "forgotten")
    session.start()
    pid = worker_pid(session)
    directory = session.session_dir
    kept = [session]
    del session

    def drop() -> int:
        kept.clear()  # as the collector would
        return os.open(os.devnull, os.O_RDONLY)

    thread = threading.Thread(target=lambda: close_held(make_held(drop)), daemon=True)
    thread.start()
    assert wait_until(lambda: not thread.is_alive())
    assert wait_until(lambda: not is_alive(pid) and not os.path.exists(directory))


@pytest.mark.above_transports
def test_worker_json_tells_who_the_worker_is(start: Maker, worker_python: str) -> None:
    """All of its keys."""
    session = start()
    assert session.wait_until_ready(60_000)
    info = json.loads((Path(session.session_dir) / "worker.json").read_text())
    assert worker_pid(session) == info["pid"]
    assert os.path.samefile(worker_python, info["interpreter"])
    assert 2 == info["protocol"]
    assert {"python", "tech_renaissance", "transport", "transport_reason", "start_time"} <= set(info)
