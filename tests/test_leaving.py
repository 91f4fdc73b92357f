"""Workers that leave while coroutines and streams are in work: why they leave counts, and every call gets its answer."""

import gc
import os
import signal
import warnings
from pathlib import Path
from typing import Any, Callable

import pytest
from asyncio_host import asyncio_everywhere
from gates import Gate
from leaks import wait_until
from processes import posix_signals

from tech_renaissance import CommandError, TechRenaissanceServer, command
from tech_renaissance.testing import call

Start = Callable[..., Any]
WORKER = "leaving.py"
NAMES = {"exit": "SystemExit: 3", "interrupt": "KeyboardInterrupt"}
STATUSES = {"exit": 3, "interrupt": 0}


def _exit_status(session: Any) -> int:
    assert session.join()
    record = session.post_mortem()
    assert "" == record.traceback
    return record.exit_status


@asyncio_everywhere
@pytest.mark.parametrize("command", ["leave", "leave_at_once", "leave_later", "leave_in_a_task"])
def test_a_worker_leaves_as_its_command_says_although_coroutines_are_in_work(
    start: Start, command: str
) -> None:
    """They are cancelled, and their callers are told."""
    for way, status in STATUSES.items():
        session = start(WORKER, way)
        waiting = [session.submit("wait") for _ in range(3)]
        with pytest.raises(CommandError, match=NAMES[way]):
            session.call(command, way)
        for future in waiting:
            with pytest.raises(CommandError, match="its worker leaves"):
                future.result(60_000)
        assert status == _exit_status(session)


@posix_signals
@pytest.mark.above_transports
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 0), ("SIGTERM", -signal.SIGTERM)])
def test_a_worker_leaves_at_a_signal_although_coroutines_are_in_work(
    start: Start, name: str, status: int
) -> None:
    """As without them."""
    session = start(WORKER)
    waiting = session.submit("wait")
    os.kill(session.call("pid"), getattr(signal, name))
    with pytest.raises(CommandError, match="its worker leaves"):
        waiting.result(60_000)
    assert status == _exit_status(session)


@pytest.mark.parametrize("other", ["task", "stream"])
def test_what_ends_while_a_worker_leaves_does_not_change_why(
    start: Start, transport: str, other: str
) -> None:
    """A task that raises SystemExit when it is cancelled, and a stream that does when it is closed."""
    if (other, transport) == ("stream", "file"):
        pytest.skip("over files a stream is never suspended")
    for way, status in STATUSES.items():
        session = start(WORKER, way)
        waiting = session.submit("wait")
        if other == "task":
            session.call("haunt")
        else:
            stream = session.stream("count_and_leave")
            assert 0 == next(stream)
        with pytest.raises(CommandError, match=NAMES[way]):
            session.call("leave", way)
        with pytest.raises(CommandError, match="its worker leaves"):
            waiting.result(60_000)
        assert status == _exit_status(session)


def test_a_worker_that_leaves_in_order_has_not_crashed(start: Start, gate: Gate) -> None:
    """So it is not restarted."""
    session = start(WORKER, restart="on-crash", environment={"GATE": gate.path})
    waiting = session.submit("wait")
    with pytest.raises(CommandError, match="KeyboardInterrupt"):
        session.call("leave", "interrupt")
    with pytest.raises(CommandError, match="its worker leaves"):
        waiting.result(60_000)
    gate.wait_for_arrival()
    gate.open()
    assert session.join()
    assert ("exited", 0) == (session.state().name, session.post_mortem().exit_status)


def test_an_answer_that_nobody_has_taken_does_not_make_an_orderly_end_a_crash(start: Start) -> None:
    """So the worker was not busy when it left, and is not restarted."""
    session = start(WORKER, restart="on-crash")
    future = session.submit("leave", "interrupt")
    assert wait_until(lambda: session.post_mortem() is not None)
    record = session.post_mortem()
    assert ("idle", "", 0) == (record.moment, record.message, record.exit_status)
    with pytest.raises(CommandError, match="KeyboardInterrupt"):
        future.result(60_000)
    assert "exited" == session.state().name


@pytest.mark.interpreters
@pytest.mark.above_transports
def test_asynchronous_generators_are_closed_before_a_worker_leaves(start: Start, tmp_path: Path) -> None:
    """As ``asyncio.run`` does it: what a command has left open runs its ``finally`` blocks."""
    output = tmp_path / "output.txt"
    session = start(WORKER, output=str(output))
    assert 0 == session.call("open_generator")
    session.please_exit(60_000)
    session.close()
    assert "the generator is closed\n" == output.read_text()


def test_a_setup_that_fails_leaves_no_loop_open() -> None:
    """Of a worker with coroutines."""

    class Failing(TechRenaissanceServer):
        @command
        async def nothing(self) -> None:
            pass

        def setup(self) -> None:
            raise ValueError("setup")

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(ValueError, match="setup"):
            call(Failing(), "nothing")
        gc.collect()
    assert [] == warned
