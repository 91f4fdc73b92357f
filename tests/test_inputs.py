"""Inputs: the values of an iterator are sent one after another, as the command takes them."""

import asyncio
import itertools
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, AsyncIterator, Callable, Iterator, List

import numpy as np
import pytest
from asyncio_host import asyncio_everywhere, asyncio_too, python_hosts
from gates import Gate
from leaks import wait_until
from processes import is_alive, kill

from tech_renaissance import CallCancelled, CommandError, LocalProtocolError, TimedOut, WorkerLost

Start = Callable[..., Any]
WORKER = "talkers.py"


@asyncio_everywhere
def test_an_iterator_is_the_input_of_a_call(start: Start) -> None:
    """By place and by name; of any length; with tensors; of a stream, too."""
    session = start(WORKER)
    for count in (0, 1, 16, 17, 1000):
        assert sum(range(count)) == session.call("total", iter(range(count)))
    assert 6.0 == session.call("total", numbers=(number for number in (1, 2, 3)))
    values = [{"tensor": np.full(100, number), "raw": b"x"} for number in range(40)]
    got = session.stream("echo_input", iter(values))
    for value, item in zip(values, got):
        np.testing.assert_array_equal(value["tensor"], item["tensor"])
    assert 40 == got.result()
    assert 1 == session.call("same", 1)


@asyncio_too
def test_a_command_may_return_without_taking_all(start: Start, transport: str) -> None:
    """The iterator is closed then; what came is dropped."""
    session = start(WORKER)
    closed: List[int] = []

    def numbers() -> Iterator[int]:
        try:
            for number in range(5000):
                yield number
                closed.append(number)
        finally:
            closed.append(-1)

    assert 3.0 == session.call("total", numbers(), most=3)
    assert -1 == closed[-1]
    assert transport == "file" or len(closed) < 200
    assert 1 == session.call("same", 1)


@pytest.mark.asyncio_over_files
@python_hosts
def test_an_iterator_is_closed_when_its_call_is_given_up(start: Start, transport: str) -> None:
    """By its timeout, or because the input cannot travel; and with its stream."""
    session = start(WORKER)
    closed: List[bool] = []

    def numbers(count: int) -> Iterator[int]:
        try:
            yield from range(count)
        finally:
            closed.append(True)

    endless = numbers(sys.maxsize)
    with pytest.raises(TimedOut if transport == "shm" else LocalProtocolError):
        session.call("total", endless, timeout_ms=50)
    assert [True] == closed
    some = numbers(100)
    stream = session.stream("echo_input", some)
    assert 0 == next(stream)
    stream.close()
    assert wait_until(lambda: len(closed) == 2)
    assert 1 == session.call("same", 1)


@asyncio_everywhere
def test_a_call_with_an_input_can_be_ended_while_its_worker_starts(start: Start, gate: Gate) -> None:
    """By the session's cancel, and by its deadline; nothing is taken from the input."""
    session = start("slow_start.py", environment={"GATE": gate.path})
    numbers = iter([1, 2])
    with ThreadPoolExecutor(1) as threads:
        for begin in (
            lambda: session.call("total", numbers),
            lambda: session.stream("total", numbers).result(),
        ):
            call = threads.submit(begin)
            assert wait_until(lambda: session.cancel() == "queue")
            with pytest.raises(CallCancelled) as cancelled:
                call.result()
            assert "queue" == cancelled.value.step
    with pytest.raises(TimedOut) as late:
        session.call("total", numbers, deadline_ms=50)
    assert ("deadline_passed", "queue") == (late.value.code, late.value.step)
    assert "" == session.cancel()
    assert "starting" == session.state().name
    assert [1, 2] == list(numbers)
    gate.open()
    assert "on" == session.fetch_response("echo on")


@asyncio_too
def test_what_the_iterator_raises_gives_the_call_up(start: Start, host: str) -> None:
    """So does a value that cannot be sent; a value that does not fit is the command's error."""
    session = start(WORKER)

    def fails() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        session.call("total", fails())
    with pytest.raises(ValueError, match="no more"):
        list(session.stream("echo_input", fails()))
    if host != "cpp":  # to which it could not be handed over
        with pytest.raises(LocalProtocolError) as refused:
            session.call("total", iter([{1, 2}]))
        assert "bad_value" == refused.value.code
    with pytest.raises(CommandError):
        session.call("total", iter(["text"]))
    assert 1 == session.call("same", 1)


@pytest.mark.parametrize("host", ["python"], indirect=True)
def test_an_asynchronous_iterator_is_refused_where_nothing_can_await_it(start: Start) -> None:
    """That is no input of a plain session's."""

    async def numbers() -> AsyncIterator[int]:
        yield 1

    session = start(WORKER)
    for refuse in (session.call, session.stream):
        with pytest.raises(LocalProtocolError) as refused:
            refuse("total", numbers())
        assert "bad_value" == refused.value.code


@python_hosts
def test_there_is_at_most_one_input_and_somebody_waits_for_its_call(start: Start) -> None:
    """Else it is refused before anything is sent."""
    session = start(WORKER)
    for refuse in (
        lambda: session.call("total", iter([1]), iter([2])),
        lambda: session.call("same", [iter([1])]),
        lambda: session.submit("total", iter([1])),
    ):
        with pytest.raises(LocalProtocolError) as refused:
            refuse()
        assert "bad_value" == refused.value.code
    assert 1 == session.call("same", 1)


@asyncio_too
def test_an_iterator_may_not_wait_for_the_worker_that_waits_for_it(
    start: Start, host: str, transport: str
) -> None:
    """It may send calls."""
    if transport == "file":
        pytest.skip("over files it is taken from before the call")
    session = start(WORKER)
    plain = session._inner.plain if host == "asyncio" else session
    with pytest.raises(LocalProtocolError) as refused:
        session.call("total", (plain.call("same", number) for number in range(3)))
    assert "would_wait_for_itself" == refused.value.code
    assert 1 == session.call("same", 1)
    if host == "asyncio":
        session._thread.run(_loop_over_a_stream, session._inner)
    if host != "python":  # whose driver makes each call in a thread of its own
        return
    earlier = [session.submit("same", number) for number in range(2)]
    stream = session.stream("echo_input", iter(range(100)))
    for number in range(2):
        with pytest.raises(LocalProtocolError) as refused:
            session.call("same", 1)
        assert "would_wait_for_itself" == refused.value.code
        assert number == earlier[number].result()
        next(stream)
    futures: List[Any] = []
    with pytest.raises(LocalProtocolError) as refused:
        while session.flush():
            futures.append(session.submit("same", 1))
    assert "would_wait_for_itself" == refused.value.code
    assert list(range(2, 100)) == list(stream)
    assert {1} == {future.result() for future in futures}
    stream = session.stream("echo_input", iter(range(100)))
    next(stream)
    stream.close()
    assert 1 == session.call("same", 1)


async def _loop_over_a_stream(session: Any) -> None:
    """Its task is refused what another may wait for."""
    got: List[Any] = []
    others: List[Any] = []
    in_line: List[Any] = []
    earlier = session.submit("same", 7)
    async for value in session.stream("echo_input", iter(range(100))):
        got.append(value)
        if value == 0:
            assert 7 == await earlier
        if value < 2:
            with pytest.raises(LocalProtocolError) as refused:
                while await session.flush():
                    in_line.append(session.submit("same", 1))
            assert "would_wait_for_itself" == refused.value.code
            for wait in (session.wait_until_ok, session.please_exit):
                with pytest.raises(LocalProtocolError) as refused:
                    await wait()
                assert "would_wait_for_itself" == refused.value.code
            in_line.clear()
            others.append(asyncio.ensure_future(session.call("same", value, timeout_ms=60_000)))
            with pytest.raises(LocalProtocolError) as refused:
                await session.call("same", 1)
            assert "would_wait_for_itself" == refused.value.code
    assert list(range(100)) == got
    assert [0, 1] == [await other for other in others]
    assert 1 == await session.call("same", 1)


@pytest.mark.parametrize("host", ["asyncio"], indirect=True)  # which has a plain session, too
def test_several_may_take_from_one_stream_with_an_input(start: Start, transport: str) -> None:
    """Threads of a Python host, or tasks: one at a time takes a value from the iterator, however long that takes."""
    if transport == "file":
        pytest.skip("over files it is taken from before the call")
    session = start(WORKER)
    session._thread.run(_share_a_stream, session._inner)
    taking = threading.Lock()

    def values() -> Iterator[int]:
        for number in range(200):
            assert taking.acquire(blocking=False)
            time.sleep(0)
            taking.release()
            yield number

    for _ in range(3):
        stream = session._inner.plain.stream("echo_input", values())
        with ThreadPoolExecutor(3) as threads:
            parts = list(threads.map(list, [stream] * 3))
        assert list(range(200)) == sorted(itertools.chain(*parts))


async def _share_a_stream(session: Any) -> None:
    async def values() -> AsyncIterator[int]:
        for number in range(200):
            await asyncio.sleep(0)
            yield number

    stream = session.stream("echo_input", values())

    async def take() -> List[int]:
        return [value async for value in stream]

    parts = await asyncio.gather(*(take() for _ in range(3)))
    assert list(range(200)) == sorted(itertools.chain(*parts))


@asyncio_too
def test_over_files_an_input_has_a_limit(start: Start, host: str, transport: str) -> None:
    """It travels whole."""
    session = start(WORKER)
    if transport == "shm":
        if sys.platform == "win32" and host == "cpp":
            pytest.skip("each of its values comes from this process, which takes 30 ms on a busy machine")
        assert 10_001.0 == session.call("total", iter([1] * 10_001), timeout_ms=60_000)
        return
    with pytest.raises(LocalProtocolError) as refused:
        session.call("total", iter([1] * 10_001))
    assert "too_large" == refused.value.code


@asyncio_everywhere
def test_over_files_the_values_of_an_input_are_parts_of_the_arguments(
    start: Start, host: str, transport: str
) -> None:
    """Four levels of brackets stand around each of them; over shared memory none does."""
    session = start(WORKER)
    assert [_nested(60)] == list(session.stream("echo_input", iter([_nested(60)])))
    if transport == "shm":
        assert [_nested(61)] == list(session.stream("echo_input", iter([_nested(61)])))
        return
    with pytest.raises(LocalProtocolError) as refused:
        session.call("total", numbers=iter([1, [2, _nested(60)]]))
    assert "bad_value" == refused.value.code
    path = "numbers[1][1][0][0]" if host == "cpp" else "numbers"
    assert str(refused.value).startswith(path)
    assert "is nested deeper than 64 levels" in str(refused.value)
    assert 1 == session.call("same", 1)


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@python_hosts
def test_a_timeout_passes_while_there_is_no_room_for_a_value(start: Start, gate: Gate) -> None:
    """The worker reads nothing, and the values are large."""
    session = start(WORKER)
    with pytest.raises(TimedOut):
        session.call("count_after", iter(["x" * 60_000] * 16), gate.path, timeout_ms=200)
    gate.open(2)
    assert 3 == session.call("count_after", iter("abc"), gate.path, timeout_ms=60_000)


@pytest.mark.asyncio_over_files
@python_hosts
def test_each_value_is_sent_as_it_was_when_it_was_taken(start: Start) -> None:
    """Whatever its iterator does to it afterwards."""
    session = start(WORKER)

    def states() -> Iterator[Any]:
        state = {"array": np.zeros(3), "steps": []}
        for number in range(3):
            state["array"] += 1
            state["steps"].append(number)
            yield state

    for number, item in enumerate(session.stream("echo_input", states())):
        assert [number + 1.0] * 3 == item["array"].tolist()
        assert list(range(number + 1)) == item["steps"]


@asyncio_too
def test_nothing_is_taken_from_an_input_while_its_call_waits_in_line(
    start: Start, gate: Gate, transport: str
) -> None:
    """All of it is there when its turn comes."""
    if transport == "file":
        pytest.skip("over files it is taken from before the call")
    session = start(WORKER, output=lambda _: None)  # so that one call is under way at a time
    before = session.submit("train", 1, gate.path)
    gate.wait_for_arrival()
    taken: List[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    stream = session.stream("echo_input", numbers())
    for _ in range(2):
        with pytest.raises(TimedOut) as late:
            stream.next(timeout_ms=100)
        assert "timed_out" == late.value.code
    with pytest.raises(TimedOut):
        session.call("total", numbers(), timeout_ms=100)
    assert [] == taken
    gate.open()
    assert list(range(100)) == list(stream)
    assert 1 == before.result()


@asyncio_too
def test_a_call_is_not_handed_over_while_its_first_value_is_taken(
    start: Start, host: str, transport: str
) -> None:
    """Else the next worker would get all but that."""
    if transport == "file":
        pytest.skip("over files it is taken from before the call")
    session = start(WORKER, restart="on-crash")
    plain = session._inner.plain if host == "asyncio" else session
    pid = session.call("pid")

    def numbers() -> Iterator[int]:
        kill(pid)
        assert wait_until(plain.post_mortem)
        assert wait_until(lambda: plain.state().name in ("ready", "busy"))  # the next one serves
        yield 1
        yield 2

    with pytest.raises(WorkerLost):
        session.call("total", numbers(), idempotent=True, timeout_ms=60_000)
    assert 1 == session.call("same", 1, timeout_ms=60_000)


@asyncio_too
def test_a_call_whose_input_was_taken_from_ends_with_its_worker(start: Start, transport: str) -> None:
    """Although it is idempotent."""
    session = start(WORKER, restart="on-crash")
    pid = session.call("pid")

    def numbers() -> Iterator[int]:
        yield 1
        kill(pid)
        wait_until(lambda: not is_alive(pid))
        yield 2

    if transport == "shm":
        with pytest.raises(WorkerLost):
            session.call("total", numbers(), idempotent=True, timeout_ms=60_000)
        assert 1 == session.call("same", 1, timeout_ms=60_000)
        pid = session.call("pid")
        got: List[int] = []
        with pytest.raises(WorkerLost):
            for value in session.stream("echo_input", numbers(), timeout_ms=60_000):
                got.append(value)  # noqa: PERF402 - those before the error count
        assert got in ([], [1])
    assert 1 == session.call("same", 1, timeout_ms=60_000)
