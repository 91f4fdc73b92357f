"""Commands that are coroutines: they run at the same time as one another, and what ends one ends no other."""

from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import numpy as np
import pytest
from asyncio_host import asyncio_everywhere, asyncio_too
from command_calls import call, fail, say
from gates import Gate
from hosts import WORKERS
from late import cancelled_or_late, late
from leaks import wait_until

from tech_renaissance import (
    CallCancelled,
    CancelPatience,
    CommandError,
    PythonSession,
    SessionClosed,
    TechRenaissanceServer,
    TimedOut,
    command,
)

Start = Callable[..., Any]
WORKER = "coroutines.py"


@pytest.fixture
def session(workspace: Path, transport: str) -> Iterator[PythonSession]:
    """Of the Python host; the worker knows no difference."""
    with PythonSession(WORKERS / WORKER, "coroutines", library="numpy") as session:
        yield session


@asyncio_everywhere
def test_both_hosts_call_coroutines(start: Start) -> None:
    """With values and by text; what they raise and cannot return is told as of any command."""
    session = start(WORKER)
    assert session.call("echo", {"a": [1, None]}) == {"a": [1, None]}
    assert session.fetch_response("shout out loud") == "OUT LOUD"
    assert session.calculate("echo", np.ones(3)).tolist() == [1, 1, 1]
    assert session.call("total", np.ones(3)) == 3.0
    with pytest.raises(CommandError, match="ValueError: so it is") as caught:
        session.call("fail", "so it is")
    assert "raise ValueError(message)" in caught.value.remote_traceback
    with pytest.raises(CommandError, match="what 'a_set' returned: the value is of type set"):
        session.call("a_set")
    with pytest.raises(CommandError, match=r"wrong arguments for shout\(name: str\) -> str"):
        session.call("shout", 5)


def test_many_run_at_the_same_time(session: PythonSession) -> None:
    """Each waits for what another call brings; their answers come in the order of their ends, and plain commands run between them."""
    waiting = [session.submit("wait_for", f"key {number}") for number in range(60)]
    session.call("put", "key 5", "first")
    assert waiting[5].result(10_000) == "first"
    assert not waiting[0].done()
    assert list(session.stream("count", 40)) == list(range(40))
    for number in range(60):
        session.call("put", f"key {number}", number)
    assert [future.result(10_000) for future in waiting if future is not waiting[5]] == [
        number for number in range(60) if number != 5
    ]
    more = [session.submit("echo", number) for number in range(300)]
    assert [future.result(10_000) for future in more] == list(range(300))
    assert session.call("block", 0.01) == "blocked"


@asyncio_everywhere
def test_a_call_that_waits_behind_as_many_as_a_worker_takes_says_so(start: Start) -> None:
    """As those do that wait in functions of the host for a call that cannot begin."""
    session = start(WORKER)
    waiting = [session.submit("wait_for", "nothing") for _ in range(63)]
    wait_until(lambda: waiting[-1].state() == "running")
    with pytest.raises(TimedOut, match="the worker has 63 calls in work, as many as it takes"):
        session.call("echo", 1, timeout_ms=300)
    waiting[0].cancel()
    assert session.call("echo", 2) == 2


def test_a_coroutine_has_the_services_of_its_server(session: PythonSession) -> None:
    """Those of its own call, also in tasks that it starts; and asyncio's: threads, sockets."""
    waiting = session.submit("wait_for", "the end")
    assert session.call("look", deadline_ms=60_000) == [False, True, [False, True]]
    assert session.call("look") == [False, False, [False, False]]
    assert session.call("from_a_thread") == "from a thread"
    assert session.call("talk", "to itself") == "TO ITSELF"
    session.call("put", "the end", 1)
    assert waiting.result(10_000) == 1


def test_a_coroutine_that_never_waits_is_a_task_as_any_other(session: PythonSession) -> None:
    """What it starts goes on after its answer; what it raises is told, and may end the worker."""
    for number in range(3):
        key = f"key {number}"
        assert session.call("at_once", key) == [True, False]
        assert session.call("wait_for", key, timeout_ms=10_000) is False
        wait_until(lambda key=key: {f"{key} soon", f"{key} later"} <= set(session.call("beginnings")))
    with pytest.raises(CommandError, match="ValueError: so it is") as caught:
        session.call("fail_at_once", "value")
    assert caught.value.remote_traceback.count("File") == 1
    with pytest.raises(CommandError) as cancelled:
        session.call("fail_at_once", "cancelled")
    assert cancelled.value.code == "command_failed"
    with pytest.raises(CommandError, match="SystemExit: 4"):
        session.call("fail_at_once", "exit")
    wait_until(lambda: session.post_mortem() is not None)
    record = session.post_mortem()
    assert record is not None
    assert record.exit_status == 4


def test_a_call_that_is_over_ends_its_coroutine_and_no_other(session: PythonSession, transport: str) -> None:
    """At its deadline, and by cancel: CancelledError is raised where it waits, and its finally blocks run."""
    other = session.submit("wait_for", "other")
    assert session.call("shout", "it has begun") == "IT HAS BEGUN"
    error = late(
        lambda deadline_ms: session.call("wait_for", "late", deadline_ms=deadline_ms),
        lambda _: "late" in session.call("beginnings"),
    )
    assert ("deadline_passed", "interrupt" if transport == "file" else "notice") == (error.code, error.step)
    future = session.submit("wait_for", "unwanted")
    wait_until(lambda: "unwanted" in session.call("beginnings"))
    future.cancel()
    with pytest.raises(CallCancelled):
        future.result(10_000)
    wait_until(lambda: len(session.call("endings")) == 4)
    assert session.call("endings") == ["late", "finally late", "unwanted", "finally unwanted"]
    session.call("put", "other", "still there")
    assert other.result(10_000) == "still there"


@asyncio_too
@pytest.mark.parametrize("end", ["cancel", "deadline"])
def test_a_coroutine_is_over_at_once_although_its_worker_is_busy(
    start: Start, transport: str, gate: Gate, end: str
) -> None:
    """With a plain command, which goes on; the coroutine does not."""
    if transport == "file":
        pytest.skip("over files one call comes after the other")
    session = start(WORKER)
    pid = session.call("pid")
    came = 0

    def hold_up(deadline_ms: Optional[int]) -> None:
        nonlocal came
        held = session.submit("wait_for", "nothing", deadline_ms=deadline_ms)
        assert wait_until(lambda: held.state() in ("running", "done"))
        busy = session.submit("stand", gate.path)
        gate.wait_for_arrival()
        if not held.done():
            came += 1
        try:
            if deadline_ms is None:
                held.cancel()
            held.result(60_000)
        finally:
            gate.open()
            assert busy.result(60_000) is None

    error = cancelled_or_late(end, hold_up, lambda _: came > 0)
    assert "notice" == error.step
    assert wait_until(lambda: "finally nothing" in session.call("endings"))
    assert pid == session.call("pid")


@asyncio_everywhere
def test_calls_that_hold_up_each_other_are_ended_together(start: Start, transport: str) -> None:
    """A coroutine, and a command that holds it up and needs an interrupt."""
    if transport == "file":
        pytest.skip("over files one call comes after the other")
    session = start(WORKER, patience=CancelPatience(interrupt_ms=60_000))
    pid = session.call("pid")
    first = session.submit("wait_for", "nothing")
    second = session.submit("block", 3600)
    assert wait_until(lambda: (first.state(), second.state()) == ("running", "running"))
    first.cancel()
    second.cancel()
    for future in (first, second):
        with pytest.raises(CallCancelled):
            future.result()
    assert pid == session.call("pid")


def test_a_worker_leaves_past_its_coroutines(start: Start) -> None:
    """They have a second, then they are cancelled, because of the exit and not of themselves."""
    session = start(WORKER)
    waiting = session.submit("wait_for", "nothing")
    assert session.call("echo", "x") == "x"
    session.please_exit(20_000)
    with pytest.raises(SessionClosed, match="the worker was asked to exit, and cancelled 'wait_for'"):
        waiting.result(10_000)
    record = session.post_mortem()
    assert record is not None
    assert record.exit_status == 0


def test_a_coroutine_may_end_its_worker(session: PythonSession) -> None:
    """As any command may, with sys.exit."""
    with pytest.raises(CommandError, match="SystemExit: 3"):
        session.call("leave", 3)
    wait_until(lambda: session.post_mortem() is not None)
    record = session.post_mortem()
    assert record is not None
    assert record.exit_status == 3


def test_a_coroutine_answers_without_a_session() -> None:
    """For tests of a worker's own."""

    class Server(TechRenaissanceServer):
        @command
        async def double(self, value: int) -> int:
            return 2 * value

    assert call(Server(), "double", 4) == 8
    assert say(Server(), "double", "4").result == "8"
    assert fail(Server(), "double", "x").code == "wrong_arguments"
