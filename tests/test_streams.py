"""Streams: what a generator yields comes item by item, and whatever ends one ends nothing else."""

import contextlib
import random
import threading
from pathlib import Path
from typing import Any, Callable, List, Optional

import numpy as np
import pytest
from asyncio_host import asyncio_too
from gates import Gate
from late import cancelled_or_late, late
from leaks import wait_until

from tech_renaissance import (
    CallCancelled,
    CommandError,
    LocalProtocolError,
    RemoteProtocolError,
    RestartPolicy,
    SessionClosed,
    TimedOut,
    WorkerLost,
)

pytestmark = asyncio_too

Start = Callable[..., Any]
WORKER = "streams.py"


@pytest.mark.asyncio_over_files
def test_items_come_in_order_and_then_the_result(start: Start) -> None:
    """None, one, and many more than there is credit for."""
    session = start(WORKER)
    for end in (0, 1, 16, 17, 300):
        stream = session.stream("count", end)
        assert list(range(end)) == list(stream)
        assert "that was all" == stream.result()
        assert [] == list(stream)
    assert ["0", "1", "2"] == list(session.stream("iterator", 3))


def test_a_plain_call_gets_the_items_as_a_list(start: Start) -> None:
    """A text call as well; too many are refused."""
    session = start(WORKER)
    assert [0, 1, 2] == session.call("count", 3)
    assert "[0,1,2]" == session.fetch_response("count 3")
    with pytest.raises(CommandError) as refused:
        session.call("count", 10_001)
    assert "too_large" == refused.value.code
    assert session.call("closings") == session.call("beginnings")


@pytest.mark.asyncio_over_files
def test_each_value_is_what_it_was_when_it_was_yielded(start: Start) -> None:
    """Whatever its generator does to it afterwards."""
    session = start(WORKER)
    for values in (session.stream("weights", 3), session.call("weights", 3)):
        for number, value in enumerate(values):
            assert {"weights", "loss"} == set(value)
            assert [number + 1.0] * 3 == value["weights"].tolist()
            assert list(range(number + 1)) == value["loss"]


def test_a_command_that_is_no_generator_has_no_items(start: Start) -> None:
    """Only its result, even if that is a list."""
    session = start(WORKER)
    stream = session.stream("closings")
    assert [] == list(stream)
    assert 0 == stream.result()


def test_items_carry_tensors_and_bytes(start: Start) -> None:
    """They stay when the stream is over."""
    items: List[Any] = list(start(WORKER).stream("tensors", 40))
    for number, item in enumerate(items):
        assert (number, b"x" * number) == (item["number"], item["raw"])
        np.testing.assert_array_equal(np.full(100, number, np.float32), item["tensor"])


def test_an_error_comes_after_the_items_before_it(start: Start, transport: str) -> None:
    """The generator's own, that of an item that cannot be sent, and the worker's death."""
    session = start(WORKER)
    for args, options, error, code in (
        (("count", 50), {"fail_at": 30}, CommandError, "command_failed"),
        (("bad_item",), {}, CommandError, "command_failed"),
        (("count",), {}, CommandError, "wrong_arguments"),
        (("no-such",), {}, CommandError, "unknown_command"),
        (("count", 50), {"die_at": 30}, WorkerLost, "worker_lost"),
    ):
        got: List[Any] = []
        with pytest.raises(error) as raised:
            for item in session.stream(*args, **options):
                got.append(item)  # noqa: PERF402 - those before the error count
        assert code == raised.value.code
        if transport == "shm":
            assert len(got) == (30 if options else 1 if args == ("bad_item",) else 0)


@pytest.mark.files
@pytest.mark.asyncio_over_files
def test_an_answer_that_is_no_list_of_values_and_a_result_is_refused(start: Start) -> None:
    """Each time the stream is asked, over files; the next one is as it should be."""
    session = start("malformed.py")
    for text in ("5", "null", "[]", "[[1]]", "[[1],2,3]", "[5,6]", '["hi","ho"]', '{"a":[],"b":1}', '"hi"'):
        stream = session.stream("say", text)
        for ask in (stream.__next__, stream.result):
            with pytest.raises(RemoteProtocolError) as refused:
                ask()
            assert "bad_value" == refused.value.code
            assert "the answer to a stream is not [values, result]" in str(refused.value)
    stream = session.stream("say", "[[1, 2], 3]")
    assert ([1, 2], 3) == (list(stream), stream.result())


@pytest.mark.asyncio_over_files
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("bad_item", "what 'bad_item' yielded: [1] is of type set, which cannot be sent"),
        ("bad_item_and_on", "what 'bad_item_and_on' yielded: [1] is of type set, which cannot be sent"),
        ("bad_end", "what 'bad_end' returned: the value is of type set, which cannot be sent"),
        ("huge_item", "Unable to allocate"),
    ],
)
def test_what_cannot_be_sent_is_told_with_its_place(start: Start, name: str, problem: str) -> None:
    """The same over each transport; the worker stays."""
    session = start(WORKER)
    pid = session.call("pid")
    stream = session.stream(name)
    with pytest.raises(CommandError) as raised:
        for item in stream:
            assert 1 == item
        stream.result()
    assert problem in str(raised.value)
    assert (name == "huge_item") == session.call("closings")
    assert pid == session.call("pid")


def test_streams_and_calls_take_turns(start: Start, transport: str) -> None:
    """Two streams at once, and a call in the middle of the loop."""
    session = start(WORKER)
    one, other = session.stream("count", 60), session.stream("count", 60)
    assert [(n, n) for n in range(60)] == [pair[:2] for pair in zip(one, other)]
    assert [] == list(other)
    before = session.call("closings")
    for item in session.stream("count", 60):
        if transport == "shm" and item == 10:
            assert before == session.call("closings")
    assert before + 1 == session.call("closings")


def test_leaving_the_loop_closes_the_generator_and_nothing_else(start: Start, transport: str) -> None:
    """However it is left; the worker stays."""
    session = start(WORKER)
    pid = session.call("pid")
    for item in session.stream("count", 1000):
        if item == 20:
            break
    del item
    with session.stream("count", 1000) as stream:
        next(stream)
    with contextlib.suppress(ZeroDivisionError):
        for _ in session.stream("count", 1000):
            raise ZeroDivisionError
    session.stream("count", 1000).close()
    stream.close()
    assert [] == list(stream)
    if transport == "shm":
        with pytest.raises(LocalProtocolError) as closed:
            stream.result()
        assert "no_request" == closed.value.code
    assert wait_until(lambda: session.call("closings") == session.call("beginnings"))
    assert session.call("beginnings") >= (3 if transport == "shm" else 1)
    assert pid == session.call("pid")


def test_a_stream_that_is_closed_before_its_turn_never_begins(
    start: Start, transport: str, gate: Gate
) -> None:
    """Although another one is closed before, after which the worker has nothing else to do."""
    if transport == "file":
        pytest.skip("over files a stream is never suspended")
    session = start(WORKER)
    first = session.stream("count", 1000)
    assert 0 == next(first)
    busy = session.submit("stand", gate.path)
    gate.wait_for_arrival()
    session.stream("count", 1000).close()
    first.close()
    gate.open()
    busy.result(60_000)
    assert (1, 1) == (session.call("closings"), session.call("beginnings"))


def test_a_timeout_ends_a_wait_and_not_the_stream(start: Start, gate: Gate, transport: str) -> None:
    """The item comes later."""
    stream = start(WORKER).stream("gated", gate.path)
    if transport == "shm":
        assert "before" == next(stream)
    with pytest.raises(TimedOut) as timed_out:
        stream.next(20)
    assert "timed_out" == timed_out.value.code
    gate.wait_for_arrival()
    gate.open()
    assert "after" == list(stream)[-1]


def test_the_result_is_waited_for_as_the_stream_says(start: Start, gate: Gate, host: str) -> None:
    """Unless it is given a timeout of its own."""
    if host == "cpp":
        pytest.skip("the streams of its driver have a timeout for each value alone")
    stream = start(WORKER).stream("gated", gate.path, timeout_ms=20)
    with pytest.raises(TimedOut) as timed_out:
        stream.result()
    assert "timed_out" == timed_out.value.code
    gate.wait_for_arrival()
    gate.open()


@pytest.mark.parametrize("deaf", [False, True])
def test_a_cancelled_stream_is_ended_by_the_ladder(
    start: Start, transport: str, tmp_path: Path, deaf: bool
) -> None:
    """Like any other call."""
    if transport == "file":
        pytest.skip("over files the items come all at once")
    session = start(WORKER)
    sign = tmp_path / "sign"
    stream = session.stream("endless", str(sign), deaf=deaf)
    assert 1 == next(stream)
    assert wait_until(sign.exists)
    stream.cancel()
    with pytest.raises(CallCancelled) as cancelled:
        next(stream)
    assert cancelled.value.step in (("terminate", "kill") if deaf else ("notice", "interrupt"))
    if not deaf:
        assert 1 == session.call("closings")


def test_a_suspended_stream_is_closed_when_it_is_cancelled(start: Start, transport: str) -> None:
    """It waits for credit, and the worker for anything."""
    if transport == "file":
        pytest.skip("over files a stream is never suspended")
    session = start(WORKER)
    stream = session.stream("count", 1000)
    assert 0 == next(stream)
    assert session.call("closings") == 0
    stream.cancel()
    with pytest.raises(CallCancelled) as cancelled:
        list(stream)
    assert "notice" == cancelled.value.step
    assert 1 == session.call("closings")


@pytest.mark.parametrize("end", ["cancel", "deadline"])
@pytest.mark.parametrize("has_credit", [False, True])
def test_a_suspended_stream_is_over_at_once_although_its_worker_is_busy(
    start: Start, transport: str, gate: Gate, has_credit: bool, end: str
) -> None:
    """With another call, which goes on. It waits for credit, or only for its turn."""
    if transport == "file":
        pytest.skip("over files a stream is never suspended")
    session = start(WORKER)
    pid = session.call("pid")
    ended = 0

    def suspend(deadline_ms: Optional[int]) -> None:
        nonlocal ended
        stream = session.stream("count", 100, deadline_ms=deadline_ms)
        assert 0 == next(stream)
        for _ in range(20):  # so that it has used up its credit
            session.call("closings")
        busy = session.stream("gated", gate.path)
        assert "before" == next(busy)
        gate.wait_for_arrival()
        try:
            if has_credit:
                assert list(range(1, 16)) == [next(stream) for _ in range(15)]
            if deadline_ms is None:
                stream.cancel()
            list(stream)
        finally:
            gate.open()
            assert ["after"] == list(busy)
            ended += 1

    error = cancelled_or_late(end, suspend, lambda _: ended > 0)
    assert "notice" == error.step
    assert 1 <= session.call("closings")
    assert pid == session.call("pid")


def test_the_sessions_cancel_spares_a_suspended_stream(start: Start, transport: str, tmp_path: Path) -> None:
    """While anything else is in work."""
    if transport == "file":
        pytest.skip("over files a stream is never suspended")
    session = start(WORKER)
    suspended = session.stream("count", 100)
    assert 0 == next(suspended)
    busy = session.stream("endless", str(tmp_path / "sign"))
    assert 1 == next(busy)
    assert wait_until((tmp_path / "sign").exists)
    assert session.cancel() in ("notice", "interrupt")
    with pytest.raises(CallCancelled):
        next(busy)
    assert list(range(1, 100)) == list(suspended)


def test_a_deadline_covers_the_whole_stream(start: Start, transport: str, tmp_path: Path) -> None:
    """Not each item."""
    if transport == "file":
        pytest.skip("over files the items come all at once")
    session = start(WORKER)
    assert session.wait_until_ready(60_000)
    items: List[int] = []

    def take(deadline_ms: int) -> None:
        items.extend(session.stream("endless", str(tmp_path / "sign"), deadline_ms=deadline_ms))

    error = late(take, lambda _: bool(items))
    assert ("deadline_passed", [1]) == (error.code, items)


def test_a_stream_begins_again_only_if_nothing_was_taken(start: Start, transport: str) -> None:
    """After a crash."""
    session = start(WORKER, restart="on-crash", restart_policy=RestartPolicy(first_backoff_ms=1))
    stream = session.stream("count", 5, idempotent=True, die_at=None)
    assert [0, 1, 2, 3, 4] == list(stream)
    stream = session.stream("count", 40, idempotent=True, die_at=30)
    if transport == "shm":
        assert 0 == next(stream)
    with pytest.raises(WorkerLost):
        list(stream)
    assert 0 == session.call("beginnings")


def test_a_session_that_ends_ends_its_streams(start: Start, transport: str) -> None:
    """Those that rest, too; a worker that leaves serves none for ever."""
    session = start(WORKER)
    streams = [session.stream("count", 1000) for _ in range(3)]
    next(streams[0])
    session.please_exit(60_000)
    session.start()
    assert [0, 1] == session.call("count", 2)
    last = session.stream("count", 1000)
    session.close()
    if transport == "shm":
        with pytest.raises(SessionClosed):
            list(last)


def _take_some(stream: Any, chance: random.Random) -> List[Any]:
    """Take items until the end, or until the stream is left in some way."""
    got: List[Any] = []
    most = chance.choice([1, 4, 20, 1000])
    with contextlib.suppress(CallCancelled, CommandError, WorkerLost):
        for item in stream:
            got.append(item)
            if len(got) == most:
                chance.choice([stream.close, stream.cancel, stream.result])()
                break
    return got


def test_threads_that_leave_their_streams_disturb_nobody(start: Start) -> None:
    """Nor does the worker's death; items are whole, and in order."""
    session = start(WORKER, restart="on-crash", restart_policy=RestartPolicy(first_backoff_ms=1, limit=100))
    wrong: List[Any] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(12):
            end = chance.randrange(60)
            die_at = end // 2 if (seed, number) == (0, 6) else None
            got = _take_some(session.stream("count", end, chance.choice([None, 5]), die_at), chance)
            if got != list(range(len(got))):
                wrong.append(got)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == wrong
    assert [0, 1] == session.call("count", 2)
