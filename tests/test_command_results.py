"""What commands return, how it is sent, and what cannot be. Without processes."""

import functools
import gc
import warnings
from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Dict, Iterator, List

import numpy as np
import pytest
from calculator import Calculator
from command_calls import call, fail, say

from tech_renaissance import TechRenaissanceServer, command


@pytest.fixture
def server() -> Calculator:
    """A new one."""
    return Calculator(library="numpy")


class NoValue:
    """Cannot be sent."""


class Odd(TechRenaissanceServer):
    """Returns what cannot be sent, or only with trouble."""

    RESULTS: ClassVar[Dict[str, Callable[[], Any]]] = {
        "a set": lambda: {"parts": [1, {2}]},
        "an object": NoValue,
        "a huge int": lambda: [1 << 70],
        "a surrogate": lambda: "a\ud800",
        "a key": lambda: {1: 2},
        "a map": lambda: [map(str, [1])],
        "a tensor of text": lambda: [np.array(["a"]), "x"],
    }

    @command
    def give(self, what: str) -> Any:
        return self.RESULTS[what]()

    @command
    def ring(self) -> Any:
        whole: List[Any] = []
        whole.append({"whole": whole})
        return whole

    @command
    def deep(self, depth: int) -> Any:
        return [] if depth == 1 else [self.deep(depth - 1)]

    @command
    def endless(self) -> Any:
        return self.endless()

    @command
    def broken_property(self) -> Any:
        return Sly("x")


@dataclass
class Sly:
    """A record that does not let itself be read."""

    text: str

    def __getattribute__(self, name: str) -> Any:
        if name == "text":
            raise RuntimeError("not for you")
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("a set", "parts[1] is of type set"),
        ("an object", "the value is of type NoValue"),
        ("a huge int", "[0] is an int that does not fit 64 bits"),
        ("a surrogate", "the value has a surrogate"),
        ("a key", "has the key 1 of type int"),
        ("a map", "send list(value)"),
        ("a tensor of text", "[0]: "),
    ],
)
def test_a_result_that_cannot_be_sent_is_told_with_its_place(what: str, problem: str) -> None:
    """And with the command that returned it."""
    failure = fail(Odd(), "give", what)
    assert failure.code == "command_failed"
    assert "what 'give' returned: " in failure.message
    assert problem in failure.message
    assert failure.type in ("tech_renaissance.LocalProtocolError", "tech_renaissance.FormatError")


def test_a_wrapper_that_does_not_await_is_told_what_to_do() -> None:
    """To typed calls and to texts; the coroutine is closed, so that Python warns of nothing."""

    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    class Server(TechRenaissanceServer):
        @command
        @logged
        async def wrapped(self) -> None:
            pass

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        failures = [fail(Server(), "wrapped"), say(Server(), "wrapped").error]
        gc.collect()
    for failure in failures:
        assert failure is not None
        assert "what 'wrapped' returned is a coroutine" in failure.message
        assert "make the command, or the wrapper around it, async def" in failure.message
    assert [] == warned


def test_results_that_contain_themselves_or_never_end_are_that_calls_failure() -> None:
    """The worker serves the next call."""
    server = Odd()
    assert "nested deeper than 64 levels" in fail(server, "ring").message
    assert call(server, "deep", 64)
    assert "nested deeper" in fail(server, "deep", 65).message
    assert fail(server, "endless").type == "RecursionError"
    assert (fail(server, "broken_property").type, call(server, "deep", 1)) == ("RuntimeError", [])


def test_a_result_may_be_an_argument_of_the_call(server: Calculator) -> None:
    """Also as a part of something, or several times."""
    x = np.ones(3)
    assert call(server, "same", x) is x
    result = call(server, "same", {"a": x, "b": [x, x]})
    assert result["b"][1] is result["b"][0] or result["b"][1].tolist() == [1, 1, 1]


def test_a_command_that_returns_nothing_may_have_said_something(server: Calculator) -> None:
    """That is its value, then: a text, tensors, or both."""
    assert call(server, "said", "nothing") is None
    assert call(server, "said", "text") == "said \ufffd"
    assert call(server, "said", "tensor").tolist() == [1]
    text, tensor = call(server, "said", "text tensor")
    assert ("said \ufffd", [1]) == (text, tensor.tolist())


class Generates(TechRenaissanceServer):
    """Its values come one by one."""

    closed = False

    @command
    def count(self, n: int) -> Iterator[int]:
        try:
            yield from range(n)
            if n == 3:
                raise ValueError("three")
        finally:
            self.closed = True


def test_the_values_of_a_generator_come_as_a_list() -> None:
    """Where nobody has asked for a stream; not endlessly, and its exception is the call's failure."""
    server = Generates()
    assert call(server, "count", 2) == [0, 1]
    assert say(server, "count", "2").result == "[0,1]"
    assert call(server, "count", 10_000) == list(range(10_000))
    server.closed = False
    assert fail(server, "count", 10_001).code == "too_large"
    assert server.closed
    failure = fail(server, "count", 3)
    assert (failure.type, failure.traceback.splitlines()[1][-10:]) == ("ValueError", ", in count")
