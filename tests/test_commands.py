"""Commands in a worker that are called with values: how they are called, and what is refused. Without processes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, cast

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from calculator import Calculator
from command_calls import Attached, call, fail, respond
from test_value_properties import VALUES

from tech_renaissance import LocalProtocolError, TechRenaissanceServer, command, current_server
from tech_renaissance._protocol.frame import Request
from tech_renaissance._worker.reply import Leave


@pytest.fixture
def server() -> Calculator:
    """A new one."""
    return Calculator(library="numpy")


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


@hypothesis.settings(max_examples=50)
@hypothesis.given(
    st.integers(0, 3), st.text() | st.text('[]{}":,$0123456789e-. ntf', max_size=12), st.booleans()
)
def test_any_body_gets_a_response(form: int, text: str, typed: bool) -> None:
    """Whatever it is."""
    response = Calculator(library="numpy").respond(Request("gather", text, 1, typed=typed, form=form))
    assert response.error is None or response.error.code in ("wrong_arguments", "malformed_request")
