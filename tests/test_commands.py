"""Commands in a worker: what is one, how it is called with values and by text, and what is refused. Without processes."""

import enum
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, Iterable, Iterator, List, Optional, Tuple, cast

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from command_calls import Attached, call, fail, respond, say
from test_value_properties import VALUES

from tech_renaissance import Cancelled, LocalProtocolError, TechRenaissanceServer, command, current_server
from tech_renaissance._protocol.body_decoder import decode_result
from tech_renaissance._protocol.frame import Request
from tech_renaissance._worker.reply import Leave


class Colour(enum.Enum):
    """Is sent as its value."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Layer:
    """A record with a default."""

    width: int
    rate: float = 0.5


@dataclass
class Net:
    """A record that does not like every name."""

    name: str
    layers: List[Layer] = field(default_factory=list)
    parent: "Optional[Net]" = None

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("a bad name")
        if self.name == "worse":
            raise ZeroDivisionError("a worse name")


class Calculator(TechRenaissanceServer):
    """Has commands of many kinds."""

    offset = 10

    @command
    def hello(self, name: str) -> str:
        """Greet someone.

        At length.
        """
        return f"Hello {name}"

    @command
    def add(self, a: float, b: float = 1.0) -> float:
        return a + b + self.offset

    @command
    def matmul(self, a: np.ndarray, b: np.ndarray, *, scale: float = 1.0) -> np.ndarray:  # type: ignore[type-arg]
        """Matrix product."""
        return scale * (a @ b)

    @command(name="linalg.norm")
    def norm(self, x: np.ndarray) -> float:  # type: ignore[type-arg]
        return math.sqrt(float((x * x).sum()))

    @command
    def same(self, value: Any) -> Any:
        return value

    @command
    def build(self, net: Net, colour: Colour = Colour.RED) -> Dict[str, Any]:
        return {"net": net, "colour": colour, "type": type(net.layers[0]).__name__ if net.layers else None}

    @command
    def opt(self, x: Optional[np.ndarray] = None) -> str:  # type: ignore[type-arg]
        return "nothing" if x is None else "something"

    @command
    def gather(self, *parts: int, **named: str) -> Any:
        return [list(parts), named]

    @command
    def fail(self, kind: str = "ValueError") -> None:
        raise {"ValueError": ValueError("no good"), "SystemExit": SystemExit(3), "Cancelled": Cancelled()}[
            kind
        ]

    @command
    @staticmethod
    def static(a: int) -> int:
        return -a

    @classmethod
    @command
    def of_class(cls) -> str:
        return cls.__name__

    @command
    def said(self, what: str) -> None:
        if "text" in what:
            self.write_response("", "said \ud800")
        if "tensor" in what:
            self.send_tensors(np.ones(1))

    def no_command(self) -> None:
        pass


@pytest.fixture
def server() -> Calculator:
    """A new one."""
    return Calculator(library="numpy")


# --------------------------------------------------------------------------------------------- typed calls


def test_arguments_come_by_place_and_by_name(server: Calculator) -> None:
    """And defaults for what is left out; hints convert."""
    assert call(server, "hello", "world") == "Hello world"
    assert call(server, "add", 1, 2) == 13.0
    assert call(server, "add", b=2, a=1) == 13.0
    assert call(server, "add", 1) == 12.0
    result = call(server, "matmul", np.eye(2), np.full((2, 3), 2.0), scale=3)
    assert result.tolist() == [[6.0] * 3] * 2
    assert call(server, "gather", 1, 2, x="y") == [[1, 2], {"x": "y"}]
    assert call(server, "static", 4) == -4
    assert call(server, "of_class") == "Calculator"
    assert call(server, "linalg.norm", np.array([3.0, 4.0])) == 5.0


def test_records_come_as_what_the_hint_names(server: Calculator) -> None:
    """At any depth, and enums by value or name."""
    given = {"name": "n", "layers": [{"width": 3}], "parent": {"name": "p"}}
    assert call(server, "build", given, "BLUE") == {
        "net": {
            "name": "n",
            "layers": [{"width": 3, "rate": 0.5}],
            "parent": {"name": "p", "layers": [], "parent": None},
        },
        "colour": "blue",
        "type": "Layer",
    }


@hypothesis.settings(max_examples=25)
@hypothesis.given(VALUES)
def test_any_value_comes_back_as_it_was(value: Any) -> None:
    """Through a command that returns its argument."""
    assert repr(call(Calculator(library="numpy"), "same", value)) == repr(value)


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "problem"),
    [
        ("hello", [5], {}, "hello(name: str) -> str: name: 5 (int) where str is wanted"),
        ("hello", [], {}, "'name' is missing"),
        ("hello", ["a", "b"], {}, "it takes 1 argument by place, not 2"),
        ("hello", ["a"], {"nam": 1}, "it has no 'nam'; did you mean 'name'?"),
        ("hello", ["a"], {"name": "b"}, "'name' is given twice"),
        ("add", [True], {}, "a: True (bool) where float is wanted"),
        ("build", [{"name": "n", "layers": [{"width": 1.5}]}], {}, "net.layers[0].width: 1.5"),
        ("build", [{"name": "n", "layer": []}], {}, "net.layer: Net has no such field"),
        ("build", [{"name": "bad"}], {}, "net: Net refuses it: a bad name"),
        ("build", [{"name": "n"}, "green"], {}, "colour: 'green' is none of 'red' (RED), 'blue' (BLUE)"),
        ("gather", [1, "x"], {}, "parts[1]: 'x' (str) where int is wanted"),
        ("matmul", [np.ones(2), [1.0]], {}, "b: [1.0] (list) where ndarray is wanted"),
    ],
)
def test_wrong_arguments_are_told_with_the_signature(
    server: Calculator, name: str, args: List[Any], kwargs: Dict[str, Any], problem: str
) -> None:
    """And the one at fault; there is no traceback of ours."""
    failure = fail(server, name, *args, **kwargs)
    assert failure.code == "wrong_arguments"
    assert failure.message.startswith(f"wrong arguments for {name}(")
    assert problem in failure.message
    assert "tech_renaissance" not in failure.traceback


def test_a_constructor_that_raises_something_else_is_shown_with_its_traceback(server: Calculator) -> None:
    """It has gone wrong, which is more than not to like its arguments."""
    failure = fail(server, "build", {"name": "worse"})
    assert ("command_failed", "ZeroDivisionError") == (failure.code, failure.type)
    assert 'raise ZeroDivisionError("a worse name")' in failure.traceback
    assert str(Path("tech_renaissance", "_")) not in failure.traceback


def test_a_traceback_begins_in_the_script(server: Calculator) -> None:
    """None of our frames is in it."""
    failure = fail(server, "fail")
    assert ("command_failed", "ValueError", "ValueError: no good") == (
        failure.code,
        failure.type,
        failure.message,
    )
    lines = failure.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith(", in fail")
    assert str(Path("tech_renaissance", "_")) not in failure.traceback


def test_a_command_may_leave_or_be_cancelled(server: Calculator) -> None:
    """As a handler may; the caller is told before."""
    with pytest.raises(Leave) as caught:
        respond(server, "fail", "SystemExit")
    assert caught.value.response.error is not None
    assert isinstance(caught.value.cause, SystemExit)
    assert fail(server, "fail", "Cancelled").code == "cancelled"


class GivenUp:
    """A transport whose host has given up every call."""

    def is_cancelled(self, request_id: int) -> bool:
        return True


class Told:
    """An attachment during whose arrival the worker is told that the call is over."""

    def __init__(self, server: TechRenaissanceServer) -> None:
        self._server = server

    def value(self, library: Optional[str]) -> Any:
        self._server._interrupt()
        return np.ones(1)


@dataclass
class Telling:
    """A record that is told so while it is made, or read."""

    when: str

    def __post_init__(self) -> None:
        if self.when == "made":
            current_server()._interrupt()

    def __getattribute__(self, name: str) -> Any:
        if name == "when" and super().__getattribute__("when") == "read":
            current_server()._interrupt()
        return super().__getattribute__(name)


class Interrupted(TechRenaissanceServer):
    """Notes what it runs."""

    ran = False

    @command
    def take(self, value: Any) -> Any:
        self.ran = True
        return value

    @command
    def make(self, value: Telling) -> Any:
        self.ran = True

    @command
    def give(self) -> Telling:
        return Telling("read")

    @command
    def raise_it(self) -> None:
        raise GeneratorExit("not an Exception")


def test_a_call_can_be_interrupted_at_any_point() -> None:
    """While its arguments arrive or are converted, while it runs, while its result is written: it is cancelled, and the next one served."""
    server = Interrupted(library="numpy")
    server._transport = cast("Any", GivenUp())
    given = Request("take", "", 1, typed=True, form=1, attachments=[Told(server)])
    response = server.respond(given)
    assert response.error is not None
    assert (response.error.code, server.ran) == ("cancelled", False)
    assert (fail(server, "make", {"when": "made"}).code, server.ran) == ("cancelled", False)
    assert fail(server, "give").code == "cancelled"
    assert call(server, "take", {"when": "read"}) == {"when": "read"}


def test_any_exception_is_that_calls_failure() -> None:
    """Also one that is not an Exception."""
    failure = fail(Interrupted(), "raise_it")
    assert (failure.code, failure.type) == ("command_failed", "GeneratorExit")


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


def test_arguments_that_cannot_be_taken_in_are_told(server: Calculator) -> None:
    """A broken tensor is invalid; what is no body is a malformed request; each is that call's failure."""
    broken = Request(
        "same", "", 1, typed=True, form=1, attachments=[Attached(LocalProtocolError("x", "torn"))]
    )
    response = server.respond(broken)
    assert response.error is not None
    assert (response.error.code, response.error.message) == ("invalid_tensors", "an argument: torn")
    for form, text, attachments in [
        (2, "{", []),
        (2, "[1]", []),
        (2, "[[1], 2]", []),
        (2, '[["\\ud800"]]', []),
        (2, "[[1e999]]", []),
        (2, "[[]]", [1]),
        (0, "text", [1]),
        (1, "text", [1]),
        (7, "", []),
    ]:
        attached = [Attached(np.ones(1)) for _ in attachments]
        bad = server.respond(Request("same", text, 1, typed=True, form=form, attachments=attached))
        assert bad.error is not None
        assert bad.error.code == "malformed_request", (form, text)
    untyped = server.respond(Request("same", "[[]]", 1, form=2))
    assert untyped.error is not None
    assert untyped.error.code == "malformed_request"


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


@hypothesis.settings(max_examples=50)
@hypothesis.given(
    st.integers(0, 3), st.text() | st.text('[]{}":,$0123456789e-. ntf', max_size=12), st.booleans()
)
def test_any_body_gets_a_response(form: int, text: str, typed: bool) -> None:
    """Whatever it is."""
    response = Calculator(library="numpy").respond(Request("gather", text, 1, typed=typed, form=form))
    assert response.error is None or response.error.code in ("wrong_arguments", "malformed_request")


# ---------------------------------------------------------------------------------------------- text calls


def test_a_text_call_of_one_string_gets_the_whole_text(server: Calculator) -> None:
    """With all its spaces."""
    response = say(server, "hello", "big  world ")
    assert ("Hello big  world ", None, 0) == (response.result, response.error, response.form)
    assert say(server, "same", "1 2").result == "1 2"


def test_a_text_call_has_its_words_converted(server: Calculator) -> None:
    """By place and by name; what does not fit is told as in a typed call."""
    assert say(server, "add", "1 b=2").result == "13.0"
    assert say(server, "gather", "1 2 x=y").result == '[[1,2],{"x":"y"}]'
    failure = say(server, "add", "one").error
    assert failure is not None
    assert failure.code == "wrong_arguments"
    assert "a: 'one' where float is wanted" in failure.message
    response = say(server, "build", '{"name":"n","layers":[{"width":3}]} colour=BLUE')
    assert response.result == (
        '{"net":{"name":"n","layers":[{"width":3,"rate":0.5}],"parent":null},"colour":"blue","type":"Layer"}'
    )


def test_a_text_call_names_tensors_by_their_places(server: Calculator) -> None:
    """Its tensors are the answer's; a tensor that is not there is told as to main_logic."""
    response = say(server, "matmul", "$0 $1 scale=2", [np.eye(2), np.ones((2, 2))])
    assert ("ok", [[[2, 2], [2, 2]]]) == (
        response.result,
        [tensor.tolist() for tensor in response.attachments],
    )
    assert say(server, "same", "$0", [np.ones(1)]).attachments[0].tolist() == [1]
    assert say(server, "same", "$0").result == "$0"
    assert say(server, "opt", "none").result == "nothing"
    assert say(server, "opt", "$0", [np.ones(1)]).result == "something"
    missing = say(server, "matmul", "$0 $7", [np.eye(2)])
    assert missing.error is not None
    assert ("invalid", "invalid_tensors") == (missing.result, missing.error.code)
    assert "there is no tensor '$7'" in missing.error.message


class Answers(TechRenaissanceServer):
    """Answers with one of its values."""

    VALUES: ClassVar[Dict[str, Any]] = {
        "null": None,
        "bool": True,
        "int": 3,
        "numbers": list(range(20)),
        "enum": Colour.BLUE,
        "bytes": b"ab",
        "record": Layer(2),
        "mixed": {"loss": 0.5, "weights": np.ones(1)},
        "nan": math.nan,
        "empty": "",
    }

    @command
    def give(self, what: str) -> Any:
        return self.VALUES[what]


@pytest.mark.parametrize(
    ("what", "text", "tensors"),
    [
        ("null", "ok", []),
        ("bool", "true", []),
        ("int", "3", []),
        ("numbers", "[" + ",".join(map(str, range(20))) + "]", []),
        ("enum", "blue", []),
        ("bytes", "ok", [[97, 98]]),
        ("record", '{"width":2,"rate":0.5}', []),
        ("mixed", '{"loss":0.5,"weights":{"$":0}}', [[1]]),
        ("nan", '{"$f":"nan"}', []),
        ("empty", "", []),
    ],
)
def test_what_a_command_returns_answers_a_text_call(what: str, text: str, tensors: List[Any]) -> None:
    """A string as it is, tensors as tensors, anything else as JSON."""
    response = say(Answers(library="numpy"), "give", what)
    assert (text, tensors) == (response.result, [tensor.tolist() for tensor in response.attachments])


# ---------------------------------------------------------------------------------------------- main_logic


class Both(TechRenaissanceServer):
    """Has a command and a main_logic."""

    @command
    def known(self) -> str:
        return "the command"

    def commands(self) -> Iterable[str]:
        return ["parrot"]

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "parrot":
            self.write_response("", parameters)
        elif command == "sum":
            tensors = self.get_tensors(parameters)
            if tensors is not None:
                self.send_tensors(sum(tensors))
        elif command == "both":
            self.write_response("", "text")
            self.send_tensors(np.ones(1), np.zeros(1))
        elif command == "known":
            raise AssertionError
        else:
            return command == "nothing"
        return True


def test_main_logic_serves_typed_calls_of_what_no_command_matches() -> None:
    """The arguments are a text, what it says is a value."""
    server = Both(library="numpy")
    assert call(server, "known") == "the command"
    assert call(server, "parrot", "a", True, 1.5, -2, np.ones(1)) == "a true 1.5 -2 $0"
    assert call(server, "sum", np.ones(2), np.ones(2)).tolist() == [2, 2]
    assert [part if part == "text" else part.tolist() for part in call(server, "both")] == ["text", [1], [0]]
    assert call(server, "nothing") is None
    assert fail(server, "sum", "none").code == "invalid_tensors"
    failure = fail(server, "parrot", {"a": 1})
    assert failure.code == "unknown_command"
    assert "args[0] is of type dict" in failure.message
    assert "no 'a' by name" in fail(server, "parrot", a=1).message


# ---------------------------------------------------------------------------------------- unknown commands


def test_an_unknown_command_is_told_with_what_is_near(server: Calculator) -> None:
    """Or how to make it one."""
    assert fail(server, "helo").message == "unknown command 'helo'; did you mean 'hello'?"
    assert fail(server, "no_command").message == (
        "unknown command 'no_command': Calculator.no_command is a method, but no command: write @command above it"
    )
    assert (
        fail(server, "norm").message.endswith("did you mean 'linalg.norm'?")
        or "norm" in fail(server, "norm").message
    )
    for name in ("run", "_turn", "__init__", "zzz", "respond", ""):
        assert fail(server, name).message == f"unknown command {name!r}"
    text = say(server, "helo").error
    assert text is not None
    assert text.message == "unknown command 'helo'; did you mean 'hello'?"


def test_describe_says_what_there_is(server: Calculator) -> None:
    """For programs: names, signatures, docstrings, parameters."""
    described = {one["name"]: one for one in call(server, "describe")["commands"]}
    assert list(described) == [
        "hello",
        "add",
        "matmul",
        "linalg.norm",
        "same",
        "build",
        "opt",
        "gather",
        "fail",
        "static",
        "of_class",
        "said",
    ]
    assert described["matmul"] == {
        "name": "matmul",
        "signature": "matmul(a: ndarray, b: ndarray, *, scale: float = 1.0) -> ndarray",
        "doc": "Matrix product.",
        "parameters": [
            {"name": "a", "kind": "positional_or_keyword", "hint": "ndarray"},
            {"name": "b", "kind": "positional_or_keyword", "hint": "ndarray"},
            {"name": "scale", "kind": "keyword_only", "hint": "float", "default": "1.0"},
        ],
    }
    assert call(Both(), "describe")["others"] == ["parrot"]


def test_help_says_it_for_people(server: Calculator) -> None:
    """Also about one command, and by text."""
    text = call(server, "help")
    assert text.startswith("hello(name: str) -> str\n    Greet someone.\nadd(")
    assert text == say(server, "help").result
    about = "hello(name: str) -> str\n    Greet someone.\n\n    At length."
    assert about == call(server, "help", "hello") == say(server, "help", "hello").result
    assert fail(server, "help", "nobody").code == "unknown_command"
    assert fail(server, "describe", 1).code == "wrong_arguments"


def test_a_script_may_have_its_own_help() -> None:
    """As a command, or in main_logic."""

    class Own(TechRenaissanceServer):
        @command
        def help(self) -> str:
            return "mine"

        def main_logic(self, command: str, parameters: str) -> bool:
            self.write_response("", f"mine, too: {command}")
            return True

    assert call(Own(), "help") == "mine"
    assert call(Own(), "describe") == "mine, too: describe"


def test_a_hint_that_cannot_be_read_counts_as_none() -> None:
    """And describe and help say which."""

    class Vague(TechRenaissanceServer):
        @command
        def f(self, x: "Nowhere", y: int = 0) -> Any:  # type: ignore[name-defined] # noqa: F821
            return x

    assert call(Vague(), "f", [1]) == [1]
    parameters = call(Vague(), "describe")["commands"][0]["parameters"]
    assert parameters[0]["unreadable"] == "Nowhere: name 'Nowhere' is not defined"
    assert "unreadable" not in parameters[1]
    assert "The hint of x cannot be read" in call(Vague(), "help", "f")


# ------------------------------------------------------------------------------------- the server's services


class Helped(TechRenaissanceServer):
    """Uses what a server offers."""

    @command
    def look(self) -> Tuple[bool, Optional[float], bool]:
        return self.cancelled, self.remaining_s, current_server() is self


def test_a_command_has_the_services_of_its_server() -> None:
    """And a function of the script finds them by current_server."""
    assert call(Helped(), "look") == [False, None, True]
    server = Helped()
    response = server.respond(Request("look", "", 1, typed=True, form=1, deadline_ns=1 << 62))
    assert decode_result(response.form, response.result)[1] > 0
    with pytest.raises(LocalProtocolError, match="no server runs"):
        current_server()


def test_a_server_that_is_run_without_a_session_says_what_it_needs() -> None:
    """At once."""
    with pytest.raises(TypeError, match=r"the script's argument: run\(sys\.argv\[1\]\)"):
        Calculator().run()
