"""Forks of a worker: a child that comes back from its handler leaves, and disturbs nobody."""

import os
import signal
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from gates import Gate
from leaks import wait_until
from processes import forks

pytestmark = [forks, pytest.mark.above_transports]

Maker = Callable[..., Any]

ENDS = {
    "quietly": 0,
    "as unknown": 0,
    "printing": 0,
    "without stdout": 0,
    "exit 0": 0,
    "exit 3": 3,
    "complain": 1,
    "raise": 1,
    "as an interrupt": 1,
}


def test_a_child_that_comes_back_from_its_handler_leaves(start: Maker) -> None:
    """As a program of its own would: the exit status is its own, the answers are all its parent's."""
    session = start("forker.py")
    assert {how: f"ended with {status}" for how, status in ENDS.items()} == {
        how: session.fetch_response(f"fork {how}") for how in ENDS
    }
    assert "on" == session.fetch_response("echo on")


def test_what_the_child_says_is_not_lost(start: Maker, tmp_path: Path) -> None:
    """What it has printed, why it left, and the exception it died of."""
    output = tmp_path / "output.txt"
    session = start("forker.py", output=str(output))
    for how in ("printing", "without stdout", "complain", "raise"):
        session.fetch_response(f"fork {how}")
    session.close()
    said = output.read_text()
    assert 1 == said.count("the child prints") == said.count("the child complains")
    assert 1 == said.count("the child has no stdout")
    assert 1 == said.count("ValueError: in the child")
    assert "come_back" in said
    assert "_server.py" not in said


def test_a_child_of_another_thread_ends_with_that_thread(start: Maker) -> None:
    """It never sees the serving loop."""
    session = start("forker.py")
    assert "ended with 0" == session.fetch_response("fork-in-a-thread")
    assert "on" == session.fetch_response("echo on")


def test_a_child_that_comes_back_late_disturbs_no_later_call(start: Maker, gate: Gate) -> None:
    """Its parent serves on meanwhile."""
    session = start("forker.py")
    child = session.fetch_response(f"linger {gate.path}")
    gate.wait_for_arrival()
    assert "meanwhile" == session.fetch_response("echo meanwhile")
    gate.open()
    assert "ended with 0" == session.fetch_response(f"reap {child}")
    assert "after" == session.fetch_response("echo after")


def test_a_child_has_none_of_the_workers_signal_handlers(start: Maker) -> None:
    """SIGTERM ends it, SIGURG and SIGWINCH do nothing."""
    session = start("forker.py")
    assert f"0 {-signal.SIGTERM}" == session.fetch_response("signals")
    assert "" == (Path(session.session_dir) / "stack.txt").read_text()


def test_a_child_lets_go_of_nothing_that_its_parent_has(start: Maker) -> None:
    """Tensors that die in it are still the parent's; it can get none, and make none."""
    session = start("forker.py")
    session.send_tensor(np.arange(1000, dtype=np.float64), "a")
    assert "ended with 0" == session.fetch_response("let-go a")
    session.drop_tensor("a")
    for number in range(5):  # memory that was given back would be used again
        session.send_tensor(np.full(1000, number, dtype=np.float64), f"b{number}")
        session.fetch_response("echo")
    assert np.array_equal(np.arange(1000, dtype=np.float64), session.fetch_tensor("kept"))


def test_the_standard_librarys_pools_work_in_a_handler(start: Maker) -> None:
    """With the start method that forks."""
    assert "A B C" == start("forker.py").fetch_response("pool a b c", 60_000)


def test_a_child_of_a_signal_handler_serves_nobody(start: Maker) -> None:
    """It comes back into a wait for requests, and reads none."""
    session = start("forker.py")
    pid = int(session.fetch_response("fork-in-a-signal-handler"))
    os.kill(pid, signal.SIGUSR1)
    numbers = [session.fetch_response(f"echo {number}") for number in range(50)]
    assert [str(number) for number in range(50)] == numbers
    assert wait_until(lambda: "" != session.fetch_response("reap-those"))
