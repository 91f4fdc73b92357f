"""Inputs of an AsyncSession: their iterators have a task of their own, which ends with the call."""

import asyncio
import contextlib
from contextvars import ContextVar
from typing import Any, AsyncIterator, Callable, Iterator, List, Optional, Set

import pytest
from async_sessions import run_with_session
from gates import Gate
from hosts import WORKERS
from processes import kill

from tech_renaissance import (
    AsyncSession,
    CallCancelled,
    LocalProtocolError,
    SessionClosed,
    TimedOut,
    WorkerLost,
)

pytestmark = pytest.mark.usefixtures("workspace", "transport", "worker_python")

WORKER = str(WORKERS / "talkers.py")
_VARIABLE: "ContextVar[int]" = ContextVar("_VARIABLE", default=0)


class Feed:
    """Some values, and then one that never comes."""

    def __init__(self, *values: Any) -> None:
        self.waits = asyncio.Event()
        self.closed = asyncio.Event()
        self._given = values

    async def values(self) -> AsyncIterator[Any]:
        try:
            for value in self._given:
                yield value
            self.waits.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.closed.set()


def run(test: Callable[[AsyncSession], Any], **options: Any) -> None:
    """Run a test with a session, and see that no task is left by then."""

    async def run_it(session: AsyncSession) -> None:
        before = asyncio.all_tasks()
        await test(session)
        assert before == asyncio.all_tasks()

    run_with_session(run_it, WORKER, **options)


@pytest.mark.parametrize("end", ["timeout", "deadline", "death", "close", "cancel", "task"])
def test_a_call_can_be_ended_while_its_input_waits(end: str) -> None:
    """Whatever ends it; the input is closed before the call's error is raised."""
    options, expected = {
        "timeout": ({"timeout_ms": 1000}, TimedOut),
        "deadline": ({"deadline_ms": 1000}, TimedOut),
        "death": ({}, WorkerLost),
        "close": ({}, SessionClosed),
        "cancel": ({}, CallCancelled),
        "task": ({}, asyncio.CancelledError),
    }[end]
    options.setdefault("timeout_ms", 60_000)

    async def test(session: AsyncSession) -> None:
        pid = await session.call("pid")
        feed = Feed(1, 2)
        call = asyncio.ensure_future(session.call("total", feed.values(), **options))
        await feed.waits.wait()
        if end == "death":
            kill(pid)
        elif end == "close":
            await session.close()
        elif end == "cancel":
            assert await session.cancel()
        elif end == "task":
            call.cancel()
        with pytest.raises(expected):
            await call
        assert feed.closed.is_set()
        if end not in ("death", "close"):
            assert 1 == await session.call("same", 1)

    run(test)


def test_a_command_that_returns_does_not_wait_for_the_next_value(transport: str) -> None:
    """Nor does the call, also if the iterator does not let itself be cancelled at first."""
    if transport == "file":
        pytest.skip("over files the input travels whole")

    async def stubborn() -> AsyncIterator[float]:
        yield 1
        yield 2
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        yield 3

    async def test(session: AsyncSession) -> None:
        feed = Feed(1, 2)
        assert 1 == await session.call("total", feed.values(), most=1)
        assert feed.closed.is_set()
        values = stubborn()
        assert 1 == await session.call("total", values, most=1)
        with pytest.raises(StopAsyncIteration):
            await values.__anext__()
        feed = Feed(1, 2)
        stream = session.stream("total", feed.values(), most=1)
        assert 1 == await stream.result()
        assert feed.closed.is_set()

    run(test)


def test_what_the_worker_sends_is_handed_out_while_the_input_waits(transport: str, gate: Gate) -> None:
    """So the body of the loop can make the next value of it. What is taken meanwhile is sent."""
    if transport == "file":
        pytest.skip("over files the input travels whole")

    async def test(session: AsyncSession) -> None:
        made: asyncio.Queue[Optional[str]] = asyncio.Queue()

        async def lines() -> AsyncIterator[str]:
            line: Optional[str] = "0"
            while line:
                yield line
                gate.open()  # the worker answers only now
                line = await made.get()

        got: List[str] = []
        async for line in session.stream("echo_input", lines(), gate.path):
            got.append(line)
            made.put_nowait(str(len(got)) if len(got) < 4 else None)
        assert ["0", "1", "2", "3"] == got

    run(test)


@pytest.mark.parametrize("way", ["close", "drop", "leave", "cancel"])
def test_a_stream_that_is_closed_closes_its_input(way: str, transport: str) -> None:
    """Although the input waits, and nobody waits for the stream."""

    async def test(session: AsyncSession) -> None:
        feed = Feed(1, 2)
        stream = session.stream("echo_input", feed.values())
        if transport == "shm":
            assert 1 == await stream.__anext__()
        await feed.waits.wait()
        if way == "leave":
            async with stream:
                pass
            assert feed.closed.is_set()
        elif way == "drop":
            del stream
        else:
            getattr(stream, way)()
        await feed.closed.wait()
        assert 1 == await session.call("same", 1)

    run(test)


def test_an_input_is_closed_before_its_call_returns(transport: str) -> None:
    """With whichever of ``aclose`` and ``close`` it has; what that raises is of no interest."""

    class Numbers:
        def __init__(self) -> None:
            self.is_closed = False

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> int:
            return await asyncio.sleep(0, 1)

    class WithAclose(Numbers):
        async def aclose(self) -> None:
            await asyncio.sleep(0)
            self.is_closed = True
            raise ValueError

    class WithClose(Numbers):
        def close(self) -> None:
            self.is_closed = True
            raise ValueError

    class WithCoroutine(Numbers):
        async def close(self) -> None:
            await asyncio.sleep(0)
            self.is_closed = True

    async def test(session: AsyncSession) -> None:
        for values in (WithAclose(), WithClose(), WithCoroutine()):
            if transport == "shm":
                assert 3 == await session.call("total", values, most=3)
            else:
                with pytest.raises(LocalProtocolError) as refused:
                    await session.call("total", values)
                assert "too_large" == refused.value.code
            assert values.is_closed

    run(test)


def test_an_input_has_one_task() -> None:
    """Which begins and closes it, and in whose context it is."""
    tasks: Set[Any] = set()

    async def numbers(count: int) -> AsyncIterator[int]:
        token = _VARIABLE.set(count)
        try:
            for number in range(count):
                tasks.add(asyncio.current_task())
                assert count == _VARIABLE.get()
                await asyncio.sleep(0)
                yield number
        finally:
            tasks.add(asyncio.current_task())
            _VARIABLE.reset(token)

    def plain_numbers() -> Iterator[int]:
        tasks.add(asyncio.current_task())
        yield 1

    async def test(session: AsyncSession) -> None:
        assert 6.0 == await session.call("total", numbers(40), most=4)
        assert 1 == len(tasks)
        assert 45.0 == await session.call("total", numbers(10))
        assert 2 == len(tasks)
        assert 1.0 == await session.call("total", plain_numbers())
        assert 3 == len(tasks)
        assert asyncio.current_task() not in tasks
        assert 0 == _VARIABLE.get()

    run(test)


class Unusual(BaseException):
    """No Exception."""


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, Unusual])
def test_what_an_asynchronous_iterator_raises_is_what_its_caller_gets(error: Any) -> None:
    """Also if the iterator has been cancelled, and nobody else; and whoever loops over a stream."""

    async def fails() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        raise error

    async def test(session: AsyncSession) -> None:
        with pytest.raises(error):
            await session.call("total", fails())
        with pytest.raises(error):
            async for _ in session.stream("echo_input", fails()):
                pass
        assert 1 == await session.call("same", 1)

    run(test)


def test_an_iterator_that_waits_longer_than_a_function_may_not_wait_for_the_worker(transport: str) -> None:
    """Both are waited for by one call; the function ends first."""
    if transport == "file":
        pytest.skip("over files it is taken from before the call")

    async def test(session: AsyncSession) -> None:
        has_run = asyncio.Event()
        session.expose("run", has_run.set)

        async def numbers() -> AsyncIterator[int]:
            yield 1
            await has_run.wait()
            await asyncio.sleep(0)
            with pytest.raises(LocalProtocolError) as refused:
                await session.call("same", 1)
            assert "would_wait_for_itself" == refused.value.code
            yield 2

        assert [1, None, 2] == await session.call("take_ask_and_take", numbers(), "run")

    run(test)


def test_nothing_is_taken_from_the_input_of_a_call_that_has_not_begun(gate: Gate) -> None:
    """So its iterator is not closed either."""

    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def test(session: AsyncSession) -> None:
        values = numbers()
        with pytest.raises(TimedOut):
            await session.call("total", values, deadline_ms=50)
        call = asyncio.ensure_future(session.call("total", values))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.open()
        assert 3.0 == await session.call("total", values)

    run(test, arguments=[gate.path])
