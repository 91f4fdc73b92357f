"""Threads of a host that come late: the supervisor's after a crash, and one that ends a worker when another has replaced it.

The Python host in this process; tests/cpp/unit/host has the same for C++. Contract: spec/life.md, Supervision.
"""

from typing import Any, Callable

import pytest
from gates import Gate
from processes import kill

from tech_renaissance import RestartPolicy, SessionClosed, WorkerLost
from tech_renaissance._host.ladder import TERMINATE_LADDER
from tech_renaissance._host.supervisor import Supervisor

Maker = Callable[..., Any]

# What is late is made so in this process.
pytestmark = pytest.mark.parametrize("host", ["python"], indirect=True)


@pytest.fixture
def unnoticed(start: Maker, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Starts a session that restarts, whose supervisor is not told when a worker ends."""

    def begin() -> Any:
        monkeypatch.setattr(Supervisor, "worker_ended", lambda _: None)
        policy = RestartPolicy(first_backoff_ms=0)
        return start("mortal.py", restart="on-crash", restart_policy=policy, quiet_mode=True)

    return begin


def crash(session: Any) -> None:
    """End the worker from outside, and wait until it has been recorded."""
    kill(session._life.worker.process.pid)
    assert session.join(60_000)
    assert session._life.worker.has_crashed


def crash_with_a_call(session: Any, gate: Gate) -> Any:
    """The same while the worker is at work. Returns a call that it had not begun."""
    session.send_request(f"wait-and-die {gate.path}")
    gate.wait_for_arrival()
    future = session.submit("echo")
    crash(session)
    return future


@pytest.mark.above_transports
@pytest.mark.parametrize("end", ["terminate", "please_exit"])
def test_an_unnoticed_crash_is_not_made_good_after_an_end(unnoticed: Maker, gate: Gate, end: str) -> None:
    """No worker is there again, and what waited for one fails."""
    session = unnoticed()
    future = crash_with_a_call(session, gate)
    crashed = session._life.worker
    getattr(session, end)()
    assert "lost" == session.state().name
    with pytest.raises(SessionClosed):
        future.result(60_000)
    assert not session._caller.supervisor.hurry()
    assert session._life.worker is crashed


@pytest.mark.above_transports
def test_what_is_handed_over_at_the_end_fails(unnoticed: Maker, gate: Gate) -> None:
    """The supervisor has left before it could see to it."""
    session = unnoticed()
    future = crash_with_a_call(session, gate)
    session._caller.close()
    session._caller.supervisor.join()
    session.close()
    assert future.done()
    with pytest.raises(SessionClosed):
        future.result(60_000)


@pytest.mark.above_transports
def test_the_end_of_a_replaced_worker_leaves_its_successor_alone(start: Maker, gate: Gate) -> None:
    """And the calls in line for it."""
    session = start("value_calls.py", quiet_mode=True)
    replaced = session._life.worker
    with pytest.raises(WorkerLost):
        session.call("die")
    session.start()
    first = session.submit("wait", gate.path)
    gate.wait_for_arrival()
    others = [session.submit("same", number) for number in range(300)]
    replaced.stop(TERMINATE_LADDER, "too late")
    gate.open()
    assert first.result(60_000) is None
    assert list(range(300)) == [future.result(60_000) for future in others]
