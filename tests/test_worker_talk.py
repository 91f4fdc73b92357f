"""What a handler tells its host and asks it, frame by frame."""

import ast
import math
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import numpy as np
import pytest
from processes import posix_signals
from served import PAIRS, Host, served, values_of

from tech_renaissance import (
    Cancelled,
    CommandError,
    LocalProtocolError,
    SessionClosed,
    TechRenaissanceServer,
    TimedOut,
    command,
    current_server,
)
from tech_renaissance._protocol.frame import Ask, Credit, Failure, Item, Progress, Ready, Request, Response
from tech_renaissance._system.clock import clock_ns


class Plain(TechRenaissanceServer):
    """Commands that are no coroutines."""

    def __init__(self) -> None:
        super().__init__(library="numpy")
        self.log: List[str] = []

    def teardown(self) -> None:
        with pytest.raises(LocalProtocolError, match=r"host\.f: there is no request in work"):
            self.host.f()

    @command
    def tell(self, count: int, fails: bool = False) -> None:
        for number in range(count):
            self.progress(number + 1, count, f"step {number}")
        if fails:
            raise ValueError("after all")

    @command
    def tell_strange(self, done: Any) -> None:
        self.progress(
            {"nan": math.nan, "text": "5", "none": None, "huge": 10**400, "float32": np.float32(1)}[done]
        )

    @command
    def ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.host, name)(*args, **kwargs)

    @command
    def ask_twice(self) -> List[Any]:
        return [self.host.first(1), self.host.second(2)]

    @command
    def ask_shortly(self, and_then: bool = False) -> Any:
        try:
            self.host.slow(timeout_ms=1)
        except TimedOut as error:
            self.log.append(error.code)
        if and_then:
            self.host.next(timeout_ms=1)
        return "went on"

    @command
    def wait_and_ask(self) -> Any:
        """Ask after a late Answer."""
        with pytest.raises(TimedOut):
            self.host.slow(timeout_ms=1)
        self.progress(1)
        while True:
            try:
                return self.host.next()
            except LocalProtocolError as error:
                self.log.append(error.code)
                time.sleep(0.001)

    @command
    def ask_until_cancelled(self) -> None:
        try:
            self.host.slow()
        except BaseException as error:
            self.log.append(type(error).__name__)
            raise

    @command
    def ask_elsewhere(self) -> str:
        found: List[str] = []

        def ask() -> None:
            for say in (self.host.f, lambda: self.progress(1)):
                try:
                    say()
                except LocalProtocolError as error:
                    found.append(error.code)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return " ".join(found)

    @command
    def numbers(self, count: int) -> Iterator[Any]:
        for number in range(count):
            self.progress(number)
            yield self.host.double(number)

    @command
    def stop_at_once(self) -> str:
        self.progress(0)
        while not self.stopping:
            time.sleep(0.001)
        return f"stopped, {self.cancelled}"

    @command
    def echo(self, value: Any) -> Any:
        return value

    @command
    def fork(self) -> int:
        """What a child may do."""
        child = os.fork()
        if not child:
            try:
                for say in (self.host.f, lambda: self.progress(1)):
                    with pytest.raises(SessionClosed):
                        say()
                os._exit(7)
            finally:
                os._exit(1)
        return os.waitpid(child, 0)[1] >> 8


@pytest.fixture(params=sorted(PAIRS))
def transport(request: pytest.FixtureRequest) -> Any:
    """Those that have all that is tested here."""
    return request.param


@pytest.fixture(name="plain")
def _plain(tmp_path: Path, transport: str) -> Iterator[Any]:
    server = Plain()
    with served(server, tmp_path, transport) as host:
        yield server, host


def test_the_first_progress_and_the_last_are_told(plain: Any, transport: str) -> None:
    """The last before the answer, also if that is a failure; what cannot be told is refused."""
    _, host = plain
    for fails in (False, True):
        number = host.begin("tell", 1000, fails=fails)
        told: List[Progress] = []
        frame = host.any()
        while not isinstance(frame, Response):
            assert isinstance(frame, Progress)
            told.append(frame)
            frame = host.any()
        if transport != "file":  # where a newer one takes its place
            assert Progress(number, 1.0, 1000.0, "step 0") == told[0]
        assert Progress(number, 1000.0, 1000.0, "step 999") == told[-1]
        assert len(told) < 900
        assert fails == bool(frame.error)
    for done in ("nan", "text", "none", "huge"):
        host.begin("tell_strange", done)
        assert "which is not a finite number" in host.failure().message
    host.begin("tell_strange", "float32")
    assert 1.0 == host.next(Progress).done
    host.next(Response)


def test_functions_of_the_host_are_called(plain: Any) -> None:
    """With whatever a call takes; what they raise is a CommandError with both tracebacks."""
    _, host = plain
    number = host.begin("ask", "price", "apple", [1, None], tensor=np.ones(3), timeout_ms=60_000)
    ask = host.next(Ask)
    assert ("price", True) == (ask.command, ask.waiting)
    host.answer(number, {"tensor": np.arange(2.0), "raw": b"x"})
    result = host.result()
    assert ([0.0, 1.0], b"x") == (result["tensor"].tolist(), result["raw"])

    number = host.begin("ask_twice")
    assert ("first", ([1], {})) == host.asked()
    host.answer(number, "one")
    assert ("second", ([2], {})) == host.asked()
    host.answer(number, None)
    assert ["one", None] == host.result()

    number = host.begin("ask", "price")
    host.next(Ask)
    host.answer(number, None, Failure("command_failed", "ValueError: no", "ValueError", "host's line 1"))
    failure = host.failure()
    assert "tech_renaissance.CommandError" == failure.type
    assert "price: ValueError: no" in failure.message
    assert "host's line 1" in failure.message
    assert "getattr(self.host, name)" in failure.traceback

    host.begin("ask", "price", {"a": "b"}, [[[float("inf")]]])
    host.next(Ask)
    host.answer(number + 1, 5)
    assert 5 == host.result()
    for timeout_ms in ("5", [5]):
        host.begin("ask", "price", timeout_ms=timeout_ms)
        assert "timeout_ms is a number of milliseconds" in host.failure().message
    host.begin("ask", "_private")
    assert "AttributeError" == host.failure().type


def test_a_late_answer_is_dropped_and_the_next_question_waits_for_it(plain: Any) -> None:
    """A question before that is refused."""
    server, host = plain
    host.begin("ask_shortly")
    host.next(Ask)
    assert "went on" == host.result()
    assert ["timed_out"] == server.log
    host.begin("ask_shortly", and_then=True)
    host.next(Ask)
    assert "has not answered this call's last question" in host.failure().message
    number = host.begin("wait_and_ask")
    came = {type(frame): frame for frame in (host.any(), host.any())}  # over files in any order
    assert ("slow", 1.0) == (came[Ask].command, came[Progress].done)
    host.answer(number, "late")
    assert "next" == host.next(Ask).command
    host.answer(number, "in time")
    assert "in time" == host.result()


def test_a_call_that_is_given_up_asks_no_longer(plain: Any) -> None:
    """At once, without an interrupt."""
    server, host = plain
    number = host.begin("ask_until_cancelled")
    host.next(Ask)
    host.end.ask_to_cancel(number)
    assert "cancelled" == host.failure().code
    assert ["Cancelled"] == server.log
    host.answer(number, "nobody waits")
    host.begin("echo", 1)
    assert 1 == host.result()


def test_the_deadline_of_a_call_bounds_its_questions(plain: Any) -> None:
    """As a timeout of their own."""
    server, host = plain
    patience_ns = 30_000_000
    host.begin_until(clock_ns() + patience_ns, "ask_until_cancelled")
    while not isinstance(host.any(), Ask):  # on a busy machine, the deadline may pass before the call's turn
        patience_ns *= 2
        host.begin_until(clock_ns() + patience_ns, "ask_until_cancelled")
    assert "tech_renaissance.TimedOut" == host.failure().type
    assert ["TimedOut"] == server.log


def test_requests_that_come_during_a_question_keep_their_order(plain: Any, transport: str) -> None:
    """However many; they are served afterwards. Over files the next one stays in its file."""
    _, host = plain
    number = host.begin("ask", "price")
    host.next(Ask)
    others = [host.begin("echo", value) for value in range(300 if transport == "shm" else 1)]
    host.answer(number, "now")
    assert "now" == host.result()
    assert list(range(len(others))) == [host.result() for _ in others]


def test_questions_are_for_the_thread_of_the_handler(plain: Any) -> None:
    """And not for a fork of the worker."""
    _, host = plain
    host.begin("ask_elsewhere")
    assert "bad_state bad_state" == host.result()
    if hasattr(os, "fork"):
        host.begin("fork")
        assert 7 == host.result()


def test_a_generator_tells_and_asks(plain: Any) -> None:
    """Between its items."""
    _, host = plain
    number = host.begin("numbers", 40, streams=True)
    items: List[Any] = []
    asked = 0
    frame = host.any()
    while not isinstance(frame, Response):
        if isinstance(frame, Ask):
            host.answer(number, f"answer {asked}")
            asked += 1
        elif isinstance(frame, Item):
            items.append(frame)
            host.send(Credit(number, 1))
        frame = host.any()
    expected = [f"answer {place}" for place in range(40)]
    if host.end.can_stream:
        assert expected == values_of(items)
    else:
        assert [expected, None] == values_of([frame])[0]


def test_a_call_may_be_asked_to_stop(plain: Any) -> None:
    """It goes on as it likes; one whose turn has not come is not begun."""
    _, host = plain
    number = host.begin("stop_at_once")
    host.next(Progress)
    host.end.ask_to_stop(number)
    assert "stopped, False" == host.result()
    host.end.ask_to_stop(number + 1)
    host.begin("echo", 1)
    assert "cancelled" == host.failure().code


def test_an_older_host_has_no_functions() -> None:
    """Nor does it take progress."""

    class Old(TechRenaissanceServer):
        def main_logic(self, command: str, parameters: str) -> bool:
            self.progress(1)
            assert not self.stopping
            self.write_response("", command)
            return bool(parameters) and self.host.f()

    with served(Old()) as host:
        host.send(Request("hello"))
        assert "hello" == host.next(Response).result
        host.send(Request("hello", "again"))
        assert "host.f: the host of this call has no functions to call" in host.failure().message


def test_functions_without_a_class_talk_through_the_current_server() -> None:
    """As the methods of one do."""

    class Functions(TechRenaissanceServer):
        @command
        def f(self) -> Any:
            return outside()

    def outside() -> Any:
        current_server().progress(0.5)
        return current_server().host.g()

    with served(Functions()) as host:
        number = host.begin("f")
        assert 0.5 == host.next(Progress).done
        host.next(Ask)
        host.answer(number, "yes")
        assert "yes" == host.result()


def test_an_error_of_the_host_is_caught_as_one() -> None:
    """With its parts."""

    class Catching(TechRenaissanceServer):
        @command
        def f(self) -> List[str]:
            try:
                self.host.g()
            except CommandError as error:
                return [error.code, error.remote_type, error.remote_message, error.remote_traceback]
            except Cancelled:
                return []
            return []

    with served(Catching()) as host:
        number = host.begin("f")
        host.next(Ask)
        host.answer(number, None, Failure("unknown_command", "no g", "", ""))
        assert ["unknown_command", "", "no g", ""] == host.result()


@posix_signals
@pytest.mark.skipif("shm" not in PAIRS, reason="over shared memory")
@pytest.mark.parametrize("kind", ["plain", "coroutines"])
def test_interrupts_at_any_moment_lose_nothing(kind: str, tmp_path: Path) -> None:
    """Whatever a call is doing; the next is as any other."""
    seed = str(random.randrange(10**6))
    script = Path(__file__).with_name("talk_interrupts.py")
    run = subprocess.run(
        [sys.executable, str(script), kind, "40", seed, str(tmp_path)],
        capture_output=True,  # stderr apart: Python complains there of a coroutine that an interrupt kept from being awaited
        timeout=100,
        check=False,
    )
    assert 0 == run.returncode, f"seed {seed}: {run.stdout.decode()}{run.stderr.decode()}"
    ends: Dict[str, int] = ast.literal_eval(run.stdout.decode())
    assert set(ends) <= {"ok", "cancelled"}, f"seed {seed}: {ends}"


@pytest.mark.skipif("shm" not in PAIRS, reason="the end of a host is noticed by its doorbell")
def test_a_question_ends_with_the_host(tmp_path: Path) -> None:
    """The worker leaves."""
    server = Plain()
    end, worker = PAIRS["shm"](tmp_path)
    thread = threading.Thread(target=lambda: server.serve(worker), daemon=True)
    thread.start()
    host = Host(end, Ready({}))
    host.next(Ready)
    host.begin("ask_until_cancelled")
    host.next(Ask)
    end.close()
    thread.join(20)
    assert not thread.is_alive()
    assert ["SessionClosed"] == server.log


@pytest.mark.skipif("shm" not in PAIRS, reason="over shared memory")
def test_what_is_given_up_before_a_sleep_ends_that_sleep(tmp_path: Path) -> None:
    """Though the host saw nobody asleep, and rang no bell."""
    host, worker = PAIRS["shm"](tmp_path)
    for ask in (host.ask_to_cancel, host.ask_to_stop):
        assert worker.receive(0) is None
        ask(1)
        begin = time.monotonic()
        assert worker.receive(30.0) is None
        assert time.monotonic() < begin + 30.0
    worker.close()
    host.close()


def test_an_older_scripts_own_attributes_stay_what_they_are() -> None:
    """Whatever names this package has given to something since."""

    class Older(TechRenaissanceServer):
        def __init__(self) -> None:
            super().__init__()
            self.host = "example.org"  # type: ignore[assignment]
            self.stopping = self.progress = 5  # type: ignore[assignment]

        def main_logic(self, command: str, parameters: str) -> bool:
            self.write_response("", f"{self.host} {self.stopping} {self.progress}")
            return True

    assert "example.org 5 5" == Older().respond(Request("x")).result
