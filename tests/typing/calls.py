"""Calls that carry values, as their users write them, in threads and in tasks. Never run: type checkers read it.

What they must complain about is marked, and a mark without a complaint is an error, too.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

import asyncio
from concurrent.futures import Executor, as_completed
from typing import Any, Iterator, List, Optional

from tech_renaissance import (
    AsyncSession,
    AsyncStream,
    CallCancelled,
    Future,
    Progress,
    PythonSession,
    Stream,
)


def show(progress: Progress) -> None:
    """Receive what a handler says of its progress."""
    fraction: Optional[float] = progress.fraction
    print(progress.done, progress.total, progress.message, fraction)


def ask(question: str, *, choices: int = 2) -> str:
    """A function that handlers may call."""
    return f"{question} {choices}"


def numbers() -> Iterator[int]:
    """An input."""
    yield from range(3)


def calls(session: PythonSession) -> Any:
    """One at a time."""
    session.expose("ask", ask)
    session.expose("ask", None)
    value: Any = session.call("train", 10, rate=0.1, timeout_ms=1000, deadline_ms=900, on_progress=show)
    total: float = session.call("total", numbers(), idempotent=True)

    session.call(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    session.call("train", timeout_ms="soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    session.call("train", on_progress=ask)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    session.call(command="train")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    session.expose("ask", "no function")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return value, total


def futures(session: PythonSession) -> List[Any]:
    """Many under way."""
    future: Future = session.submit("train", 10, rate=0.1, deadline_ms=900, on_progress=show)
    state: str = future.state()
    is_done: bool = future.done() and session.flush(100)
    progress: Optional[Progress] = future.progress()
    error: Optional[Exception] = future.exception(timeout_ms=10)
    future.stop()
    future.cancel()
    print(state, is_done, progress, error)
    values: List[Any] = [future.result(), future.result(10)]
    values += session.map("add", range(10), [1.0, 2.0], window=8)

    session.submit("train", timeout_ms="soon", deadline_ms="soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    future.result("soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    session.map("add", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return values


def streams(session: PythonSession) -> List[Any]:
    """One value after another."""
    got: List[Any] = list(session.stream("generate", "hello", timeout_ms=100, on_progress=show))
    with session.stream("doubles", numbers(), deadline_ms=900) as stream:
        opened: Stream = stream
        got += [next(opened), opened.next(100)]
        opened.stop()
        opened.cancel()
        print(opened.progress(), opened.result(timeout_ms=100))
    opened.close()

    opened.next("soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return got


def library(session: PythonSession) -> List[Any]:
    """The waiters of the standard library."""
    with session.executor() as executor:
        same: Executor = executor
        waiting = [executor.submit("train", epochs) for epochs in (1, 2)]
        values: List[Any] = [future.result() for future in as_completed(waiting)]
        print(waiting[0].done(), waiting[0].cancel(), same)
    return values


async def tasks(session: AsyncSession) -> List[Any]:
    """All of it, awaited."""
    session.expose("ask", ask)
    async with session:
        value: Any = await session.call("train", 10, rate=0.1, deadline_ms=900, on_progress=show)
        future: Future = session.submit("train", 10)
        values: List[Any] = [value, await future, await future.wait(10)]
        values += await asyncio.gather(session.call("add", 1, 2), session.submit("add", 1, 2))
        stream: AsyncStream = session.stream("generate", "hello", timeout_ms=100)
        async with stream:
            values += [item async for item in stream]
            values.append(await stream.next(10))
            values.append(await stream.result())
        values += [item async for item in session.map("add", range(10), window=8)]
        text: str = await session.fetch_response("hello", 3000)
        ready: bool = await session.wait_until_ready(100) and session.is_ready()
        try:
            await asyncio.wait_for(session.call("train", 10), 1)
        except CallCancelled as error:
            print(error.step, text, ready)

        session.call("train", timeout_ms="soon")  # type: ignore[arg-type, unused-coroutine]  # pyright: ignore[reportArgumentType, reportUnusedCoroutine]
        list(session.stream("generate"))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
        word: str = session.fetch_response("hello")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
        print(word)
    return values
