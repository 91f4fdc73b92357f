"""What is a command, and what is refused: methods of a class, functions of a script, names. Without processes."""

import functools
import sys
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
from command_calls import call, fail

from tech_renaissance import TechRenaissanceServer, command, serve
from tech_renaissance._protocol.frame import Request


class NoValue:
    """Nothing that can be sent, or served."""


def logged(function: Any) -> Any:
    """A decorator as people write it."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return ["logged", function(*args, **kwargs)]

    return wrapper


class Base(TechRenaissanceServer):
    """To derive from."""

    @command
    def one(self) -> str:
        return "base"

    @command
    def two(self) -> str:
        return "base"

    @command(name="third")
    def three(self) -> str:
        return "base"

    @command
    def four(self) -> str:
        return "base"

    @property
    def trouble(self) -> str:
        raise RuntimeError("a property of the script ran")

    @logged
    @command
    def inside(self, a: int) -> int:
        return a

    @command
    @logged
    def outside(self, a: int) -> int:
        return a


class Mixin:
    """No server, but it has a command."""

    @command
    def mixed_in(self) -> str:
        return type(self).__name__


class Derived(Mixin, Base):
    """Overrides in all ways."""

    def one(self) -> str:
        return "derived"

    @command(name="second")
    def two(self) -> str:
        return "derived"

    def three(self) -> str:
        return "derived"

    four = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.own = command(lambda a=1: a + 1)
        self.later = "no function"


def test_commands_are_inherited_and_overridden() -> None:
    """An override need not be marked; with a mark of its own it has that name; None takes a command away."""
    names = [one["name"] for one in call(Derived(), "describe")["commands"]]
    assert ["one", "second", "third", "inside", "outside", "mixed_in", "own"] == names
    assert call(Derived(), "one") == "derived"
    assert call(Derived(), "third") == "derived"
    assert call(Base(), "third") == "base"
    assert call(Derived(), "mixed_in") == "Derived"
    assert call(Derived(), "own", 4) == 5
    assert fail(Derived(), "four").code == "unknown_command"


def test_decorators_may_stand_above_and_below() -> None:
    """If they copy what they wrap, as functools.wraps does; the signature is that of the innermost."""
    assert call(Base(), "inside", 1) == ["logged", 1]
    assert call(Base(), "outside", 1) == ["logged", 1]
    assert "inside(a: int)" in fail(Base(), "inside", "x").message


def _server_of(**attributes: Any) -> TechRenaissanceServer:
    made: TechRenaissanceServer = type("Made", (TechRenaissanceServer,), attributes)()
    return made


async def _async_generator(self: Any) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"a": command(name="x")(lambda self: 1), "b": command(name="x")(lambda self: 1)}, "two commands are called 'x': Made.a and Made.b"),
        ({"run": command(lambda self: 1)}, "Made.run replaces a method that every server has"),
        ({"cancelled": command(lambda self: 1)}, r"write @command\(name='cancelled'\)"),
        ({"_hidden": command(lambda self: 1)}, "'_hidden': names that begin with _ are reserved"),
        ({"__init__": command(lambda self: None)}, "Made.__init__ replaces a method"),
        ({"exit": command(lambda self: None)}, "no command can be called 'exit'"),
        ({"much": command(_async_generator)}, "an async generator"),
        ({"empty_handed": command(lambda: 1)}, "its parameters are unknown"),
        ({}, "Made answers nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_command_is_refused_at_the_start(attributes: Dict[str, Any], reason: str) -> None:
    """With a sentence that says what to do."""
    with pytest.raises(TypeError, match=reason):
        _server_of(**attributes).respond(Request("x"))


def test_a_command_replaced_by_no_function_is_refused() -> None:
    """Unlike None, it is a mistake."""

    class Mistaken(Base):
        one = 5  # type: ignore[assignment]

    with pytest.raises(TypeError, match=r"Mistaken\.one replaces a command, and is no function: 5"):
        Mistaken().run("session")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: command(5), "@command is for functions, not for a int"),  # type: ignore[type-var]
        (lambda: command("name"), r"given as command\(name='name'\)"),  # type: ignore[type-var]
        (lambda: command(NoValue), "not for a class"),
        (lambda: command(property(len)), "not for a property"),  # type: ignore[type-var]
        (lambda: command([].append), "write a function that calls it"),
        (lambda: command(name="two words"), "is one word"),
        (lambda: command(name="{x}"), "is one word"),
        (lambda: command(name="x" * 129), "at most 128 bytes"),
        (lambda: command(name="汉" * 43), "at most 128 bytes"),
        (lambda: command(name="a\ud800"), "is one word"),
        (lambda: command(name=5), "is a str"),  # type: ignore[call-overload]
    ],
)
def test_command_refuses_what_it_cannot_mark(make: Callable[[], Any], reason: str) -> None:
    """In the line where it stands."""
    with pytest.raises(TypeError, match=reason):
        make()


def test_names_may_be_any_word() -> None:
    """Also those that no Python function could have."""
    names = ["linalg.norm", "größe", "求和", "aux", "a:b", "a,b", "😀"]
    server = _server_of(**{f"f{n}": command(name=name)(lambda self, n=n: n) for n, name in enumerate(names)})
    assert list(range(len(names))) == [call(server, name) for name in names]


def test_what_stands_in_a_class_is_not_run_to_look_at_it() -> None:
    """Objects that answer to every attribute, or to none."""

    class Yes:
        def __getattr__(self, name: str) -> Any:
            return command

    class No:
        __slots__ = ()

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    server = _server_of(yes=Yes(), no=No(), array=np.ones(2), f=command(lambda self: 1))
    assert ["f"] == [one["name"] for one in call(server, "describe")["commands"]]


def greet(name: str) -> str:
    """A function of a script."""
    return f"hi {name}"


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        ([], "serve takes the functions"),
        ([greet, greet], "two commands are called 'greet'"),
        ([lambda: 1], r"has no name: serve\(command\(function, name=...\)\)"),
        ([functools.partial(greet, "x")], "has no name"),
        ([NoValue], "serve takes functions, not <class"),
        ([5], "serve takes functions, not 5"),
        ([command(_async_generator, name="c")], "_async_generator is an async generator"),
    ],
)
def test_serve_refuses_what_cannot_be_a_command(
    monkeypatch: pytest.MonkeyPatch, functions: List[Any], reason: str
) -> None:
    """Before anything is made."""
    monkeypatch.setattr(sys, "argv", ["worker.py", "session"])
    with pytest.raises(TypeError, match=reason):
        serve(*functions)


def test_a_worker_that_is_started_by_hand_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs a session."""
    monkeypatch.setattr(sys, "argv", ["worker.py"])
    with pytest.raises(SystemExit, match=r"worker\.py is a worker: a host starts it"):
        serve(greet)


@pytest.mark.parametrize("name", ["main_logic", "commands", "setup", "teardown"])
def test_a_method_that_is_not_awaited_is_no_coroutine(name: str) -> None:
    """It would do nothing, and nobody would know."""

    async def method(*_: Any) -> None:
        pass

    server = type("Server", (Base,), {name: method})()
    with pytest.raises(TypeError, match=rf"^Server\.{name} is async def, and nobody awaits it"):
        call(server, "one")
