"""Callbacks: a handler calls functions of its host, which the thread that waits for its call runs."""

import asyncio
import dataclasses
import threading
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
from asyncio_host import asyncio_everywhere, asyncio_too, python_hosts
from late import late, longer_and_longer
from leaks import wait_until
from processes import is_alive, kill

from tech_renaissance import (
    ArenaFull,
    CallCancelled,
    CommandError,
    LocalProtocolError,
    RestartPolicy,
    TimedOut,
    WorkerLost,
)
from tech_renaissance._transport.shm.arena import Arena

Start = Callable[..., Any]
WORKER = "talkers.py"


@asyncio_everywhere
def test_a_handler_calls_what_its_host_has_exposed(start: Start) -> None:
    """With values; in calls, futures and streams."""
    session = start(WORKER)
    session.expose("add", lambda a, b: a + b)
    session.expose("next", lambda number: number + 1)
    session.expose("same", lambda value: value)
    assert 3 == session.call("ask", "add", 1, 2)
    tensor = np.arange(6.0).reshape(2, 3)
    got = session.call("ask", "same", [tensor, b"raw", None, {"x": tensor}])
    np.testing.assert_array_equal(tensor, got[0])
    np.testing.assert_array_equal(tensor, got[3]["x"])
    assert [b"raw", None] == got[1:3]
    assert list(range(1, 101)) == session.call("ask_often", "next", 100)
    assert [1, 2, 3] == list(session.stream("ask_and_yield", "next", 3))
    assert 6 == session.submit("ask", "next", 5).result()
    with pytest.raises(TimedOut) as late:  # however often it asks
        session.call("ask_often", "next", 100_000, timeout_ms=200)
    assert "timed_out" == late.value.code
    session.expose("next", lambda number: number - 1)
    assert 4 == session.call("ask", "next", 5)
    session.expose("next", None)
    with pytest.raises(CommandError, match="next"):
        session.call("ask", "next", 1)


@python_hosts
def test_arguments_are_given_by_name_and_converted_by_hints(start: Start) -> None:
    """As in a command."""
    session = start(WORKER)
    calls: List[Any] = []

    def add(a: float, b: float = 1.0) -> float:
        calls.append((a, b))
        return a + b

    session.expose("add", add)
    session.expose("same", lambda *args, **kwargs: [*args, kwargs])
    assert 3.0 == session.call("ask", "add", 1, b=2)
    assert [type(value) for value in calls[0]] == [float, float]
    assert [1, {"extra": None}] == session.call("ask", "same", 1, extra=None)
    assert 6.0 == session.call("ask", "add", 5)


@python_hosts
def test_a_result_for_which_there_is_no_memory_is_an_error_of_the_handler(
    start: Start, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of no other call."""
    if transport != "shm":
        pytest.skip("files are no shared memory")
    session = start(WORKER)
    session.expose("large", lambda: "x" * 200_000)

    def is_full(_: Arena, nbytes: int) -> Any:
        raise ArenaFull(f"no shared memory for {nbytes} more bytes")

    monkeypatch.setattr(Arena, "allocate", is_full)
    error = session.call("try_ask", "large")
    assert ("command_failed", "tech_renaissance.ArenaFull") == (error["code"], error["type"])
    assert "no shared memory" in error["text"]
    monkeypatch.undo()
    assert "x" * 200_000 == session.call("ask", "large")


@asyncio_everywhere
def test_a_call_behind_one_whose_handler_asks_has_not_begun(start: Start) -> None:
    """It can be cancelled without harm to that one."""
    session = start(WORKER)
    session.expose("add", lambda a, b: a + b)
    asking = session.submit("ask", "add", 1, 2)
    assert wait_until(lambda: asking.state() == "asking")
    behind = session.submit("same", 1)
    assert wait_until(lambda: behind.state() == "sent")
    behind.cancel()
    with pytest.raises(CallCancelled) as cancelled:
        behind.result()
    assert "queue" == cancelled.value.step
    assert 3 == asking.result()


@dataclasses.dataclass
class Found:
    """Its constructor has a mistake."""

    key: str

    def __post_init__(self) -> None:
        """Look it up."""
        assert {"known": 1}[self.key]


def _look(found: Found) -> str:
    return found.key


@asyncio_too
def test_errors_cross_both_ways(start: Start, host: str) -> None:
    """What a function raises, what does not fit, what does not exist, what cannot be sent."""
    session = start(WORKER)

    def fail() -> None:
        raise ValueError("no luck")

    session.expose("fail", fail)
    session.expose("needs_two", lambda a, b: None)
    session.expose("gives_set", lambda: {1, 2})
    errors: Dict[str, Any] = {
        name: session.call("try_ask", name) for name in ("fail", "needs_two", "gives_set", "fali")
    }
    assert "command_failed" == errors["fail"]["code"]
    assert "no luck" in errors["fail"]["text"]
    if host != "cpp":  # whose functions are those of its driver
        assert "ValueError" == errors["fail"]["type"]
        assert "in fail" in errors["fail"]["text"]  # the host's traceback
    assert "wrong_arguments" == errors["needs_two"]["code"]
    assert "command_failed" == errors["gives_set"]["code"]
    if host != "cpp":
        session.expose("look", _look)
        gone_wrong = session.call("try_ask", "look", {"key": "x"})
        assert ("command_failed", "KeyError") == (gone_wrong["code"], gone_wrong["type"])
        assert "in __post_init__" in gone_wrong["text"]
    assert "unknown_command" == errors["fali"]["code"]
    assert "did you mean fail" in errors["fali"]["text"]
    with pytest.raises(CommandError, match="no luck") as failed:
        session.call("ask", "fail")
    assert "command_failed" == failed.value.code
    for name in ("", "two words", "_private"):
        for function in (fail, None):
            with pytest.raises(LocalProtocolError) as refused:
                session.expose(name, function)
            assert "bad_message" == refused.value.code
    if host != "cpp":
        with pytest.raises(LocalProtocolError):
            session.expose("text", "no function")


@asyncio_too
def test_a_function_may_not_wait_for_the_worker_that_waits_for_it(start: Start, host: str) -> None:
    """It may send calls; they are served afterwards."""
    session = start(WORKER)
    sent: List[Any] = []
    refused: List[str] = []
    inner = session._inner.plain if host == "asyncio" else session

    def wait() -> None:
        sent.append(inner.submit("same", "sent"))
        for wait in (
            lambda: inner.call("same", "never"),
            lambda: inner.fetch_response("same never"),
            sent[0].result,
            inner.wait_until_ok,
            inner.please_exit,
        ):
            try:
                wait()
            except LocalProtocolError as error:
                refused.append(error.code)

    session.expose("wait", wait)
    assert session.call("ask", "wait") is None
    assert ["would_wait_for_itself"] * 5 == refused
    assert "sent" == sent[0].result(60_000)
    assert 1 == session.call("same", 1)


@asyncio_too
def test_a_wait_that_is_refused_loses_no_answer(start: Start, host: str) -> None:
    """What was to be waited for is still the oldest request."""
    session = start(WORKER)
    refused: List[str] = []

    def wait() -> None:
        session.send_request("same first")
        for wait in (session.wait_for_response, session.wait_for_tensors):
            with pytest.raises(LocalProtocolError) as caught:
                wait()
            refused.append(caught.value.code)

    async def wait_in_task() -> None:
        await session._inner.send_request("same first")
        for wait in (session._inner.wait_for_response, session._inner.wait_for_tensors):
            with pytest.raises(LocalProtocolError) as caught:
                await wait()
            refused.append(caught.value.code)

    session.expose("wait", wait_in_task if host == "asyncio" else wait)
    assert session.call("ask", "wait") is None
    assert ["would_wait_for_itself"] * 2 == refused
    session.send_request("same second")
    assert ["first", "second"] == [session.wait_for_response(60_000) for _ in range(2)]


@pytest.mark.parametrize("host", ["asyncio"], indirect=True)
def test_a_function_of_asyncio_may_be_a_coroutine(start: Start) -> None:
    """It may await anything but the worker that waits for it."""
    session = start(WORKER)
    refused: List[str] = []
    inner = session._inner

    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        for wait in (
            lambda: inner.call("same", "never"),
            lambda: inner.fetch_response("same never"),
            inner.wait_until_ok,
            inner.please_exit,
        ):
            try:
                await wait()
            except LocalProtocolError as error:
                refused.append(error.code)
        return a + b

    session.expose("add", add)
    assert 3 == session.call("ask", "add", 1, 2)
    assert ["would_wait_for_itself"] * 4 == refused
    assert 1 == session.call("same", 1)


class _Interrupt(BaseException):
    """As KeyboardInterrupt, which would also end the asyncio host's loop."""


@python_hosts
def test_an_interrupt_in_a_function_ends_the_hosts_wait(start: Start) -> None:
    """The handler gets an error, cleans up, and the session goes on."""
    session = start(WORKER)

    def interrupt() -> None:
        raise _Interrupt

    session.expose("interrupt", interrupt)
    with pytest.raises(_Interrupt):
        session.call("ask_and_clean", "interrupt")
    assert 1 == session.call("count_cleanings")


@asyncio_too
def test_an_ask_waits_until_somebody_waits_for_its_call(start: Start, host: str) -> None:
    """Whose thread runs the function; only one of several does."""
    session = start(WORKER)
    ran: List[int] = []

    def run(_: int) -> int:
        ran.append(threading.get_ident())
        return len(ran)

    session.expose("run", run)
    future = session.submit("ask_often", "run", 5)
    assert wait_until(lambda: future.state() == "asking")
    assert "asking" == session.state().name
    assert [] == ran
    results: List[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(future.result(60_000)))
        for _ in range(1 if host == "cpp" else 3)  # there the result can be taken once
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[1, 2, 3, 4, 5]] * len(threads) == results
    assert 5 == len(ran)


@asyncio_too
def test_a_call_that_nobody_waits_for_any_longer_asks_in_vain(start: Start) -> None:
    """Its handler ends; a deadline ends it, too."""
    session = start(WORKER)
    assert session.wait_until_ready(60_000)
    session.expose("run", lambda: 1)
    session.submit("ask_and_clean", "run")  # and let go of
    assert 1 == session.call("count_cleanings", timeout_ms=60_000)
    for deadline_ms in longer_and_longer():
        future = session.submit("ask_and_clean", "run", deadline_ms=deadline_ms)
        if 2 == session.call("count_cleanings", timeout_ms=60_000):
            break
    with pytest.raises(TimedOut):
        future.result()


@asyncio_too
def test_a_worker_that_dies_while_its_host_runs_a_function_ends_nothing_else(start: Start) -> None:
    """The function runs to its end; its call is not begun again, even if it is idempotent."""
    session = start(WORKER, restart="on-crash", restart_policy=RestartPolicy(first_backoff_ms=1))
    pid = session.call("pid")
    ended: List[int] = []

    def end() -> None:
        kill(pid)
        wait_until(lambda: not is_alive(pid))
        ended.append(1)

    session.expose("end", end)
    with pytest.raises(WorkerLost):
        session.call("ask", "end", timeout_ms=60_000, idempotent=True)
    assert [1] == ended
    assert 1 == session.call("same", 1)


@asyncio_too
def test_a_call_may_end_while_its_function_runs(start: Start) -> None:
    """Cancelled, or past its deadline, by that very function; asked to stop, it gets the answer."""
    session = start(WORKER)
    inner = getattr(session, "_inner", session)
    waiting: List[Any] = []
    ready: List[bool] = []

    def cancel() -> None:
        waiting[-1].cancel()

    def stop() -> str:
        waiting[-1].stop()
        return "stop"

    def take_too_long() -> None:
        ready.append(wait_until(lambda: inner.state().name == "ready"))

    for function in (cancel, stop, take_too_long):
        session.expose(function.__name__, function)

    def submit(name: str, **options: Any) -> Any:
        future = session.submit("ask_and_look", name, **options)
        waiting.append(getattr(future, "_inner", future))
        return future

    with pytest.raises(CallCancelled):
        submit("cancel").result()
    assert ["stop", True] == submit("stop").result()
    error = late(
        lambda deadline_ms: submit("take_too_long", deadline_ms=deadline_ms).result(), lambda _: bool(ready)
    )
    assert ("deadline_passed", [True]) == (error.code, ready)
    assert 1 == session.call("same", 1)


@asyncio_too
def test_a_call_in_the_loop_of_a_stream_works_with_an_output_callback(
    start: Start, host: str, transport: str
) -> None:
    """So does one while a handler waits for its host."""
    lines: List[Any] = []
    session = start(WORKER, output=lines.append)
    if transport == "shm":
        for number in session.stream("generate", 3):
            assert number == session.call("same", number)
    session.expose("add", lambda number: number + 1)
    assert [1, 2] == session.call("ask_often", "add", 2)
