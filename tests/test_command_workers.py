"""Workers with commands, in processes of their own, called by text from both hosts and with values from Python."""

import runpy
from typing import Any, Callable

import numpy as np
import pytest
from asyncio_host import asyncio_everywhere
from hosts import WORKERS

from tech_renaissance import CommandError, LaunchError, PythonSession

Calculator = runpy.run_path(str(WORKERS / "calculator.py"))["Calculator"]
Maker = Callable[..., Any]


@asyncio_everywhere
@pytest.mark.interpreters
def test_both_hosts_call_commands_by_text(start: Maker) -> None:
    """The whole text for one string, else words; tensors by places and tags; the answer is text or tensors."""
    session = start("calculator.py")
    assert session.fetch_response("hello big  world") == "Hello big  world"
    assert session.fetch_response("add 1 b=2") == "13.0"
    assert session.calculate("matmul scale=3", np.eye(2), np.eye(2)).tolist() == [[3, 0], [0, 3]]
    assert session.calculate("same", np.ones(2)).tolist() == [1, 1]
    session.send_tensor(np.full((2, 2), 2.0), "a")
    assert session.fetch_tensor("matmul a a").tolist() == [[8, 8], [8, 8]]
    assert '{"loss":0.5,"weights":{"$":0},"raw":{"$":1},"steps":[0,1]}' == session.fetch_response("mixed 2")
    assert session.fetch_response("help hello") == "hello(name: str) -> str\n    Greet someone."
    with pytest.raises(CommandError, match=r"wrong arguments for add\(a: float, b: float = 1\.0\)") as caught:
        session.fetch_response("add one")
    assert caught.value.code == "wrong_arguments"
    with pytest.raises(CommandError, match="did you mean 'hello'") as caught:
        session.fetch_response("helo")
    assert caught.value.code == "unknown_command"


def test_commands_are_called_with_values(workspace: Any, transport: str) -> None:
    """Of any kind, at any depth; errors say what they say."""
    with PythonSession(WORKERS / "calculator.py", "values", library="numpy") as session:
        assert session.call("hello", "world") == "Hello world"
        assert session.call("add", 1) == 12.0
        assert session.call("matmul", np.eye(2), np.ones((2, 2)), scale=2).tolist() == [[2, 2], [2, 2]]
        result = session.call("mixed", 20)
        assert (result["loss"], result["raw"], result["steps"]) == (0.5, b"\x00\xff", list(range(20)))
        assert result["weights"].tolist() == [20.0] * 20
        for value in (
            None,
            "",
            "text",
            b"",
            b"x" * 70_000,
            [],
            {},
            {"$": [1.0, {"": None}]},
            [0.5] * 100_000,
        ):
            assert session.call("same", value) == value
        with pytest.raises(CommandError, match="ValueError: so it is") as caught:
            session.call("fail", "so it is")
        assert "raise ValueError(message)" in caught.value.remote_traceback
        assert "_worker" not in caught.value.remote_traceback
        assert session.typed(Calculator).norm(np.array([3.0, 4.0])) == 5.0
        assert session.call("describe")["commands"][0]["signature"] == "hello(name: str) -> str"


def test_functions_are_served_without_a_class(workspace: Any, transport: str) -> None:
    """They get at the server by current_server; what is not served is told."""
    with PythonSession(WORKERS / "functions.py", "functions", library="numpy") as session:
        assert session.call("greet", "you", times=2) == "hi you hi you"
        assert session.fetch_response("double 2") == "22"
        assert session.call("double", 2) == 4
        assert session.call("total", np.ones(4)) == 4.0
        assert session.call("look", deadline_ms=60_000) == [False, True]
        with pytest.raises(
            CommandError, match="forgotten is a function of the script, but no command: give it to serve"
        ):
            session.call("forgotten")


def test_a_setup_that_fails_is_told_to_the_host(start: Maker) -> None:
    """With its traceback; the worker was never ready. Teardown runs only after setup."""
    session = start("calculator.py", environment={"MISTAKE": "setup"})
    with pytest.raises(LaunchError, match="RuntimeError: there is no model here") as caught:
        session.wait_until_ready()
    assert caught.value.code == "died_at_start"
    assert "in setup" in caught.value.output_tail
    assert "torn down" not in caught.value.output_tail


def test_teardown_runs_when_a_worker_leaves(workspace: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """In an orderly way: asked to, or by sys.exit."""
    with PythonSession(WORKERS / "calculator.py", "leaving") as session:
        session.wait_until_ready()
        session.please_exit(10_000)
    assert ["torn down"] == capfd.readouterr().out.splitlines()
