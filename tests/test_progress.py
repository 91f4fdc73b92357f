"""Progress and stopping: a handler says how far it is, and a call that is to stop keeps its answer."""

import asyncio
import functools
import gc
import time
import weakref
from pathlib import Path
from typing import Any, Callable, List

import pytest
from asyncio_host import asyncio_everywhere, asyncio_too, python_hosts
from gates import Gate
from leaks import wait_until

from tech_renaissance import (
    CallCancelled,
    LocalProtocolError,
    Progress,
    PythonSession,
    SessionClosed,
    TimedOut,
)

Start = Callable[..., Any]
WORKER = "talkers.py"


@asyncio_everywhere
def test_the_first_and_the_last_progress_are_told(start: Start) -> None:
    """In order, before the value; a future has the newest, also when its value has been taken and the session has ended."""
    session = start(WORKER)
    told: List[Progress] = []
    assert 1000 == session.call("train", 1000, on_progress=told.append)
    assert Progress(1000, 1000, "step 1000") == told[-1]
    assert told == sorted(told, key=lambda progress: progress.done)
    assert all(progress.fraction == progress.done / 1000 for progress in told)
    future = session.submit("train", 7)
    assert 7 == future.result()
    session.call("talk_without_total", on_progress=told.append)
    assert (Progress(1.5), None) == (told[-1], told[-1].fraction)
    assert session.submit("same", 1).progress() is None
    told.clear()
    stream = session.stream("generate", 30, on_progress=told.append)
    assert list(range(30)) == list(stream)
    assert 30 == told[-1].done
    for _ in range(2):
        assert (True, "done", Progress(7, 7, "step 7")) == (future.done(), future.state(), future.progress())
        future.cancel()
        assert "whole" == stream.result()
        assert Progress(30, 30) == stream.progress()
        session.close()


@asyncio_everywhere
def test_a_slow_on_progress_is_told_the_newest_next(start: Start, gate: Gate) -> None:
    """What was said while it ran is skipped."""
    session = start(WORKER)

    def listen(progress: Progress) -> None:
        told.append(progress.done)
        if len(told) == 1:
            gate.wait_for_arrival()
            gate.open()

    for call in (
        lambda: session.call("say_often", 20, gate.path, on_progress=listen),
        lambda: session.submit("say_often", 20, gate.path, on_progress=listen).result(),
    ):
        told: List[float] = []
        assert 20 == call()
        assert 20 == told[-1]
        assert len(told) <= 2


@asyncio_too
def test_a_timeout_passes_while_on_progress_is_told(start: Start, host: str) -> None:
    """Also if it takes longer than the handler from one to the next."""
    session = start(WORKER)

    def listen(progress: Progress) -> Any:
        return asyncio.sleep(0.02) if host == "asyncio" else time.sleep(0.02)

    with pytest.raises(TimedOut) as late:
        session.call("say_often", 2000, on_progress=listen, timeout_ms=200)
    assert "timed_out" == late.value.code
    session.cancel()
    future = session.submit("say_often", 2000, on_progress=listen)
    for _ in range(2):
        with pytest.raises(TimedOut) as late:
            future.result(timeout_ms=200)
        assert "timed_out" == late.value.code
    future.stop()
    assert future.result() < 2000


@asyncio_too
def test_what_on_progress_raises_ends_the_call(start: Start, host: str) -> None:
    """And is what the caller gets, as often as it asks; the session goes on."""
    session = start(WORKER)

    def refuse(progress: Progress) -> None:
        raise KeyError(progress.message)

    with pytest.raises(KeyError):
        session.call("train", 3, on_progress=refuse)
    stream = session.stream("generate", 3, on_progress=refuse)
    for _ in range(2):
        with pytest.raises(KeyError):
            stream.result()
    future = session.submit("train", 3, on_progress=refuse)
    for _ in range(1 if host == "cpp" else 2):  # there the result can be taken once
        with pytest.raises(KeyError):
            future.result()
    assert 1 == session.call("same", 1)


@asyncio_too
def test_a_call_that_is_to_stop_keeps_its_answer(start: Start, gate: Gate) -> None:
    """One that has not begun is done; stopping what is done means nothing."""
    session = start(WORKER)
    future = session.submit("train", 10, gate.path, 4)
    behind = [session.submit("same", number) for number in range(400)]
    gate.wait_for_arrival()
    future.stop()
    for number in (0, 399):
        behind[number].stop()
        with pytest.raises(CallCancelled) as cancelled:
            behind[number].result()
        assert "queue" == cancelled.value.step
    gate.open()
    assert 4 == future.result()
    future.stop()
    assert list(range(1, 399)) == [one.result() for one in behind[1:-1]]
    stream = session.stream("generate", 10, gate.path)
    gate.wait_for_arrival()
    stream.stop()
    gate.open()
    assert "stopped" == stream.result()
    assert 1 == session.call("same", 1)


@pytest.mark.files
def test_a_stop_that_cannot_be_written_is_written_later(start: Start) -> None:
    """As when the disk is full, or something else has the name of the file."""
    session = start("in_flight.py")
    future = session.submit("work")
    assert wait_until(lambda: future.progress() is not None)  # its handler runs
    in_the_way = Path(session.session_dir, "cancel.txt")
    in_the_way.mkdir()
    future.stop()
    in_the_way.rmdir()
    assert "stopped" == future.result()


@asyncio_too
def test_a_cancel_after_a_stop_is_a_cancel(start: Start, gate: Gate) -> None:
    """As if nobody had asked before."""
    session = start(WORKER)
    future = session.submit("train", 10, gate.path, 4)
    gate.wait_for_arrival()
    future.stop()
    future.cancel()
    with pytest.raises(CallCancelled):
        future.result()
    assert 1 == session.call("same", 1)


@python_hosts
def test_a_call_that_is_given_up_does_not_keep_what_the_program_gave_it(start: Start, gate: Gate) -> None:
    """That may own anything, even the session, and goes at once, not when the answer has come."""
    session = start(WORKER)
    kept: List[Any] = []

    def owner() -> Callable[[Progress], None]:
        def tell(_: Progress) -> None:
            pass

        kept.append(weakref.ref(tell))
        return tell

    def is_gone() -> bool:
        gc.collect()
        return kept[-1]() is None

    future = session.submit("train", 10, gate.path, 4, on_progress=owner())
    gate.wait_for_arrival()
    del future
    assert wait_until(is_gone)
    gate.open()
    stream = session.stream("generate", 10, gate.path, on_progress=owner())
    gate.wait_for_arrival()
    del stream
    assert wait_until(is_gone)
    gate.open()
    assert 1 == session.call("same", 1)
    with pytest.raises(TimedOut):
        session.call("train", 10, gate.path, 4, timeout_ms=0, on_progress=owner())
    assert wait_until(is_gone)
    gate.wait_for_arrival()
    gate.open()
    values = (number for number in range(1000))
    kept.append(weakref.ref(values))
    stream = session.stream("echo_input", values)
    assert 0 == next(stream)
    del stream, values
    assert wait_until(is_gone)


def test_what_cannot_be_told_of_progress_is_refused_at_once() -> None:
    """Before anything is made or sent."""
    session = PythonSession("default", "never-started")
    for ask in (session.call, session.submit, session.stream):
        with pytest.raises(LocalProtocolError, match="on_progress is a function") as caught:
            ask("train", on_progress=5)
        assert "bad_option" == caught.value.code


class _Callable:
    async def __call__(self, progress: Progress) -> None:
        """Would be awaited."""


@pytest.mark.parametrize("function", [_Callable(), functools.partial(_Callable.__call__, _Callable())])
def test_a_coroutine_that_a_thread_would_have_to_await_is_refused_at_once(function: Any) -> None:
    """Before anything is made or sent. The future of a submit may be awaited, so there it is no mistake."""
    session = PythonSession("default", "never-started")
    executor = session.executor()
    for ask in (session.call, session.stream, executor.submit):
        with pytest.raises(LocalProtocolError, match="on_progress is called in a thread") as caught:
            ask("train", on_progress=function)
        assert "bad_option" == caught.value.code
    with pytest.raises(SessionClosed):
        session.submit("train", on_progress=function)


@pytest.mark.parametrize("host", ["python"], indirect=True)
def test_a_coroutine_is_never_dropped_in_silence(start: Start) -> None:
    """A function whose result is one is not known before it is called; a future may be awaited, or not."""
    session = start(WORKER)
    told: List[Progress] = []

    async def tell(progress: Progress) -> None:
        told.append(progress)

    async def awaited() -> Any:
        return await session.submit("train", 3, on_progress=tell)

    assert 3 == asyncio.run(awaited())
    assert Progress(3, 3, "step 3") == told.pop()
    del told[:]
    assert 1 == session.call("same", 1)
    for ask in (
        lambda: session.call("train", 1, on_progress=lambda progress: tell(progress)),  # noqa: PLW0108
        lambda: session.submit("train", 1, on_progress=tell).result(),
    ):
        with pytest.raises(TypeError, match="on_progress is a coroutine"):
            ask()
    assert [] == told
    assert 1 == session.call("same", 1)
