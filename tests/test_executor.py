"""A session as an executor of the standard library."""

import asyncio
import concurrent.futures
import threading
from typing import Any, Callable, List

import pytest
from gates import Gate
from hosts import WORKERS
from leaks import wait_until

from tech_renaissance import CommandError, LocalProtocolError, PythonSession, SessionClosed, WorkerLost

WORKER = str(WORKERS / "value_calls.py")

pytestmark = pytest.mark.usefixtures("workspace", "transport", "worker_python")


def test_a_session_is_an_executor(gate: Gate) -> None:
    """Its futures are done without anybody waiting, and work with what the standard library has for them."""
    with PythonSession(WORKER, "executor", True, library="numpy") as session:
        with session.executor() as executor:
            futures = [executor.submit("same", [number]) for number in range(300)]
            done, _ = concurrent.futures.wait(futures, 60)
            assert set(futures) == done
            assert [[number] for number in range(300)] == [future.result(0) for future in futures]
            assert {1, 2} == {
                future.result()
                for future in concurrent.futures.as_completed([executor.submit("same", n) for n in (1, 2)])
            }
            assert [3, 4] == list(executor.map("same", [3, 4]))
            with pytest.raises(CommandError, match="no luck"):
                executor.submit("fail", "no luck").result(60)
            told: List[Any] = []
            executor.submit("same", 5).add_done_callback(
                lambda future: told.append((future.result(), session.call("same", 6)))
            )

            async def wrapped() -> Any:
                return await asyncio.wrap_future(executor.submit("same", 7))

            assert 7 == asyncio.run(wrapped())
            assert [(5, 6)] == told
            waiting = executor.submit("wait", gate.path, deadline_ms=60_000)
            behind = executor.submit("same", 8)
            gate.wait_for_arrival()
            assert behind.cancel()
            assert waiting.cancel()
            assert 9 == executor.submit("same", 9).result(60)
        with pytest.raises(RuntimeError):
            executor.submit("same", 10)
        assert 11 == session.call("same", 11)


def raise_error(_: object) -> None:
    """As a callback of the user may."""
    raise ZeroDivisionError("the user's")


def test_what_a_callback_raises_concerns_its_call_alone() -> None:
    """The others, and later ones, are answered."""

    def leave(_: object) -> None:
        raise SystemExit

    with PythonSession(WORKER, "executor", True, library="numpy") as session, session.executor() as executor:
        told = executor.submit("tell", 3, on_progress=raise_error)
        behind = executor.submit("same", 1)
        with pytest.raises(ZeroDivisionError):
            told.result(60)
        assert 1 == behind.result(60)
        future = executor.submit("same", 2)
        future.add_done_callback(leave)
        assert [2, 3] == [future.result(60), executor.submit("same", 3).result(60)]


def test_the_exception_of_a_future_is_what_result_raises() -> None:
    """Also if the user's function has raised it."""
    with PythonSession(WORKER, "executor", True) as session:
        future = session.submit("tell", 3, on_progress=raise_error)
        assert isinstance(future.exception(60_000), ZeroDivisionError)
        assert future.exception() is not None


def test_an_executor_that_is_dropped_leaves_no_thread() -> None:
    """Its calls are answered."""
    with PythonSession(WORKER, "executor", True, library="numpy") as session:
        futures = [session.executor().submit("same", number) for number in range(20)]
        assert list(range(20)) == [future.result(60) for future in futures]
        assert wait_until(lambda: not executor_threads())
        assert [1, 2] == list(session.executor().map("same", [1, 2]))


def test_a_call_that_is_submitted_has_no_timeout() -> None:
    """It is the wait for its future that has one."""
    with PythonSession(WORKER, "executor", True) as session, session.executor() as executor:
        for submit in (session.submit, executor.submit):
            with pytest.raises(LocalProtocolError, match="wait for its future with one") as refused:
                submit("same", 1, timeout_ms=5)
            assert "bad_option" == refused.value.code


def executor_threads() -> List[str]:
    """Those of executors that run."""
    return [thread.name for thread in threading.enumerate() if thread.name.endswith(" executor")]


def test_an_executor_ends_with_its_worker_and_session(gate: Gate) -> None:
    """So do its futures."""
    session = PythonSession(WORKER, "executor", True, library="numpy", restart="on-crash")
    session.start()
    executor = session.executor()
    dead = executor.submit("die")
    behind = executor.submit("same", 1)
    with pytest.raises(WorkerLost):
        dead.result(60)
    assert 1 == behind.result(60)
    waiting = executor.submit("wait", gate.path)
    gate.wait_for_arrival()
    session.close()
    with pytest.raises(SessionClosed):
        waiting.result(60)
    executor.shutdown()
    assert [] == executor_threads()


def test_what_would_wait_for_itself_is_refused() -> None:
    """In a function that the worker waits for, whose thread may be the executor's; and in that thread."""
    refused: List[str] = []
    futures: List[Any] = []

    def note(wait: Callable[[], Any]) -> None:
        with pytest.raises(LocalProtocolError) as error:
            wait()
        refused.append(error.value.code)

    with PythonSession(str(WORKERS / "talkers.py"), "executor", True) as session:
        executor = session.executor()

        def wait() -> None:
            future = executor.submit("same", "sent")
            for way in (future.result, future.exception, lambda: next(executor.map("same", [1]))):
                note(way)
            with pytest.raises(concurrent.futures.TimeoutError):
                future.result(0)
            futures.append(future)

        def wait_in_callback(future: Any) -> None:
            behind = executor.submit("same", future.result())
            note(behind.result)
            futures.append(behind)

        session.expose("wait", wait)
        session.expose("shut", lambda: note(executor.shutdown))
        assert session.call("ask", "wait") is None
        assert executor.submit("ask", "wait").result(60) is None
        last = executor.submit("same", 1)
        last.add_done_callback(wait_in_callback)
        assert session.call("same", 2) == 2
        assert last.result(60) == 1
        assert wait_until(lambda: len(futures) == 3)
        assert ["sent", "sent", 1] == [future.result(60) for future in futures]
        behind = session.submit("ask", "shut")
        executor.submit("same", 3)
        assert behind.result(60_000) is None
        with pytest.raises(RuntimeError):
            executor.submit("same", 4)
        executor.shutdown()
    assert ["would_wait_for_itself"] * 8 == refused
