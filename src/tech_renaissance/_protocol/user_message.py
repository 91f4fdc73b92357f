"""What a user types into ``send_request``, and names of commands. Contract: spec/protocol.md, Messages."""

import re
from typing import Any, Union

from .._base.errors import LocalProtocolError, RemoteProtocolError
from .frame import Exit, Request
from .message import decode_request

_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(r"[ \t\r\n\v\f]*([^ \t\r\n\v\f{][^ \t\r\n\v\f]*)[ \t\r\n\v\f]*(.*)", re.DOTALL)


def parse_message(text: str) -> Union[Request, Exit]:
    """Turn what a user types into a request without an id. Raises LocalProtocolError ``bad_message``."""
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users may pass anything
        raise _no_text(text)
    if not text.isascii() and _SURROGATE.search(text):
        raise LocalProtocolError("bad_message", "the message is not Unicode text: it has a lone surrogate")
    match = _PLAIN.fullmatch(text)
    if match:
        command, parameters = match.groups()
        return Request(command, parameters) if command != "exit" else Exit()
    if not text.strip(" \t\r\n\v\f"):
        raise LocalProtocolError("bad_message", "the message is empty")
    try:
        request = decode_request(text)
    except RemoteProtocolError as error:
        raise LocalProtocolError("bad_message", f"the message is not a request: {error}") from None
    if isinstance(request, Exit):
        return request
    return Request(request.command, request.parameters, dialect=request.dialect)


def check_command(command: str) -> str:
    """The name of a command that is called with values. Raises LocalProtocolError ``bad_message``."""
    if not isinstance(command, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users may pass anything
        raise LocalProtocolError("bad_message", f"a command is a str, not {type(command).__name__}")
    if command == "exit":
        raise LocalProtocolError("bad_message", "'exit' has no answer: use please_exit")
    if not is_command(command):
        what = 'is not the name of a command: arguments are separate, as in call("add", 1, 2)'
        raise LocalProtocolError("bad_message", f"{command!r} {what}")
    return command


def is_command(text: str) -> bool:
    """Whether a text is the name of a command, and not a request to leave."""
    match = _PLAIN.fullmatch(text)
    return match is not None and match.group(1) == text != "exit" and not _SURROGATE.search(text)


def _no_text(message: Any) -> LocalProtocolError:
    kind = type(message).__name__
    cure = {
        "dict": ": json.dumps(message) turns it into one",
        "bytes": ": message.decode() turns it into one",
    }
    return LocalProtocolError("bad_message", f"a message is a str, not {kind}{cure.get(kind, '')}")
