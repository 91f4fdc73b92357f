"""Asyncio loops that sessions live in: several, closed, interrupted, and in forks."""

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any, List

import pytest
from async_sessions import WORKER, new_session, run_with_session
from gates import Gate
from interrupt import interrupted
from processes import forks

from tech_renaissance import AsyncSession, PythonSession, SessionClosed

pytestmark = pytest.mark.usefixtures("workspace", "transport", "worker_python")


def _close(loop: asyncio.AbstractEventLoop) -> None:
    if hasattr(loop, "shutdown_default_executor"):  # from Python 3.9
        loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_futures_of_a_plain_session_are_awaited_in_any_loop(transport: str) -> None:
    """One loop after another, two at once, and threads that wait beside them."""
    with PythonSession(WORKER, "plain", True, library="numpy") as session:
        wrong: List[Any] = []

        async def some(seed: int) -> None:
            for number in range(20):
                futures = [session.submit("same", [seed, number, other]) for other in range(5)]
                values = [await future for future in reversed(futures)]
                wrong.extend(value for value in values if value[:2] != [seed, number])

        def work(seed: int) -> None:
            if seed % 2:
                asyncio.run(some(seed))
            else:
                wrong.extend(None for number in range(100) if number != session.call("same", number))

        work(1)
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [] == wrong
        assert 1 == session.call("same", 1)


def test_a_loop_that_is_closed_takes_nothing_with_it(gate: Gate) -> None:
    """Its calls, that is; those of others go on, and so does the session in the next loop."""
    session = new_session()

    async def leave() -> None:
        await session.start()
        asyncio.ensure_future(session.call("same", 1))  # noqa: RUF006 - left on purpose
        session.submit("same", 2)

    async def again() -> None:
        assert 3 == await session.call("same", 3)
        await session.close()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    _close(loop)
    assert 4 == session.plain.call("same", 4)
    asyncio.run(again())
    with pytest.raises(SessionClosed):
        session.plain.call("same", 5)


def test_a_loop_that_is_closed_costs_threads_nothing() -> None:
    """Their calls take the fast path again, and nobody waits for a handle."""
    session = new_session()
    with session.plain:
        session.plain.start(60_000)
        for _ in range(2):

            async def call() -> Any:
                return await session.call("same", 1)

            assert 1 == asyncio.run(call())
            assert 2 == session.plain.call("same", 2)
            life = session.plain._life
            assert ((), None) == (life.loops.all, life.loops._handle)
            assert life.worker is not None
            assert life.worker.exchange._is_free()
            assert not life.worker.exchange._is_armed


def test_many_sessions_share_a_loop() -> None:
    """None hears what is another's."""

    async def test() -> None:
        sessions = [new_session(session_id=f"many{number}") for number in range(4)]
        await asyncio.gather(*[session.start() for session in sessions])
        calls = [
            session.call("same", [number, index])
            for index in range(30)
            for number, session in enumerate(sessions)
        ]
        assert [[number, index] for index in range(30) for number in range(4)] == await asyncio.gather(*calls)
        await asyncio.gather(*[session.close() for session in sessions])

    asyncio.run(test())


@forks
def test_a_fork_must_make_its_own_session() -> None:
    """Its parent's goes on."""

    async def test(session: AsyncSession) -> None:
        assert 1 == await session.call("same", 1)
        child = os.fork()
        if not child:
            try:
                session.submit("same", 2)
            except SessionClosed as error:
                os._exit(0 if error.code == "forked" else 1)
            finally:
                os._exit(2)
        assert 0 == os.waitpid(child, 0)[1]  # noqa: ASYNC222 - the child is at its end
        assert 3 == await session.call("same", 3)

    run_with_session(test)


FORKING = """
import asyncio, os, sys, threading
from tech_renaissance import PythonSession, SessionClosed

session = PythonSession(sys.argv[1], "forking", True, library="numpy")
awaited, enough = threading.Semaphore(0), threading.Event()

async def work():
    while not enough.is_set():
        assert 1 == await session.submit("same", 1)
        awaited.release()
        await asyncio.sleep(0.001)

async def await_what_is_not_ours(future):
    try:
        await future
    except SessionClosed as error:
        assert "forked" == error.code

async def use_own(own):
    assert [1] * 9 == await asyncio.gather(*[own.submit("same", 1).wait() for _ in range(9)])

with session:
    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    for _ in range(2):
        awaited.acquire()
        future = session.submit("same", 2)
        child = os.fork()
        if not child:
            asyncio.run(await_what_is_not_ours(future))
            session.close()
            with PythonSession(sys.argv[1], "forked", True, library="numpy") as own:
                asyncio.run(use_own(own))
            sys.exit(7)
        assert 7 == os.waitpid(child, 0)[1] >> 8
        assert 2 == future.result()
        for _ in range(20):
            awaited.acquire()
    enough.set()
    thread.join()
print("closed")
"""


@forks
def test_a_fork_disturbs_nothing_of_the_loop_in_which_its_parent_awaits(transport: str) -> None:
    """Whatever it does with the session, whose wait handle it has, too, and with a loop and a session of its own."""
    run = subprocess.run([sys.executable, "-c", FORKING, WORKER], stdout=subprocess.PIPE, check=True)
    assert b"closed\n" == run.stdout


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """In turns of their own: a ``run_until_complete`` that was interrupted may have left what stops the loop at the end of its task."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    while not all(task.done() for task in tasks):
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.call_soon(loop.stop)
    loop.run_forever()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine:RuntimeWarning"
)
def test_the_call_after_an_interrupted_loop_is_right(transport: str) -> None:
    """At whatever moment the loop was interrupted, which then runs again."""
    if transport == "file":
        pytest.skip("the same code")
    loop = asyncio.new_event_loop()
    session = new_session()
    loop.run_until_complete(session.start(60_000))
    moment = 0
    while True:

        async def ask(number: int) -> None:
            assert number == await session.call("same", number)

        was_interrupted = interrupted(lambda: loop.run_until_complete(ask(moment)), moment)  # noqa: B023
        _cancel_all(loop)
        loop.run_until_complete(ask(-moment))
        if not was_interrupted:
            break
        moment += 7
    assert moment > 70
    loop.run_until_complete(session.close())
    _close(loop)
