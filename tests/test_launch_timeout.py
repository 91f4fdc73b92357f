"""A worker that is not ready within the launch timeout has failed to start."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest
from asyncio_host import asyncio_too
from gates import Gate
from leaks import wait_until

from tech_renaissance import LaunchError

Maker = Callable[..., Any]


@asyncio_too
@pytest.mark.parametrize("restart", ["never", "on-crash"])
@pytest.mark.parametrize("finds", ["state", "is_alive", "is_ready", "wait_until_ready", "call"])
def test_a_worker_that_is_not_ready_in_time_has_failed_to_start(
    start: Maker, gate: Gate, restart: str, finds: str
) -> None:
    """Whoever asks or waits first finds that; its process is ended, and another start tries again."""
    session = start(
        "slow_start.py",
        environment={"GATE": gate.path},
        launch_timeout_ms=20,
        restart=restart,
        quiet_mode=True,
    )
    look = {
        "state": lambda: session.state().name == "lost",
        "is_alive": lambda: not session.is_alive(),
        "is_ready": lambda: session.is_ready() or session.post_mortem() is not None,
        "wait_until_ready": lambda: _code_of(session.wait_until_ready, 1) == "launch_timeout",
        "call": lambda: _code_of(session.fetch_response, "echo", 60_000) == "launch_timeout",
    }
    assert wait_until(look[finds])
    assert ("lost", False) == (session.state().name, session.is_alive())
    record = session.post_mortem()
    assert ("starting", "it was not ready in time") == (record.moment, record.ended_by_host)
    with pytest.raises(LaunchError, match=r"^the worker was not ready within 0\.02 s") as caught:
        session.fetch_response("echo", 60_000)
    assert ("launch_timeout", record.pid) == (caught.value.code, caught.value.post_mortem.pid)
    gate.open(2)  # it may have died before it came to the gate
    session.start(60_000)
    assert "again" == session.fetch_response("echo again", 60_000)


def _code_of(call: Callable[..., object], *arguments: object) -> str:
    try:
        call(*arguments)
    except LaunchError as error:
        return error.code
    return ""


@asyncio_too
def test_whoever_waits_longer_than_the_launch_timeout_gives_the_worker_that_long(
    make_session: Maker, gate: Gate
) -> None:
    """Also for those who look meanwhile."""
    session = make_session("slow_start.py", environment={"GATE": gate.path}, launch_timeout_ms=1)
    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(session.start, 60_000)
        gate.wait_for_arrival()
        assert "starting" == session.state().name
        gate.open()
        started.result()
    assert "ready" == session.state().name
