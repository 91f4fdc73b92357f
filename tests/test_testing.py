"""Handlers can be tested without a process."""

import sys
from typing import Any

import numpy as np
import pytest

from tech_renaissance import CommandError, LocalProtocolError, TechRenaissanceServer
from tech_renaissance.testing import call


class Server(TechRenaissanceServer):
    """A server as users write them."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Knows three commands."""
        if command == "double":
            tensors = self.get_tensors(parameters, 1)
            if tensors is not None:
                self.send_tensors(tensors[0] * 2)
        elif command == "say":
            self.write_response("", parameters)
        elif command == "leave":
            sys.exit(4)
        else:
            return False
        return True


@pytest.fixture
def server() -> Server:
    """One that takes numpy arrays."""
    return Server(library="numpy")


def test_a_handler_answers_a_call(server: Server) -> None:
    """Text and tensors."""
    assert "hello there" == call(server, "say hello there").result
    assert "short" == call(server, '{"cmd": "say", "params": "short"}').result
    response = call(server, "double x", x=np.arange(3, dtype=np.float32), library="numpy")
    assert ("ok", [0, 2, 4]) == (response.result, response.attachments[0].tolist())


def test_failures_are_those_of_a_session(server: Server) -> None:
    """The same errors, with the same codes."""
    for message, code in (("double x", "invalid_tensors"), ("no-such-command", "unknown_command")):
        with pytest.raises(CommandError) as caught:
            call(server, message)
        assert code == caught.value.code
    for message in ("", "exit", "{"):
        with pytest.raises(LocalProtocolError):
            call(server, message)
    with pytest.raises(SystemExit):
        call(server, "leave")


def test_a_server_may_be_called_again(server: Server) -> None:
    """Its own state stays."""
    assert ["1", "2"] == [call(server, f"say {number}").result for number in (1, 2)]


def test_handlers_are_for_serving_only(server: Server) -> None:
    """Outside of main_logic there is nothing to answer."""
    attempts: Any = (
        lambda: server.get_tensors("x", 1),
        lambda: server.send_tensors(np.ones(1)),
        lambda: server.write_response("", "x"),
    )
    for attempt in attempts:
        with pytest.raises(LocalProtocolError) as caught:
            attempt()
        assert "bad_state" == caught.value.code
