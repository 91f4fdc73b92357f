"""Commands that are called by text, commands that do not exist, and what a server says of those it has. Without
processes.
"""

import math
from typing import Any, ClassVar, Dict, Iterable, List, Optional, Tuple

import numpy as np
import pytest
from calculator import Calculator, Colour, Layer
from command_calls import call, fail, say

from tech_renaissance import LocalProtocolError, TechRenaissanceServer, command, current_server
from tech_renaissance._protocol.body_decoder import decode_result
from tech_renaissance._protocol.frame import Request


@pytest.fixture
def server() -> Calculator:
    """A new one."""
    return Calculator(library="numpy")


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
    assert [part if isinstance(part, str) else part.tolist() for part in call(server, "both")] == [
        "text",
        [1],
        [0],
    ]
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
    assert "What cannot be read in the hint of x counts as no hint: Nowhere" in call(Vague(), "help", "f")


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
