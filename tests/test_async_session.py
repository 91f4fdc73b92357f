"""AsyncSession: calls are awaited without threads, and whatever ends a task ends its own call and no other."""

import asyncio
import gc
import threading
import weakref
from pathlib import Path
from typing import Any, AsyncIterator, Iterator, List

import numpy as np
import pytest
from async_sessions import new_session, run_with_session
from gates import Gate
from hosts import WORKERS
from leaks import wait_until

from tech_renaissance import (
    AsyncSession,
    CallCancelled,
    CommandError,
    LaunchError,
    LocalProtocolError,
    PythonSession,
    RestartPolicy,
    SessionClosed,
    TimedOut,
    WorkerLost,
)

pytestmark = pytest.mark.usefixtures("workspace", "transport", "worker_python")


def test_calls_are_awaited_without_threads() -> None:
    """As many as one likes, each with its own answer."""

    async def test(session: AsyncSession) -> None:
        assert 0 == await session.call("same", 0)  # the worker is ready
        before = set(threading.enumerate())
        for count in (1, 10, 100):
            calls = [session.call("same", [number]) for number in range(count)]
            assert [[number] for number in range(count)] == await asyncio.gather(*calls)
            futures = [session.submit("same", number) for number in range(count)]
            assert list(range(count)) == [await future for future in futures]
        assert before == set(threading.enumerate())
        assert [0, 1, 2] == [value async for value in session.map("same", range(3), window=2)]

    run_with_session(test)


def test_a_map_has_no_more_calls_under_way_than_its_window() -> None:
    """The arguments are taken as calls are made; a window that holds none is refused."""
    taken: List[int] = []

    def numbers() -> Iterator[int]:
        for number in range(4):
            taken.append(number)
            yield number

    def map_plainly(session: PythonSession) -> None:
        taken.clear()
        values = session.map("same", numbers(), window=2)
        assert ([], 0, [0, 1]) == (list(taken), next(values), taken)
        assert ([1, 2, 3], [0, 1, 2, 3]) == (list(values), taken)
        with pytest.raises(LocalProtocolError, match="window must be at least 1, not 0"):
            session.map("same", [1], window=0)

    async def test(session: AsyncSession) -> None:
        values = session.map("same", numbers(), window=2)
        assert ([], 0, [0, 1]) == (list(taken), await values.__anext__(), taken)
        assert ([1, 2, 3], [0, 1, 2, 3]) == ([value async for value in values], taken)
        with pytest.raises(LocalProtocolError, match="window must be at least 1, not 0"):
            await session.map("same", [1], window=0).__anext__()
        await asyncio.get_running_loop().run_in_executor(None, map_plainly, session.plain)

    run_with_session(test)


def test_everything_else_is_as_in_a_plain_session() -> None:
    """Texts, tensors, attributes, errors, timeouts."""

    async def test(session: AsyncSession) -> None:
        tensor = np.arange(4.0)
        np.testing.assert_array_equal(2 * tensor, await session.commands.scaled(tensor, by=2.0))
        np.testing.assert_array_equal(tensor, await session.calculate("same", tensor))
        assert "text" == await session.fetch_response("same text")
        await session.send_request("same one")
        await session.send_request("same two")
        assert "one" == await session.wait_for_response()
        assert "two" == await session.wait_for_response()
        assert not session.new_response()
        with pytest.raises(CommandError, match="no luck"):
            await session.call("fail", "no luck")
        assert await session.flush()
        assert await session.wait_until_ok() is False
        assert "ready" == session.state().name
        with pytest.raises(SessionClosed):
            await new_session(session_id="other").call("same")

    run_with_session(test)


def test_a_wait_ends_at_its_timeout_and_the_call_goes_on(gate: Gate) -> None:
    """A deadline ends the call itself."""

    async def test(session: AsyncSession) -> None:
        assert await session.wait_until_ready(60_000)
        future = session.submit("wait", gate.path, "value")
        with pytest.raises(TimedOut) as timed_out:
            await future.wait(20)
        assert "timed_out" == timed_out.value.code
        with pytest.raises(TimedOut):
            await session.call("same", 1, timeout_ms=20)
        with pytest.raises(TimedOut) as timed_out:
            await session.call("same", 1, deadline_ms=20)
        assert ("deadline_passed", "queue") == (timed_out.value.code, timed_out.value.step)
        gate.open()
        assert "value" == await future
        assert "value" == future.result()
        assert 2 == await session.call("same", 2)

    run_with_session(test)


def test_a_task_that_is_cancelled_cancels_its_call_and_no_other(gate: Gate) -> None:
    """In work, sent, and in line."""

    async def test(session: AsyncSession) -> None:
        assert await session.wait_until_ready(60_000)
        at_work = asyncio.ensure_future(session.call("wait", gate.path, deadline_ms=60_000))
        await asyncio.sleep(0)
        futures = [session.submit("same", number) for number in range(400)]
        waits = [asyncio.ensure_future(future.wait()) for future in futures]
        await asyncio.get_running_loop().run_in_executor(None, gate.wait_for_arrival)
        for task in (waits[0], waits[399], at_work):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        for number in (0, 399):
            with pytest.raises(CallCancelled) as cancelled:
                await futures[number]
            assert "queue" == cancelled.value.step
        assert list(range(1, 399)) == await asyncio.gather(*waits[1:-1])

    run_with_session(test)


def test_streams_are_asynchronous_iterators(transport: str) -> None:
    """With a result, an error after the items, and an end when they are left."""

    async def test(session: AsyncSession) -> None:
        stream = session.stream("count", 40)
        assert list(range(40)) == [item async for item in stream]
        assert "that was all" == await stream.result()
        got: List[int] = []
        with pytest.raises(CommandError, match="at 5"):
            async for item in session.stream("count", 40, fail_at=5):
                got.append(item)  # noqa: PERF401
        assert transport == "file" or list(range(5)) == got
        async with session.stream("count", 1000) as left:
            assert 0 == await left.__anext__()
            assert 3 == await session.call("beginnings")  # in its loop
        while transport == "shm" and await session.call("closings") < 3:  # noqa: ASYNC110 - each call waits
            await asyncio.sleep(0)
        task = asyncio.ensure_future(session.stream("count", 1000).result())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [0, 1] == [item async for item in session.stream("count", 2)]

    run_with_session(test, str(WORKERS / "streams.py"))


def test_a_death_during_an_await_is_told_and_the_next_worker_goes_on() -> None:
    """With and without supervision."""

    async def test(session: AsyncSession) -> None:
        calls = [session.call("same", 1), session.call("die"), session.call("same", 2)]
        first, dead, behind = await asyncio.gather(*calls, return_exceptions=True)
        assert 1 == first
        assert isinstance(dead, WorkerLost)
        assert isinstance(behind, WorkerLost)
        assert dead.post_mortem is not None
        with pytest.raises(WorkerLost):
            await session.call("same", 3)
        await session.start()
        assert 4 == await session.call("same", 4)
        await session.terminate()
        with pytest.raises(SessionClosed):
            await session.call("same", 5)

    async def test_supervised(session: AsyncSession) -> None:
        dead = session.submit("die")
        others = [session.submit("same", number) for number in range(20)]
        with pytest.raises(WorkerLost):
            await dead
        assert list(range(20)) == [await future for future in others]
        assert 4 == await session.call("same", 4)

    run_with_session(test)
    run_with_session(test_supervised, restart="on-crash", restart_policy=RestartPolicy(first_backoff_ms=1))


def test_a_thousand_calls_wait_for_a_worker_in_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is not asked anew for each of them when the worker has died."""
    script = tmp_path / "no.py"
    script.write_text("raise SystemExit(3)")
    waits: List[str] = []

    async def test(session: AsyncSession) -> None:
        loop = asyncio.get_running_loop()
        run_in_executor = loop.run_in_executor

        def counted(executor: Any, action: Any, *args: Any) -> Any:
            waits.append(str(action))
            return run_in_executor(executor, action, *args)

        monkeypatch.setattr(loop, "run_in_executor", counted)
        futures = [session.submit("same", number) for number in range(1000)]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert {LaunchError} == set(map(type, outcomes))

    run_with_session(test, str(script))
    assert len(waits) < 10, waits


def test_a_worker_that_does_not_start_is_the_error_of_each_call(tmp_path: Path) -> None:
    """Also of those that were sent while it was starting."""
    script = tmp_path / "no.py"
    script.write_text("raise SystemExit(3)")

    async def test(session: AsyncSession) -> None:
        early = session.submit("same", 1)
        with pytest.raises(LaunchError):
            await session.call("same", 2)
        with pytest.raises(LaunchError):
            await early

    run_with_session(test, str(script))


def test_the_error_of_a_call_keeps_nothing_of_another() -> None:
    """What is given away is gone at once, and not when Python next looks for cycles."""

    async def test(session: AsyncSession) -> None:
        overdue = session.submit("same", np.zeros(1000), deadline_ms=1)
        behind = session.submit("same", np.zeros(1000))
        with pytest.raises(TimedOut):
            await overdue
        array = weakref.ref(await behind)
        del behind
        await asyncio.sleep(0)
        # The thread that ends the other call may just have taken it in.
        assert wait_until(lambda: array() is None)

    gc.disable()
    try:
        run_with_session(test)
    finally:
        gc.enable()


def test_a_stream_with_an_input_does_not_wait_for_a_worker_that_is_starting(gate: Gate) -> None:
    """Whatever its input is, and over files, where that travels whole; what the input raises is the stream's error."""

    async def numbers() -> AsyncIterator[int]:
        for number in range(40):
            yield number

    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("no more")

    async def taken(stream: Any) -> List[Any]:
        return [value async for value in stream]

    async def test(session: AsyncSession) -> None:
        inputs = (iter(range(40)), numbers(), broken())
        streams = [session.stream("echo_input", values) for values in inputs]
        closed = session.stream("echo_input", iter([1]))
        closed.close()
        assert not await session.flush(0)
        gate.open(2)
        *whole, error = await asyncio.gather(*map(taken, streams), return_exceptions=True)
        assert [list(range(40))] * 2 == whole
        assert isinstance(error, KeyError)
        assert await session.flush()
        assert [2] == await taken(session.stream("echo_input", iter([2])))
        assert [] == await taken(closed)
        await session.terminate()
        await session.start()
        late = session.stream("echo_input", iter([1]))
        await session.terminate()
        with pytest.raises(SessionClosed):
            await taken(late)

    run_with_session(test, str(WORKERS / "talkers.py"), arguments=[gate.path])


def test_what_waits_for_a_worker_that_is_starting_can_be_ended(gate: Gate) -> None:
    """Each call, not only the oldest: by cancel, by its deadline, with its task; by a second start, none."""

    async def test(session: AsyncSession) -> None:
        abandoned = [
            asyncio.ensure_future(waits)
            for waits in (
                session.call("same", 1),
                session.send_request("same"),
                session.call("total", iter([1])),
            )
        ]
        cancelled = asyncio.ensure_future(session.send_request("same cancelled"))
        behind = asyncio.ensure_future(session.send_request("same behind"))
        await asyncio.sleep(0)
        for task in abandoned:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert "queue" == await session.cancel()
        with pytest.raises(CallCancelled):
            await cancelled
        for late in (
            session.call("same", 1, deadline_ms=20),
            session.call("total", iter([1]), deadline_ms=20),
        ):
            with pytest.raises(TimedOut) as timed_out:
                await late
            assert ("deadline_passed", "queue") == (timed_out.value.code, timed_out.value.step)
        await session.start()
        gate.open()
        await behind
        await session.start()
        assert "behind" == await session.wait_for_response()
        assert not session.new_response()

    run_with_session(test, str(WORKERS / "talkers.py"), arguments=[gate.path])


def test_a_stream_that_never_has_to_wait_gives_way_to_other_tasks(transport: str) -> None:
    """Whether its values come one by one, or all at once; and whoever is cancelled then cancels the call."""

    async def test(session: AsyncSession) -> None:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def take(stream: Any) -> List[int]:
            return [value async for value in stream]

        stream = session.stream("count", 400)
        await stream.next(10_000)  # over files, all have come
        turning = asyncio.ensure_future(turn())
        assert list(range(1, 400)) == await take(stream)
        assert turns >= 6
        turning.cancel()
        if transport == "file":  # the next stream may be over before it is cancelled
            return
        stream = session.stream("count", 5000)
        taking = asyncio.ensure_future(take(stream))
        await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        with pytest.raises(CallCancelled):
            await stream.result()

    run_with_session(test, str(WORKERS / "streams.py"))


def test_a_task_that_is_cancelled_before_the_loop_hears_that_a_worker_has_its_call_cancels_it(
    gate: Gate,
) -> None:
    """A thread has handed the call over meanwhile, because the worker was only starting."""

    async def test(session: AsyncSession) -> None:
        task = asyncio.ensure_future(session.call("wait", gate.path))
        for _ in range(3):
            await asyncio.sleep(0)
        gate.wait_for_arrival()  # the loop is busy
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 1 == await session.call("same", 1)

    run_with_session(test)
