"""A session that is used where another one calls the program: in its functions, callbacks and iterators. All of it in the main thread, where a signal
handler would look the same.
"""

import asyncio
import os
import threading
from typing import Any, AsyncIterator, Callable, Iterator

import pytest
from async_sessions import run_with_session
from gates import Gate
from hosts import WORKERS

from tech_renaissance import PythonSession

WORKER = str(WORKERS / "talkers.py")

# Starts another session, uses it, cancels a call of it, and closes it.
Use = Callable[[], None]

pytestmark = pytest.mark.usefixtures("workspace", "transport", "worker_python")


@pytest.fixture
def use(gate: Gate) -> Iterator[Use]:
    """It was used once, and is gone."""
    ends = []

    def use() -> None:
        with PythonSession(WORKER, "other", True, library="numpy") as other:
            waiting = other.submit("train", 1, gate.path)
            gate.wait_for_arrival()
            step = other.cancel()
            assert type(waiting.exception(60_000)).__name__ == "CallCancelled"
            value = other.call("same", 1)
        ends.append((step != "", value, os.path.exists(other.session_dir)))

    yield use
    assert [(True, 1, False)] == ends


def _in_a_function(session: PythonSession, use: Use) -> None:
    session.expose("use", use)
    assert session.call("ask", "use") is None


def _in_on_progress(session: PythonSession, use: Use) -> None:
    assert 1 == session.call("train", 1, on_progress=lambda _: use())


def _in_an_input(session: PythonSession, use: Use) -> None:
    assert 1 == session.call("total", _values(use))


def _at_the_end_of_an_input(session: PythonSession, use: Use) -> None:
    def values() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            use()

    session.call("total", values(), most=0)


def _in_what_is_mapped(session: PythonSession, use: Use) -> None:
    assert [1] == list(session.map("same", _values(use)))


def _in_what_an_executor_maps(session: PythonSession, use: Use) -> None:
    with session.executor() as executor:
        assert [1] == list(executor.map("same", _values(use)))


def _in_the_callback_of_a_future_that_is_cancelled(session: PythonSession, use: Use) -> None:
    has_used = threading.Event()
    with session.executor() as executor:
        future = executor.submit("train", 1, on_progress=lambda _: has_used.wait())  # so it is not done
        future.add_done_callback(lambda _: use())
        assert future.cancel()
        has_used.set()


def _values(use: Use) -> Iterator[int]:
    use()
    yield 1


@pytest.mark.parametrize(
    "where",
    [
        _in_a_function,
        _in_on_progress,
        _in_an_input,
        _at_the_end_of_an_input,
        _in_what_is_mapped,
        _in_what_an_executor_maps,
        _in_the_callback_of_a_future_that_is_cancelled,
    ],
)
def test_another_session_works(where: Callable[[PythonSession, Use], None], use: Use) -> None:
    """Its start, its calls, its cancel, and its close, which returns when it is done."""
    with PythonSession(WORKER, "outer", True, library="numpy") as session:
        where(session, use)
        assert 2 == session.call("same", 2)


async def _in_a_function_of_a_task(session: Any, use: Use) -> None:
    session.expose("use", use)
    assert await session.call("ask", "use") is None


async def _in_a_coroutine(session: Any, use: Use) -> None:
    session.expose("use", _coroutine(use))
    assert await session.call("ask", "use") is None


async def _in_on_progress_of_a_task(session: Any, use: Use) -> None:
    assert 1 == await session.call("train", 1, on_progress=lambda _: use())


async def _in_a_coroutine_for_progress(session: Any, use: Use) -> None:
    assert 1 == await session.call("train", 1, on_progress=_coroutine(use))


async def _in_an_input_of_a_task(session: Any, use: Use) -> None:
    assert 1 == await session.call("total", _values(use))


async def _in_an_asynchronous_input(session: Any, use: Use) -> None:
    async def values() -> AsyncIterator[int]:
        await asyncio.sleep(0)
        use()
        yield 1

    assert 1 == await session.call("total", values())


async def _in_what_a_task_maps(session: Any, use: Use) -> None:
    assert [1] == [value async for value in session.map("same", _values(use))]


def _coroutine(use: Use) -> Callable[..., Any]:
    async def coroutine(*_: Any) -> None:
        await asyncio.sleep(0)
        use()

    return coroutine


@pytest.mark.parametrize(
    "where",
    [
        _in_a_function_of_a_task,
        _in_a_coroutine,
        _in_on_progress_of_a_task,
        _in_a_coroutine_for_progress,
        _in_an_input_of_a_task,
        _in_an_asynchronous_input,
        _in_what_a_task_maps,
    ],
)
def test_another_session_works_in_a_loop(where: Callable[[Any, Use], Any], use: Use) -> None:
    """That of the main thread."""

    async def test(session: Any) -> None:
        await where(session, use)
        assert 2 == await session.call("same", 2)

    run_with_session(test, WORKER)
