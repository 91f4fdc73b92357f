"""Python signal handlers that use a session whose call they have interrupted."""

import itertools
import os
import signal
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from gates import Gate
from hosts import WORKERS
from interrupt import handled
from processes import posix_signals

from tech_renaissance import CallCancelled, LocalProtocolError, PythonSession, SessionClosed

pytestmark = posix_signals


@pytest.fixture
def session(workspace: Path, transport: str, worker_python: str) -> Iterator[Any]:
    """A session of this process, of which the main thread is the signals'."""
    with PythonSession(WORKERS / "stubborn.py", "handled", True, library="numpy") as session:
        session.wait_until_ready()
        yield session


@pytest.fixture
def interrupt(gate: Gate) -> Iterator[Callable[[Callable[[], object]], None]]:
    """Has a function called by a signal handler, once a worker is at the gate."""
    before = signal.getsignal(signal.SIGUSR1)
    threads: List[threading.Thread] = []

    def interrupt(action: Callable[[], object]) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: action())
        main = threading.get_ident()

        def wait_and_signal() -> None:
            gate.wait_for_arrival()
            signal.pthread_kill(main, signal.SIGUSR1)

        threads.append(threading.Thread(target=wait_and_signal))
        threads[-1].start()

    yield interrupt
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("end", ["close", "terminate"])
def test_a_signal_handler_may_end_the_session(session: Any, gate: Gate, interrupt: Any, end: str) -> None:
    """The call that it has interrupted hears of it; what follows waits for the end."""
    interrupt(getattr(session, end))
    with pytest.raises(SessionClosed):
        session.fetch_response(f"wait {gate.path}", 60_000)
    if end == "close":
        session.close()
        assert not os.path.exists(session.session_dir)
    else:
        session.start()
        assert "again" == session.fetch_response("echo again")


def test_a_signal_handler_may_cancel_the_call_that_it_has_interrupted(
    session: Any, gate: Gate, interrupt: Any
) -> None:
    """The handler sees it, and the worker serves on."""
    pid = session.fetch_response("pid")
    interrupt(session.cancel)
    with pytest.raises(CallCancelled) as caught:
        session.fetch_response(f"obeys {gate.path}", 60_000)
    assert "notice" == caught.value.step
    assert pid == session.fetch_response("pid")


def test_a_signal_handler_may_cancel_a_call_that_waits_for_its_worker(
    workspace: Path, transport: str, worker_python: str, gate: Gate
) -> None:
    """As another thread may."""
    is_over = threading.Event()
    main = threading.get_ident()

    def signal_until_over() -> None:
        while not is_over.wait(0.02):
            signal.pthread_kill(main, signal.SIGUSR1)

    options: Any = {"environment": {"GATE": gate.path}, "library": "numpy"}
    with PythonSession(WORKERS / "slow_start.py", "handled", True, **options) as session:
        before = signal.signal(signal.SIGUSR1, lambda *_: session.cancel())
        thread = threading.Thread(target=signal_until_over)
        thread.start()
        with pytest.raises(CallCancelled) as caught:
            session.fetch_response("echo never", 60_000)
        is_over.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)
        assert "queue" == caught.value.step
        gate.open()
        assert "on" == session.fetch_response("echo on")


def test_a_signal_handler_that_calls_is_refused(session: Any, gate: Gate, interrupt: Any) -> None:
    """It would wait for what it has interrupted; that goes on."""
    errors: List[Exception] = []

    def call() -> None:
        assert "busy" == session.state().name
        try:
            session.fetch_response("echo nested", 60_000)
        except LocalProtocolError as error:
            errors.append(error)
        gate.open()

    interrupt(call)
    assert "whole" == session.fetch_response(f"wait {gate.path} whole", 60_000)
    assert ["bad_state"] == [error.code for error in errors]
    assert "next" == session.fetch_response("echo next")


def test_a_signal_handler_may_call_and_end_another_session_but_start_none(
    session: Any, gate: Gate, interrupt: Any
) -> None:
    """It cannot wait for what the code that it has interrupted may hold up, also not in a function that its own call has called."""
    refused: List[str] = []

    def start(name: str) -> None:
        try:
            PythonSession(WORKERS / "echo.py", name, True).start()
        except LocalProtocolError as error:
            refused.append(error.code)

    with PythonSession(WORKERS / "talkers.py", "other", True, library="numpy") as other:
        other.expose("start", lambda: start("below"))

        def act() -> None:
            start("third")
            other.call("ask", "start")
            other.close()
            gate.open()

        interrupt(act)
        assert "whole" == session.fetch_response(f"wait {gate.path} whole", 60_000)
        assert ["bad_state", "bad_state"] == refused
        other.close()
        assert not os.path.exists(other.session_dir)


def test_a_signal_handler_in_a_function_that_a_session_calls_may_do_what_the_function_may(
    workspace: Path, transport: str, worker_python: str
) -> None:
    """It has interrupted the program, and no code of ours."""
    values: List[str] = []

    def use() -> None:
        with PythonSession(WORKERS / "echo.py", "other", True) as other:
            values.append(other.fetch_response("echo other"))
        values.append(str(os.path.exists(other.session_dir)))

    before = signal.signal(signal.SIGUSR1, lambda *_: use())
    with PythonSession(WORKERS / "talkers.py", "handled", True, library="numpy") as session:
        session.expose("interrupt", lambda: signal.raise_signal(signal.SIGUSR1))
        session.call("ask", "interrupt")
    signal.signal(signal.SIGUSR1, before)
    assert ["other", "False"] == values


def test_a_signal_handler_may_ask_for_answers_wherever_it_finds_the_host(session: Any) -> None:
    """Whether one has come, or for the oldest, also in the midst of the same question."""
    for moment in itertools.count():
        answers: List[str] = []

        def ask_again() -> None:
            try:
                while session.new_response():
                    answers.append(session.wait_for_response(60_000))  # noqa: B023
            except LocalProtocolError as error:
                assert "no_request" == error.code  # noqa: PT017
            session.send_request("echo second")

        def ask() -> None:
            session.send_request("echo first")
            while not session.new_response():
                pass
            ask_again()

        was_handled = handled(ask, moment, ask_again, "unfetched_calls.py")
        while len(answers) < 2 + was_handled:
            answers.append(session.wait_for_response(60_000))
        assert ["first", *["second"] * (1 + was_handled)] == sorted(answers)
        if not was_handled:
            break
    assert moment > 3


def test_a_signal_handler_may_ask_for_the_stacks_while_they_are_taken(session: Any) -> None:
    """Both get them."""
    for moment in itertools.count():
        stacks: List[str] = []
        was_handled = handled(
            lambda: stacks.append(session.stack()),  # noqa: B023
            moment,
            lambda: stacks.append(session.stack()),  # noqa: B023
            "launched_worker.py",
        )
        assert [True] * (1 + was_handled) == ["Thread" in stack for stack in stacks], moment
        if not was_handled:
            break
    assert moment > 3


def test_a_signal_handler_may_submit_to_an_executor_wherever_it_finds_it(session: Any) -> None:
    """Also while its thread starts; all are answered."""
    for moment in itertools.count():
        with session.executor() as executor:
            futures: List[Any] = []

            def submit() -> None:
                futures.append(executor.submit("echo", len(futures)))  # noqa: B023

            was_handled = handled(submit, moment, submit, "executor.py", "lazy_thread.py")
            assert [None] * (1 + was_handled) == [future.exception(60) for future in futures], moment
        if not was_handled:
            break
    assert moment > 10
