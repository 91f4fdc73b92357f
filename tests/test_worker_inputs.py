"""The input of a call as its command sees it, frame by frame."""

import asyncio
from pathlib import Path
from typing import Any, AsyncIterator, Iterable, Iterator, List, Optional

import numpy as np
import pytest
from served import PAIRS, served, values_of

from tech_renaissance import LocalProtocolError, TechRenaissanceServer, command
from tech_renaissance._protocol.body import Input
from tech_renaissance._protocol.frame import Ask, Credit, Item, Progress, Request, Response


class Plain(TechRenaissanceServer):
    """Commands that are no coroutines."""

    def __init__(self) -> None:
        super().__init__(library="numpy")
        self.log: List[Any] = []
        self.kept: Any = None

    @command
    def total(self, numbers: Iterator[int], scale: int = 1) -> int:
        return sum(numbers) * scale

    @command
    def kinds(self, values: Any) -> str:
        return " ".join(type(value).__name__ for value in values)

    @command
    def listed(self, values: "Optional[Iterable[float]]" = None) -> List[str]:
        return [repr(value) for value in values or ()]

    @command
    def first(self, values: Any) -> Any:
        self.kept = values
        return next(values)

    @command
    def twice(self, values: Iterator[int]) -> Iterator[int]:
        for value in values:
            yield 2 * value

    @command
    def last_of(self, values: Any) -> Any:
        value = None
        for value in values:  # noqa: B007
            self.progress(1)
        with pytest.raises(StopIteration):
            next(values)
        return value

    @command
    def ask_for_each(self, values: Any) -> List[Any]:
        return [self.host.f(value) for value in values]

    @command
    def wait_for_ever(self, values: Any) -> None:
        try:
            next(values)
        except BaseException as error:
            self.log.append(type(error).__name__)
            raise

    @command
    def echo(self, value: Any) -> Any:
        return value

    @command
    def use_the_kept(self) -> Any:
        return list(self.kept)


@pytest.fixture(params=sorted({*PAIRS} - {"file"}))
def transport(request: pytest.FixtureRequest) -> Any:
    """Those that have all that is tested here."""
    return request.param


@pytest.fixture(name="plain")
def _plain(tmp_path: Path, transport: str) -> Iterator[Any]:
    server = Plain()
    with served(server, tmp_path, transport) as host:
        yield server, host


def test_a_command_takes_values_until_the_last(plain: Any) -> None:
    """By place or by name, of all kinds, with credit as they are taken."""
    _, host = plain
    number = host.begin("total", Input(), scale=10, has_input=True)
    granted = 16
    for value in range(100):
        while not granted:
            granted += host.next(Credit).count
        host.item(number, value)
        granted -= 1
    host.send(Item(number, last=True))
    frame = host.any()
    while isinstance(frame, Credit):
        assert (number, 8) == (frame.id, frame.count)
        frame = host.any()
    assert "49500" == frame.result

    number = host.begin("kinds", values=Input(), has_input=True)
    for value in (1, 2.5, "x", None, b"raw", np.ones(3), [1], {"a": np.zeros(2)}):
        host.item(number, value)
    host.send(Item(number, last=True))
    frame = host.any()
    while isinstance(frame, Credit):
        frame = host.any()
    assert "int float str NoneType bytes ndarray list dict" == frame.result


def test_hints_convert_each_value(plain: Any) -> None:
    """One that does not fit is told with its place; where a list is given, it has the same values."""
    _, host = plain
    number = host.begin("listed", Input(), has_input=True)
    host.item(number, 1)
    host.send(Item(number, last=True))
    assert ["1.0"] == host.result()
    number = host.begin("total", Input(), has_input=True)
    host.item(number, 1)
    host.item(number, "two")
    failure = host.failure()
    assert "wrong_arguments" == failure.code
    assert "numbers[1]: 'two' (str) where int is wanted" in failure.message
    host.begin("total", [1, 2, 3])
    assert 6 == host.result()
    host.begin("total", Input([1, 2, 3]), 2, has_input=True)
    assert 12 == host.result()
    host.begin("listed")
    assert [] == host.result()


def test_a_parameter_of_one_value_takes_no_input(plain: Any) -> None:
    """An iterator of the host is told as what it is, instead of failing somewhere in the command."""
    _, host = plain
    host.begin("total", [1], Input(), has_input=True)
    failure = host.failure()
    assert "wrong_arguments" == failure.code
    assert (
        "scale: values one after another, as of an iterator, where int is wanted: send a list"
        in failure.message
    )
    host.begin("total", [1], 3)
    assert 3 == host.result()


def test_what_comes_after_the_end_of_a_command_is_dropped(plain: Any) -> None:
    """And its iterator is at its end."""
    _, host = plain
    number = host.begin("first", Input(), has_input=True)
    for value in range(16):
        host.item(number, value)
    assert 0 == host.result()
    host.item(number, "late")
    host.begin("use_the_kept")
    assert [] == host.result()


def test_values_that_come_before_their_request_is_begun_wait_for_it(plain: Any) -> None:
    """And keep their order."""
    _, host = plain
    asking = host.begin("ask_for_each", Input([1]), has_input=True)
    host.next(Ask)
    numbers = [host.begin("total", Input(), has_input=True) for _ in range(2)]
    for number in numbers:
        for value in (1, number):
            host.item(number, value)
        host.send(Item(number, last=True))
    host.begin("echo", "last")
    host.answer(asking, "go on")
    assert ["go on"] == host.result()
    assert [1 + number for number in numbers] == [host.result(), host.result()]
    assert "last" == host.result()


def test_a_generator_takes_and_gives(plain: Any) -> None:
    """One for one."""
    _, host = plain
    number = host.begin("twice", Input(), has_input=True, streams=True)
    for value in range(5):
        host.item(number, value)
        assert [2 * value] == values_of([host.next(Item)])
    host.send(Item(number, last=True))
    host.result()


def test_a_wait_for_a_value_ends_with_its_call(plain: Any) -> None:
    """At once, without an interrupt."""
    server, host = plain
    number = host.begin("wait_for_ever", Input(), has_input=True)
    host.end.ask_to_cancel(number)
    assert "cancelled" == host.failure().code
    assert server.log in ([], ["Cancelled"])  # it may not have begun
    host.begin("echo", 1)
    assert 1 == host.result()


def test_a_host_that_breaks_the_rules_is_told(plain: Any) -> None:
    """Too many values; a body without an input, or with one that was not announced."""
    _, host = plain
    number = host.begin("ask_for_each", Input(), has_input=True)
    for _ in range(17):
        host.item(number, 0)
    frame = host.any()
    while not isinstance(frame, Response):
        if isinstance(frame, Ask):
            host.answer(number)
        frame = host.any()
    assert "malformed_request" == frame.error.code
    for args, has_input in (((1,), True), ((Input(),), False), (("text",), True)):
        host.begin("first", *args, has_input=has_input)
        assert "malformed_request" == host.failure().code
    host.send(Item(99, "of no request"))
    host.send(Request("echo", "[[{}]]", 98, typed=True, form=2))
    assert {} == host.result()


def test_hints_of_iterators_are_described(plain: Any) -> None:
    """As people write them."""
    _, host = plain
    host.begin("describe")
    described = {one["name"]: one for one in host.result()["commands"]}
    assert "total(numbers: Iterator[int], scale: int = 1) -> int" == described["total"]["signature"]
    assert {"name": "numbers", "kind": "positional_or_keyword", "hint": "Iterator[int]"} == described[
        "total"
    ]["parameters"][0]


class Async(TechRenaissanceServer):
    """Coroutines."""

    def __init__(self) -> None:
        super().__init__(library="numpy")
        self.log: List[str] = []

    @command
    async def total(self, numbers: AsyncIterator[int]) -> int:
        total = 0
        async for number in numbers:
            total += number
            self.progress(total)
        return total

    @command
    async def wait_for_ever(self, values: Any) -> None:
        self.progress(0)
        try:
            async for _ in values:
                pass
        except BaseException as error:
            self.log.append(type(error).__name__)
            raise

    @command
    async def shared(self, values: Any) -> int:
        """Two tasks take from one input."""
        took: List[int] = []

        async def take() -> None:
            async for value in values:
                took.append(value)  # noqa: PERF401 - each at once

        await asyncio.gather(take(), take())
        return sum(took)

    @command
    async def echo(self, value: Any) -> Any:
        return value

    @command
    def plain(self, values: Any) -> int:
        return sum(values)


def test_coroutines_take_values_while_others_go_on(tmp_path: Path, transport: str) -> None:
    """As many as are in work; each its own."""
    with served(Async(), tmp_path, transport) as host:
        numbers = [host.begin("total", Input(), has_input=True) for _ in range(63)]
        beyond = host.begin("echo", "after all")
        for value in (1, 2):
            for number in numbers:
                host.item(number, value * number)
        for number in numbers:
            host.send(Item(number, last=True))
        results = {}
        while len(results) < 64:
            frame = host.any()
            if isinstance(frame, Response):
                results[frame.id] = frame.result
        assert {**{number: str(3 * number) for number in numbers}, beyond: "after all"} == results
        number = host.begin("shared", Input(), has_input=True)
        for value in range(5):
            host.item(number, value)
        host.send(Item(number, last=True))
        assert 10 == host.result()
        host.begin("total", Input([1, 2]), has_input=True)
        assert isinstance(host.any(), Progress)
        frame = host.any()
        while isinstance(frame, Progress):
            frame = host.any()
        assert "3" == frame.result
        number = host.begin("plain", Input(), has_input=True)
        host.item(number, 7)
        host.send(Item(number, last=True))
        assert 7 == host.result()


def test_a_coroutine_that_is_given_up_waits_no_longer(tmp_path: Path, transport: str) -> None:
    """For a value."""
    server = Async()
    with served(server, tmp_path, transport) as host:
        number = host.begin("wait_for_ever", Input(), has_input=True)
        host.next(Progress)
        host.end.ask_to_cancel(number)
        assert "cancelled" == host.failure().code
        assert ["CancelledError"] == server.log


def test_an_input_is_for_the_handlers_thread(plain: Any) -> None:
    """And for its call."""
    server, host = plain
    number = host.begin("first", Input(), has_input=True)
    host.item(number, 1)
    assert 1 == host.result()
    with pytest.raises(LocalProtocolError):
        next(server.kept)
