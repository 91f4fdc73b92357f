"""Calls of a worker's commands without a process: through ``respond``."""

from typing import Any, Optional, Sequence

from tech_renaissance import TechRenaissanceServer
from tech_renaissance._protocol.body_decoder import decode_result
from tech_renaissance._protocol.body_encoder import encode_call
from tech_renaissance._protocol.frame import Failure, Request, Response


class Attached:
    """An attachment that has arrived."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def value(self, library: Optional[str]) -> Any:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value

    def let_go(self) -> None:
        pass


def respond(server: TechRenaissanceServer, command: str, /, *args: Any, **kwargs: Any) -> Response:
    """The response to a typed call."""
    form, text, attachments = encode_call(args, kwargs)
    attached = [Attached(value) for value in attachments]
    return server.respond(Request(command, text, 1, typed=True, form=form, attachments=attached))


def call(server: TechRenaissanceServer, command: str, /, *args: Any, **kwargs: Any) -> Any:
    """The value that a typed call gives."""
    response = respond(server, command, *args, **kwargs)
    assert response.error is None, response.error
    return decode_result(response.form, response.result, response.attachments)


def fail(server: TechRenaissanceServer, command: str, /, *args: Any, **kwargs: Any) -> Failure:
    """Why a typed call fails."""
    response = respond(server, command, *args, **kwargs)
    assert response.error is not None, response
    return response.error


def say(server: TechRenaissanceServer, name: str, text: str = "", tensors: Sequence[Any] = ()) -> Response:
    """The response to a text call."""
    return server.respond(Request(name, text, 1, attachments=[Attached(tensor) for tensor in tensors]))
