"""What ``session.typed(Class)`` calls has the results that the class's hints say, so that what type checkers believe is true."""

import asyncio
import importlib
import sys
from typing import Any, Awaitable, Iterable, Protocol, Set

import numpy as np
import pytest
from hosts import WORKERS

from tech_renaissance import AsyncSession, CommandError, PythonSession
from tech_renaissance._host.server_types import ResultType, types_of_server

sys.path.append(str(WORKERS))
SCRIPT = str(WORKERS / "typed_results.py")
SCOPE: Any = importlib.import_module("typed_results")
Typed, Colour, Size, Layer, Net = SCOPE.Typed, SCOPE.Colour, SCOPE.Size, SCOPE.Layer, SCOPE.Net
NET = Net([Layer("a", Size(1, 2), Colour.BLUE)], Net())
LAYERS = [Layer("0", Size(0, 0)), Layer("1", Size(1, 1))]


@pytest.mark.usefixtures("workspace", "transport", "worker_python")
def test_results_are_what_the_hints_say() -> None:
    """Of a call, of a future, of a stream, from a generator that is called; without a class they are what arrives."""
    with PythonSession(SCRIPT, "typed", library="numpy") as session:
        typed = session.typed(Typed)
        assert NET == typed.net(["a"])
        assert NET == typed.net.submit(["a"]).result()
        assert Colour.RED is typed.colour("red")
        doubled, total = typed.split(np.ones(3))
        assert ([2, 2, 2], 3.0) == (doubled.tolist(), total)
        assert tuple is type(typed.split(np.ones(3)))
        assert {1, 2} == typed.some()
        assert typed.later() is None
        layers = typed.layers(2)
        assert LAYERS == [next(layers), next(layers)]
        assert LAYERS == list(typed.layers.stream(2))
        assert [Size(0, 0)] == list(typed.rounds(1))
        with typed.rounds.stream(1) as rounds:
            assert ([Size(0, 0)], Colour.RED) == (list(rounds), rounds.result())
        assert typed.net.stream(["a"]).result() == NET
        assert {"x": 1} == typed.any()
        assert [1] == typed.bare()

        assert dict is type(session.typed("Typed").net(["a"]))
        assert "red" == session.commands.layers.stream(1).next(10_000)["colour"]

        with pytest.raises(CommandError) as caught:
            typed.wrong()
        assert "wrong: layers[0].size.height: 'wide' (str) where int is wanted" == str(caught.value)
        assert "wrong_type" == caught.value.code
        with pytest.raises(
            CommandError, match="look: the result cannot be made: KeyError: 'unknown'"
        ) as caught:
            typed.look()
        assert ("wrong_type", KeyError) == (caught.value.code, type(caught.value.__cause__))
        future = typed.wrong.submit()
        for _ in range(2):
            assert isinstance(future.exception(), CommandError)
        stream = typed.wrong_items.stream()
        assert Colour.RED is next(stream)
        with pytest.raises(CommandError, match="'green' is none of"):
            next(stream)
        assert [Colour.BLUE] == list(stream)


@pytest.mark.usefixtures("workspace", "transport", "worker_python")
def test_awaited_results_are_what_the_hints_say() -> None:
    """The same for tasks."""

    async def main() -> None:
        async with AsyncSession(SCRIPT, "typed", library="numpy") as session:
            typed: Any = session.typed(Typed)
            assert NET == await typed.net(["a"])
            assert NET == await typed.net.submit(["a"])
            assert LAYERS == [layer async for layer in typed.layers.stream(2)]
            with pytest.raises(CommandError, match=r"wrong: layers\[0\]"):
                await typed.wrong()

    asyncio.run(main())


class Remote(Protocol):
    """A Protocol is as good as a class."""

    async def colour(self) -> "Colour":
        """A coroutine."""
        ...

    def count(self) -> "Awaitable[Set[int]]":
        """What a function awaits."""
        ...

    def all(self) -> "Iterable[Colour]":
        """Any iterable."""
        ...


def test_a_protocol_says_what_results_are() -> None:
    """Also of what is awaited. It is looked at once, and not kept."""
    types = types_of_server(Remote)
    assert types_of_server(Remote) is types
    assert Colour.RED is types.result_of("colour").of("red")
    assert {1} == types.result_of("count").of([1, 1])
    with pytest.raises(CommandError, match="cannot have them all: unhashable"):
        ResultType("count", Set[Any]).of([[1]])
    assert [Colour.BLUE] == types.result_of("all").of(["blue"])
    assert "anything" == types.result_of("not_there").of("anything")
