"""Where a worker stands when a wait for it has been too long. Contract: spec/life.md, Stacks."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, List

import pytest
from gates import Gate
from hosts import WORKERS
from leaks import wait_until

from tech_renaissance import PythonSession, TimedOut
from tech_renaissance._host import launched_worker

Maker = Callable[..., Any]


def test_a_timeout_shows_where_the_worker_stands(start: Maker, gate: Gate) -> None:
    """The stacks of all threads; the worker knows nothing of it."""
    session = start("stubborn.py")
    session.send_request(f"sleeps {gate.path}")
    gate.wait_for_arrival()
    with pytest.raises(
        TimedOut, match=r"'sleeps' was not answered within 0\.3 s; the worker's stacks:"
    ) as caught:
        session.wait_for_response(300)
    assert "in sleeps" in caught.value.stack
    assert "in main_logic" in session.stack()
    assert session.cancel()


def test_a_poll_that_is_in_vain_disturbs_nobody(start: Maker, gate: Gate) -> None:
    """Short waits are polls."""
    session = start()
    session.send_request(f"wait {gate.path} done")
    gate.wait_for_arrival()
    with pytest.raises(TimedOut) as caught:
        session.wait_for_response(5)
    assert "" == caught.value.stack
    gate.open()
    assert "done" == session.wait_for_response()


def test_threads_that_ask_at_the_same_time_share_the_stacks(
    workspace: Any, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes as long for many as for two: those that were being taken, and those that are taken for all others."""
    go_on, taken, take = threading.Event(), [0], launched_worker.take_stacks

    def counted(*args: Any) -> str:
        go_on.wait(60)
        taken[0] += 1
        return take(*args)

    def asking() -> int:
        frames = [frame for top in sys._current_frames().values() for frame in frames_above(top)]
        return sum(frame == "stacks" for frame in frames)

    monkeypatch.setattr(launched_worker, "take_stacks", counted)
    with PythonSession(WORKERS / "stubborn.py", "stacks", True) as session, ThreadPoolExecutor(20) as pool:
        session.send_request(f"sleeps {gate.path}")
        gate.wait_for_arrival()
        stacks = [pool.submit(session.stack) for _ in range(20)]
        wait_until(lambda: asking() == 20)
        go_on.set()
        assert all("in sleeps" in one.result(60) for one in stacks)
        assert taken == [2]
        assert session.cancel()


def frames_above(frame: Any) -> List[str]:
    """The names of the functions of a stack."""
    names: List[str] = []
    while frame:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names
