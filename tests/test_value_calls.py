"""Calls that carry values, and futures: the same of both hosts, over each transport."""

import math
import os
import random
import threading
from typing import Any, Callable, List

import numpy as np
import pytest
from asyncio_host import asyncio_too
from driver_session import DriverFuture
from gates import Gate
from leaks import wait_until

from tech_renaissance import (
    CallCancelled,
    CommandError,
    LocalProtocolError,
    RemoteProtocolError,
    RestartPolicy,
    SessionClosed,
    TechRenaissanceError,
    TimedOut,
    WorkerLost,
)

pytestmark = asyncio_too

Start = Callable[..., Any]
WORKER = "value_calls.py"


@pytest.mark.asyncio_over_files
def test_values_arrive_as_they_were_sent(start: Start) -> None:
    """There and back, alone and in one another, short and long."""
    session = start(WORKER)
    values: List[Any] = [
        None, True, 0, -(2**63), 2**63 - 1, 1.0, -0.0, 1e300, math.inf, "", "text", "\u95ee \0 \U0001f600", b"", b"\0\xff",
        [], [1, "a", None], list(range(100)), [0.5] * 100, {}, {"$": 1, "a": {"b": [b"x"]}},
    ]  # fmt: skip
    for value in [*values, values]:
        got = session.call("same", value)
        assert (value, type(value)) == (got, type(got))
    assert math.isnan(session.call("same", math.nan))
    assert "x" * 200_000 == session.call("same", "x" * 200_000)


def test_arguments_go_by_place_and_by_name(start: Start) -> None:
    """Several of each; the result may be of another kind than they are."""
    session = start(WORKER)
    assert [1, "b", {"c": 2.5, "d": None}] == session.call("same", 1, "b", c=2.5, d=None)
    assert session.call("same") is None


def test_tensors_are_arguments_and_results_at_any_depth(start: Start) -> None:
    """What happens to them afterwards does not matter."""
    session = start(WORKER)
    tensor = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(2 * tensor, session.call("scaled", tensor, by=2.0))
    got = session.call("same", {"a": [tensor, b"raw"], "n": 3}, tensor)
    np.testing.assert_array_equal(tensor, got[0]["a"][0])
    np.testing.assert_array_equal(tensor, got[1])
    session.call("keep", tensor)
    session.call("keep", {"kept": session.call("get_kept")})
    np.testing.assert_array_equal(tensor, session.call("get_kept")["kept"])


def test_what_is_wrong_with_a_call_is_said(start: Start) -> None:
    """And the session goes on."""
    session = start(WORKER)
    for command, args, code in (("scaled", (), "wrong_arguments"), ("unknown", (1,), "unknown_command")):
        with pytest.raises(CommandError) as refused:
            session.call(command, *args)
        assert code == refused.value.code
    with pytest.raises(CommandError, match="no luck") as failed:
        session.call("fail", "no luck")
    assert ("command_failed", "ValueError") == (failed.value.code, failed.value.remote_type)
    for command in ("", "two words", "exit", "{}"):
        with pytest.raises(LocalProtocolError) as local:
            session.call(command)
        assert "bad_message" == local.value.code


def test_the_type_that_a_program_wants_is_taken_or_refused_with_the_path(start: Start, host: str) -> None:
    """C++ only."""
    if host != "cpp":
        pytest.skip("Python has no types to ask for")
    session = start(WORKER)
    assert 3.0 == session.call("same", 3, as_type="double")
    assert session.call("same", 3, as_type="void") is None
    layers = {"layers": [{"width": 3}, {"rate": 0.5, "width": -7}]}
    wanted = {"layers": [{"width": 3, "rate": None}, {"width": -7, "rate": 0.5}]}
    assert wanted == session.call("same", layers, as_type="layers")
    for value, as_type, message in (
        ("text", "double", "a string where a float is wanted"),
        (1, "string", "an int where a string is wanted"),
        ({"layers": [{"width": 1}, {"width": 300}]}, "layers", r"layers\[1\]\.width: 300 does not fit int8"),
        ({"layers": [{"depth": 1}]}, "layers", r"layers\[0\]: no field 'depth'"),
    ):
        with pytest.raises(CommandError, match=f"^same: .*{message}") as refused:
            session.call("same", value, as_type=as_type)
        assert "wrong_type" == refused.value.code


def test_many_calls_are_under_way_at_once(start: Start) -> None:
    """More than the worker has room for, each with its own answer, in whatever order they are asked for."""
    session = start(WORKER)
    futures = [session.submit("same", [number, "x" * 1000]) for number in range(600)]
    for number in (599, 0, 300):
        assert number == futures[number].result()[0]
    assert "text" == session.call("same", "text")
    rest = [number for number in range(600) if number not in (599, 0, 300)]
    assert rest == [futures[number].result()[0] for number in rest]


def test_a_future_tells_where_its_call_is(start: Start, gate: Gate, transport: str) -> None:
    """From the line to the answer."""
    session = start(WORKER)
    first = session.submit("wait", gate.path, "first")
    others = [session.submit("same", number) for number in range(300)]
    gate.wait_for_arrival()
    assert not first.done()
    if transport == "shm":
        assert "running" == first.state()
        assert "sent" == others[0].state()
    assert "queued" == others[-1].state()
    with pytest.raises(TimedOut):
        first.result(0)
    gate.open()
    assert 299 == others[-1].result()
    assert (True, "done") == (first.done(), first.state())
    assert "first" == first.result()


def test_a_cancelled_call_ends_and_no_other(start: Start, gate: Gate) -> None:
    """In work, sent, and in line."""
    session = start(WORKER)
    at_work = session.submit("wait", gate.path, deadline_ms=60_000)
    others = [session.submit("same", number) for number in range(400)]
    gate.wait_for_arrival()
    for number in (0, 399):
        others[number].cancel()
        with pytest.raises(CallCancelled) as cancelled:
            others[number].result()
        assert "queue" == cancelled.value.step
    at_work.cancel()
    with pytest.raises(CallCancelled) as cancelled:
        at_work.result(60_000)
    assert cancelled.value.step in ("notice", "interrupt")
    assert list(range(1, 399)) == [future.result() for future in others[1:-1]]


@pytest.mark.parametrize("end", ["cancel", "stop"])
def test_a_call_that_has_its_answer_keeps_it(start: Start, transport: str, gate: Gate, end: str) -> None:
    """Also if nobody has looked at it: nobody says that the call had not begun."""
    session = start(WORKER)
    answered = session.submit("same", "answered")
    if transport == "file":
        assert wait_until(lambda: os.path.exists(f"{session.session_dir}/response.json"))
    else:
        behind = session.submit("wait", gate.path)
        gate.wait_for_arrival()
    getattr(answered, end)()
    assert "answered" == answered.result(60_000)
    if transport != "file":
        gate.open()
        behind.result(60_000)


def test_a_dropped_future_drops_its_answer_alone(start: Start, gate: Gate) -> None:
    """A call that was not sent is not sent any more."""
    session = start(WORKER)
    first = session.submit("wait", gate.path)
    gate.wait_for_arrival()
    others = [session.submit("keep", number) for number in range(600)]
    last = session.submit("get_kept")
    for other in others:
        if isinstance(other, DriverFuture):
            other.drop()
    del others, other
    gate.open()
    kept = last.result()
    assert first.done()
    assert kept is None or kept < 599


def test_looking_at_the_last_call_moves_those_before_it(start: Start, transport: str, gate: Gate) -> None:
    """Who only asks whether it is done, or where it is, need not wait for anything else."""
    session = start(WORKER)
    before = [session.submit("wait", gate.path)]
    before += [session.submit("same", number) for number in range(20 if transport == "file" else 400)]
    last = session.submit("same", "last")
    gate.wait_for_arrival()
    gate.open()
    assert wait_until(lambda: last.state() == "done")
    assert last.done()
    assert "last" == last.result()


def test_flush_gives_the_worker_what_is_in_line(start: Start, gate: Gate) -> None:
    """As far as it has room."""
    session = start(WORKER)
    first = session.submit("wait", gate.path)
    futures = [session.submit("same", number) for number in range(400)]
    gate.wait_for_arrival()
    assert not session.flush(0)
    gate.open()
    assert session.flush(60_000)
    assert "queued" not in {future.state() for future in futures}
    assert 399 == futures[-1].result()
    assert first.done()


def test_futures_end_with_their_worker_and_session(start: Start, gate: Gate) -> None:
    """Those that have an answer keep it."""
    session = start(WORKER)
    done = session.submit("same", "done")
    assert "done" == session.submit("same", "done").result()
    dead = session.submit("die")
    behind = session.submit("same", 1)
    for future in (dead, behind):
        with pytest.raises(WorkerLost):
            future.result(60_000)
    session.start()
    open_call = session.submit("wait", gate.path)
    gate.wait_for_arrival()
    session.close()
    with pytest.raises(SessionClosed):
        open_call.result()
    open_call.cancel()
    assert done.done()
    assert "done" == done.result()


def test_a_restarted_worker_gets_what_the_first_one_had_not_begun(make_session: Start) -> None:
    """With the arguments that it had."""
    session = make_session(WORKER, restart="on-crash")
    session.start()
    pid = session.call("pid")
    dead = session.submit("die")
    tensor = np.arange(5.0)
    futures = [session.submit("scaled", tensor, by=float(number)) for number in range(20)]
    with pytest.raises(WorkerLost):
        dead.result()
    for number, future in enumerate(futures):
        np.testing.assert_array_equal(number * tensor, future.result(60_000))
    assert pid != session.call("pid")


@pytest.mark.parametrize("end", ["cancel", "stop"])
def test_whoever_waits_for_a_call_hears_of_its_end_while_the_next_worker_is_on_its_way(
    make_session: Start, gate: Gate, end: str
) -> None:
    """Which may take a while."""
    policy = RestartPolicy(first_backoff_ms=600_000, max_backoff_ms=600_000)
    session = make_session(WORKER, restart="on-crash", restart_policy=policy)
    session.start()
    first = session.submit("wait", gate.path)  # else the worker could be dead before it has them all
    dead = session.submit("die")
    behind = session.submit("same", 1)
    gate.open()
    first.result()
    errors: List[TechRenaissanceError] = []

    def wait() -> None:
        with pytest.raises(CallCancelled) as caught:
            behind.result(500_000)
        errors.append(caught.value)

    with pytest.raises(WorkerLost):
        dead.result()
    thread = threading.Thread(target=wait)
    thread.start()
    getattr(behind, end)()
    thread.join()
    assert ["queue"] == [error.step for error in errors]


def test_an_older_worker_is_told_from_a_wrong_call(make_session: Start, transport: str) -> None:
    """It still serves text."""
    if transport != "file":
        pytest.skip("an older worker serves over files")
    session = make_session("older_worker.py")
    session.start()
    with pytest.raises(RemoteProtocolError) as refused:
        session.call("hello", "world")
    assert "old_protocol" == refused.value.code
    text = (
        "'hello' needs protocol 2, and this worker speaks protocol 1: update tech-renaissance in its Python"
    )
    assert text == str(refused.value)
    assert "Hello world" == session.fetch_response("hello world")


def _take_or_leave(future: Any, mine: Any, chance: random.Random) -> Any:
    """Cancel it, drop it, or wait for it; what is wrong with what it gives."""
    what = chance.randrange(4)
    if what == 0:
        future.cancel()
    if what == 1:
        return None
    try:
        value = future.result(60_000)
    except (CallCancelled, WorkerLost):
        return None
    except TechRenaissanceError as error:
        return error
    return None if value == mine else value


def test_threads_that_submit_cancel_and_drop_disturb_nobody(
    make_session: Start, host: str, transport: str
) -> None:
    """Nor does the worker's death; whatever ends with a value ends with its own."""
    policy = RestartPolicy(first_backoff_ms=1, limit=1000)
    session = make_session(WORKER, restart="on-crash", restart_policy=policy)
    session.start()
    wrong: List[Any] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(60):
            mine = [seed, number]
            futures = [session.submit("same", mine, idempotent=True) for _ in range(chance.randrange(1, 8))]
            if number == 30:
                futures.append(session.submit("die", mine))
            wrong.extend(filter(None, [_take_or_leave(future, mine, chance) for future in futures]))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == wrong
    assert "still here" == session.call("same", "still here")
