"""Supervision: a crashed worker is there again, with its tensors and its calls; and what crashes every worker is stopped."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from asyncio_host import asyncio_everywhere, asyncio_too, python_hosts
from gates import Gate
from hosts import TRANSPORTS
from leaks import wait_until
from processes import KILLED, is_alive, kill

from tech_renaissance import (
    CallCancelled,
    CommandError,
    LaunchError,
    LocalProtocolError,
    RestartPolicy,
    SessionClosed,
    TimedOut,
    WorkerLost,
)

Maker = Callable[..., Any]

QUICK = RestartPolicy(first_backoff_ms=1, max_backoff_ms=8, limit=100)
_HOUR_MS = 3_600_000
PATIENT = RestartPolicy(first_backoff_ms=_HOUR_MS, max_backoff_ms=_HOUR_MS)


@pytest.fixture
def supervised(start: Maker) -> Maker:
    """Starts a session that restarts."""

    def begin(**options: Any) -> Any:
        options = {"restart": "on-crash", "restart_policy": QUICK, "quiet_mode": True, **options}
        return start("mortal.py", **options)

    return begin


def kill_worker(session: Any) -> None:
    """From outside."""
    kill(int(session.fetch_response("pid")))


def test_a_crashed_worker_is_there_again(supervised: Maker) -> None:
    """Though nobody asks; the next call does not notice."""
    session = supervised()
    first = int(session.fetch_response("pid"))
    kill(first)
    second = int(session.fetch_response("pid"))
    assert first != second
    kill(second)
    assert wait_until(lambda: not is_alive(second))
    assert wait_until(lambda: session.state().name == "ready")


@pytest.mark.above_transports
def test_without_supervision_a_crash_is_the_end(start: Maker) -> None:
    """Until the session is started again."""
    session = start("mortal.py", quiet_mode=True)
    kill_worker(session)
    assert session.join()
    for _ in range(2):
        with pytest.raises(WorkerLost):
            session.fetch_response("echo")


@asyncio_everywhere
def test_what_had_begun_fails_and_what_had_not_is_sent_again(supervised: Maker, gate: Gate) -> None:
    """In its order."""
    session = supervised()
    session.send_request(f"wait-and-die {gate.path}")
    session.send_request("echo second")
    gate.wait_for_arrival()
    gate.open()
    with pytest.raises(WorkerLost, match="exit status 7") as caught:
        session.wait_for_response(60_000)
    assert caught.value.post_mortem.message.startswith("wait-and-die")
    assert "second" == session.wait_for_response(60_000)


@pytest.mark.skipif("shm" not in TRANSPORTS, reason="there is no shared memory here")
@pytest.mark.parametrize("transport", ["shm"])
def test_what_stands_in_line_goes_to_the_next_worker_in_its_order(
    supervised: Maker, gate: Gate, transport: str
) -> None:
    """Behind what the dead one had and had not begun; what is asked later comes after all of it."""
    session = supervised(environment={"TR_TRANSPORT": transport})
    session.send_request(f"wait-and-die {gate.path}")
    gate.wait_for_arrival()
    for number in range(300):
        session.send_request(f"count {number}")
    gate.open()
    with pytest.raises(WorkerLost):
        session.wait_for_response(60_000)
    session.send_request("count 300")
    assert [f"{number} {number}" for number in range(301)] == [
        session.wait_for_response(60_000) for _ in range(301)
    ]


@asyncio_too
def test_calls_of_many_threads_survive(supervised: Maker, gate: Gate) -> None:
    """Those that wait in line, each with its own answer."""
    session = supervised()
    with ThreadPoolExecutor(5) as threads:
        killer = threads.submit(session.fetch_response, f"wait-and-die {gate.path}", 60_000)
        gate.wait_for_arrival()
        calls = [threads.submit(session.fetch_response, f"echo {number}", 60_000) for number in range(4)]
        gate.open()
        assert ["0", "1", "2", "3"] == [call.result() for call in calls]
        with pytest.raises(WorkerLost):
            killer.result()


def test_an_idempotent_call_is_given_to_the_next_worker(supervised: Maker, tmp_path: Path) -> None:
    """Its caller does not notice."""
    session = supervised()
    assert "survived" == session.fetch_response(f"die-once {tmp_path}/died", 60_000, idempotent=True)


@asyncio_too
@pytest.mark.above_transports
def test_the_request_that_kills_twice_is_quarantined(supervised: Maker) -> None:
    """Idempotent: after the second worker. No third one dies."""
    session = supervised()
    with pytest.raises(WorkerLost, match="'os-exit 3' was in progress when 2 workers ended") as caught:
        session.fetch_response("os-exit 3", 60_000, idempotent=True)
    assert ("quarantined", 3) == (caught.value.code, caught.value.post_mortem.exit_status)
    pid = session.fetch_response("pid")
    with pytest.raises(WorkerLost) as caught:
        session.fetch_response("os-exit 3")
    assert "quarantined" == caught.value.code
    assert pid == session.fetch_response("pid")
    session.terminate()
    session.start()
    with pytest.raises(WorkerLost) as caught:
        session.fetch_response("os-exit 3")
    assert "worker_lost" == caught.value.code


@pytest.mark.above_transports
def test_a_caller_that_tries_again_is_stopped_too(supervised: Maker) -> None:
    """Each try is a new request with the same text."""
    session = supervised()
    codes = []
    for _ in range(3):
        with pytest.raises(WorkerLost) as caught:
            session.fetch_response("os-exit 3", 60_000)
        codes.append(caught.value.code)
    assert ["worker_lost", "worker_lost", "quarantined"] == codes


def test_tensors_are_there_again(supervised: Maker) -> None:
    """Before the first request."""
    session = supervised()
    session.send_tensor(np.ones(3, np.float32), "weights")
    kill_worker(session)
    assert "True" == session.fetch_response("weights")


def test_tensors_are_dropped_if_asked(supervised: Maker) -> None:
    """For who sends new ones."""
    session = supervised(restart_policy=QUICK._replace(keep_tags=False))
    session.send_tensor(np.ones(3, np.float32), "weights")
    kill_worker(session)
    assert "False" == session.fetch_response("weights", 60_000)


@pytest.mark.above_transports
def test_a_hook_runs_before_calls_go_on(host: str, supervised: Maker) -> None:
    """With the session, in a thread of its own."""
    if host == "cpp":
        session = supervised(on_restart="echo hook")
    else:
        session = supervised(
            restart_policy=QUICK._replace(keep_tags=False),
            on_restart=lambda session: session.send_tensor(np.ones(2, np.float32), "weights"),
        )
        session.send_tensor(np.ones(3, np.float32), "weights")
    for _ in range(3):
        kill_worker(session)
        assert "on" == session.fetch_response("echo on", 60_000)
    if host == "python":
        assert "True" == session.fetch_response("weights")


@pytest.mark.above_transports
def test_a_hook_that_fails_ends_it(host: str, supervised: Maker) -> None:
    """Nothing is served by a worker that lacks its weights."""
    message = "no-such-command"
    hook = message if host == "cpp" else lambda session: session.fetch_response(message)
    session = supervised(on_restart=hook)
    kill_worker(session)
    with pytest.raises(WorkerLost, match="on_restart failed"):
        session.fetch_response("echo", 60_000)
    assert not session.is_alive()
    session.start()
    assert "on" == session.fetch_response("echo on")


@pytest.mark.above_transports
def test_enough_is_enough(supervised: Maker) -> None:
    """Then the session is lost, until it is started."""
    session = supervised(restart_policy=QUICK._replace(limit=2))
    for _ in range(3):
        kill_worker(session)
    with pytest.raises(WorkerLost, match="restarted 2 times within 60 s: given up") as caught:
        session.fetch_response("echo", 60_000)
    assert caught.value.post_mortem.exit_status == KILLED
    assert "lost" == session.state().name
    session.start()
    assert "on" == session.fetch_response("echo on")


@pytest.mark.above_transports
def test_an_end_that_was_asked_for_is_no_crash(supervised: Maker) -> None:
    """Nor is one in order."""
    session = supervised()
    session.fetch_response("echo")
    session.terminate()
    with pytest.raises(SessionClosed):
        session.fetch_response("echo")
    session.start()
    session.fetch_response("echo")
    session.please_exit()
    with pytest.raises(SessionClosed):
        session.fetch_response("echo")
    session.start()
    with pytest.raises(CommandError):
        session.fetch_response("exit-in-order 0")
    assert session.join()
    with pytest.raises(WorkerLost):
        session.fetch_response("echo")


@pytest.mark.above_transports
def test_a_worker_that_is_wanted_after_all_is_restarted(start: Maker, gate: Gate) -> None:
    """It could not be asked to leave in time, and was started once more while it ran."""
    options = {"environment": {"GATE": gate.path}, "quiet_mode": True}
    session = start("slow_start.py", restart="on-crash", restart_policy=QUICK, **options)
    with pytest.raises(TimedOut):
        session.please_exit(1)
    session.start()
    gate.open(2)
    first = int(session.fetch_response("pid"))
    kill(first)
    assert first != int(session.fetch_response("pid"))


@pytest.mark.above_transports
def test_a_worker_that_never_started_is_not_restarted(start: Maker) -> None:
    """That is a mistake, not a crash."""
    session = start("exits_at_start.py", restart="on-crash", restart_policy=QUICK)
    with pytest.raises(LaunchError) as caught:
        session.wait_until_ready()
    assert "died_at_start" == caught.value.code


@pytest.mark.above_transports
def test_closing_does_not_wait_for_the_back_off(supervised: Maker) -> None:
    """However long that is."""
    session = supervised(restart_policy=PATIENT)
    kill_worker(session)
    assert wait_until(lambda: session.state().name == "restarting")
    session.close()


@asyncio_everywhere
def test_what_waits_for_the_next_worker_ends_with_the_session(supervised: Maker, gate: Gate) -> None:
    """Also a call for which a thread is waiting."""
    session = supervised(restart_policy=PATIENT)
    pid = int(session.fetch_response("pid"))
    session.send_request(f"wait-and-die {gate.path}")
    gate.wait_for_arrival()
    future = session.submit("echo", "on")
    session.flush()
    kill(pid)
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(future.result, 60_000)
        assert wait_until(lambda: session.state().name == "restarting")
        session.close()
        with pytest.raises(SessionClosed):
            result.result()


@python_hosts
@pytest.mark.above_transports
@pytest.mark.parametrize("end", ["terminate", "please_exit", "close"])
@pytest.mark.parametrize("ask", ["fetch_response", "call"])
def test_calls_that_were_made_during_the_back_off_end_with_it(supervised: Maker, end: str, ask: str) -> None:
    """They are of no worker, and hear nothing of the death of the last one. A later call does."""
    session = supervised(restart_policy=PATIENT)
    with pytest.raises(WorkerLost):
        session.fetch_response("os-exit 3")
    plain = getattr(session, "plain", session)
    with ThreadPoolExecutor(2) as threads:
        results = [threads.submit(getattr(session, ask), "echo") for _ in range(2)]
        assert wait_until(lambda: len(plain._life.queue.waiting) == 2)
        getattr(session, end)()
        for result in results:
            with pytest.raises(SessionClosed) as caught:
                result.result()
            assert "session_closed" == caught.value.code
    with pytest.raises(SessionClosed if end == "close" else WorkerLost):
        session.fetch_response("echo")


@asyncio_everywhere
def test_what_waits_for_the_next_worker_can_be_cancelled(supervised: Maker) -> None:
    """Though the last one has died during a call: that is not what is cancelled."""
    session = supervised(restart_policy=PATIENT)
    with pytest.raises(WorkerLost):
        session.fetch_response("os-exit 3")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(session.fetch_response, "echo on", 60_000)
        assert wait_until(lambda: session.cancel() == "queue")
        with pytest.raises(CallCancelled):
            waiting.result()


@pytest.mark.above_transports
def test_a_bad_policy_is_refused(make_session: Maker) -> None:
    """At once."""
    with pytest.raises(LocalProtocolError, match="restart is 'never' or 'on-crash'") as caught:
        make_session(restart="always")
    assert "bad_option" == caught.value.code
