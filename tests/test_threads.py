"""One session, many threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import numpy as np
import pytest
from asyncio_host import asyncio_too
from gates import Gate

from tech_renaissance import TechRenaissanceError, TimedOut

Maker = Callable[..., Any]


@pytest.mark.interpreters
def test_each_of_many_threads_gets_its_own_answer(start: Maker) -> None:
    """However their calls mix."""
    session = start()

    def ask(thread: int) -> bool:
        texts = [f"{thread} asks {number}" for number in range(25)]
        return texts == [session.fetch_response(f"echo {text}", 60_000) for text in texts]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(8)))


def test_calculations_of_many_threads_do_not_mix(start: Maker) -> None:
    """Each has tags of its own."""
    session = start("tensors.py")

    def ask(thread: int) -> bool:
        tensor = np.full(thread + 1, thread, np.float64)
        return all(
            tensor.sum() == session.calculate("sum", tensor, timeout_ms=60_000).item() for _ in range(10)
        )

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(ask, range(6)))


def test_one_thread_may_wait_for_what_another_sent(start: Maker, gate: Gate) -> None:
    """The reference text's asynchronous call."""
    session = start("tensors.py")
    session.send_tensor(np.ones(3, np.float32), "t")
    session.send_request("same t")
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(session.wait_for_tensor, 10_000)
        assert [1, 1, 1] == future.result().tolist()


def test_a_thread_that_waits_does_not_hold_up_another(start: Maker, gate: Gate) -> None:
    """A timeout in one is not the other's."""
    session = start()
    with ThreadPoolExecutor(2) as threads:
        patient = threads.submit(session.fetch_response, f"wait {gate.path} patient", 60_000)
        gate.wait_for_arrival()
        with pytest.raises(TimedOut):
            session.fetch_response("echo hurried", 20)
        gate.open()
        assert "patient" == patient.result()
    assert "next" == session.fetch_response("echo next")


@asyncio_too
def test_states_can_be_asked_for_while_others_call(start: Maker) -> None:
    """No question waits for a call, no call is lost by a question."""
    session = start()
    stop = threading.Event()

    def question() -> int:
        count = 0
        while not stop.is_set():
            assert session.is_alive()
            session.is_ready()
            session.is_busy()
            session.new_response()
            count += 1
        return count

    with ThreadPoolExecutor(2) as threads:
        counts = [threads.submit(question) for _ in range(2)]
        texts = [f"{number}" for number in range(50)]
        answers = [session.fetch_response(f"echo {text}", 60_000) for text in texts]
        stop.set()
        assert all(count.result() for count in counts)
    assert texts == answers


def test_terminate_ends_the_calls_of_other_threads(start: Maker, gate: Gate) -> None:
    """They hear that the session was ended, those in line and the one in work."""
    session = start()
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(session.fetch_response, f"wait {gate.path}", 60_000) for _ in range(3)]
        gate.wait_for_arrival()
        session.terminate()
        codes = [getattr(call.exception(), "code", "none") for call in calls]
    assert ["session_closed"] * 3 == codes


def test_threads_may_restart_a_session_under_each_others_feet(start: Maker) -> None:
    """Whatever they meet is one of the product's errors."""
    session = start()

    def use(thread: int) -> None:
        for number in range(6):
            try:
                if thread == 0:
                    session.terminate()
                    session.start()
                else:
                    assert f"{number}" == session.fetch_response(f"echo {number}", 10_000)
            except TechRenaissanceError:
                pass

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(use, range(4)))
    session.start()
    assert "after" == session.fetch_response("echo after")
