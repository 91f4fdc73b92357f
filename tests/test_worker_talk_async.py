"""What coroutines tell their host and ask it while others go on, frame by frame."""

import asyncio
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from leaks import wait_until
from served import PAIRS, served

from tech_renaissance import (
    LocalProtocolError,
    TechRenaissanceServer,
    TimedOut,
    command,
)
from tech_renaissance._protocol.frame import Answer, Ask, Progress, Response
from tech_renaissance._transport.shm.control import _SLOTS, CURRENT_ID
from tech_renaissance._transport.transport import FOR_ANSWER
from tech_renaissance._worker.async_talk import AsyncTalk


class Async(TechRenaissanceServer):
    """Coroutines."""

    def __init__(self) -> None:
        super().__init__(library="numpy")
        self.log: List[str] = []
        self.left: Any = None

    @command
    async def ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return await getattr(self.host, name)(*args, **kwargs)

    @command
    async def ask_together(self, count: int) -> List[Any]:
        return list(await asyncio.gather(*(self.host.number(number) for number in range(count))))

    @command
    async def ask_until_cancelled(self) -> None:
        self.progress(1)
        try:
            await self.host.slow()
        except BaseException as error:
            self.log.append(type(error).__name__)
            raise

    @command
    async def ask_shortly(self) -> str:
        try:
            await self.host.slow(timeout_ms=1)
        except TimedOut:
            return "timed out"
        return ""

    @command
    async def ask_in_a_task(self) -> Any:
        """And then something else, for which there is no time."""
        self.left = asyncio.ensure_future(self.host.first())
        try:
            await self.left
        except asyncio.CancelledError:
            return await self.host.second(timeout_ms=1)

    @command
    async def leave_a_task(self) -> None:
        async def late() -> None:
            await asyncio.sleep(0.01)
            try:
                await self.host.f()
            except LocalProtocolError as error:
                self.log.append(error.code)

        self.left = asyncio.ensure_future(late())

    @command
    async def await_the_task(self) -> List[str]:
        await self.left
        return self.log

    @command
    def plain(self) -> Any:
        """Blocks the coroutines."""
        return self.host.plain()

    @command
    async def echo(self, value: Any) -> Any:
        return value


@pytest.fixture(params=sorted(PAIRS))
def transport(request: pytest.FixtureRequest) -> Any:
    """Those that have all that is tested here."""
    return request.param


@pytest.fixture(name="coroutines")
def _coroutines(tmp_path: Path, transport: str) -> Iterator[Any]:
    server = Async()
    with served(server, tmp_path, transport) as host:
        yield server, host


def test_coroutines_ask_while_others_go_on(coroutines: Any) -> None:
    """More than are served at once; a plain command among them; Ready says that they are there."""
    _, host = coroutines
    assert host.ready.info["coroutines"] is True
    numbers = {host.begin("ask", "name", number): number for number in range(63)}
    asks: Dict[Any, Any] = {}
    while len(asks) < 63:
        ask = host.next(Ask)
        assert not ask.waiting
        asks[ask.id] = ask
    beyond = host.begin("echo", "after all")
    for number, value in numbers.items():
        host.answer(number, value)
    results = [host.next(Response) for _ in range(64)]
    assert {*numbers, beyond} == {response.id for response in results}
    number = host.begin("ask", "f")
    host.next(Ask)
    other = host.begin("plain")
    ask = host.next(Ask)
    assert ("plain", True) == (ask.command, ask.waiting)
    host.answer(number, 1)
    host.answer(other, 2)
    assert {number: "1", other: "2"} == {r.id: r.result for r in (host.next(Response), host.next(Response))}


def waits_in_work(words: memoryview) -> Dict[int, int]:
    """The requests that the worker has begun and that wait for something, and for what."""
    return {words[slot]: words[slot + 2] for slot in _SLOTS if words[slot] and words[slot + 2]}


def test_what_a_coroutine_waits_for_is_said_of_its_own_call(coroutines: Any, transport: str) -> None:
    """Also if it asks before it has waited for anything else."""
    if transport != "shm":
        pytest.skip("a host looks it up in shared memory")
    _, host = coroutines
    words = host.end._worker.control.words
    asking = [host.begin("ask", "f", number) for number in range(2)]
    asks = [host.next(Ask) for _ in asking]
    wait_until(lambda: waits_in_work(words) == dict.fromkeys(asking, FOR_ANSWER))
    number = host.begin("plain")
    host.next(Ask)
    assert waits_in_work(words) == dict.fromkeys([*asking, number], FOR_ANSWER)
    host.answer(number, 1)
    host.next(Response)
    assert waits_in_work(words) == dict.fromkeys(asking, FOR_ANSWER)
    for ask in asks:
        host.answer(ask.id, 1)
        host.next(Response)
    host.begin("echo", 1)
    host.next(Response)
    assert not any(words[slot + 2] for slot in range(CURRENT_ID, CURRENT_ID + 16, 4))


def test_tasks_of_a_coroutine_take_turns(coroutines: Any) -> None:
    """One question at a time."""
    _, host = coroutines
    number = host.begin("ask_together", 5)
    for place in range(5):
        assert ("number", ([place], {})) == host.asked()
        assert host.end.receive(0.005) is None
        host.answer(number, place * 10)
    assert [0, 10, 20, 30, 40] == host.result()


def test_a_coroutine_that_is_given_up_asks_no_longer(coroutines: Any) -> None:
    """At once; others go on."""
    server, host = coroutines
    number = host.begin("ask_until_cancelled")
    assert {Progress, Ask} == {type(host.any()) for _ in range(2)}  # over files in any order
    other = host.begin("ask", "f")
    host.next(Ask)
    host.end.ask_to_cancel(number)
    assert "cancelled" == host.failure().code
    assert ["CancelledError"] == server.log
    host.answer(other, "still there")
    assert "still there" == host.result()
    host.begin("ask_shortly")
    host.next(Ask)
    assert "timed out" == host.result()


def test_the_answer_to_a_question_that_was_cancelled_answers_no_other(
    coroutines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it comes in the very moment of the cancel, as that of asyncio.wait_for does now and then."""
    server, host = coroutines
    take = AsyncTalk.take

    def take_and_cancel(talk: AsyncTalk, answer: Answer) -> None:
        take(talk, answer)
        server.left.cancel()

    monkeypatch.setattr(AsyncTalk, "take", take_and_cancel)
    number = host.begin("ask_in_a_task")
    assert "first" == host.next(Ask).command
    host.answer(number, "the first answer")
    assert "second" == host.next(Ask).command
    assert "tech_renaissance.TimedOut" == host.failure().type


def test_a_task_that_outlives_its_call_has_nobody_to_ask(coroutines: Any) -> None:
    """It is told so."""
    _, host = coroutines
    host.begin("leave_a_task")
    host.result()
    host.begin("await_the_task")
    assert ["bad_state"] == host.result()
