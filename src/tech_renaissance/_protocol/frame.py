"""Frames as values, and their JSON texts in both dialects. No I/O, no clock. Contract: spec/protocol.md.

A frame is what the two sides say to each other, such as a Request. This module turns requests
and responses into JSON and back. Where a tensor's bytes live is up to the transport, so here a response only names its
tensors.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union, cast

from .._base.errors import LocalProtocolError, RemoteProtocolError, TechRenaissanceError
from .._base.names import check_name
from .body import FORMS, KINDS, TENSOR, TEXT

LONG = "long"
SHORT = "short"
# The code of the failure whose result is "invalid", a word that older hosts know.
INVALID_TENSORS = "invalid_tensors"

# How many items a host takes of a stream before it grants more.
FIRST_CREDIT = 16

_MAX_DEPTH = 64
_MAX_INT = 2**63 - 1
# What matters for the depth of nesting: strings, brackets, and the quote of an unterminated string.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(r"[ \t\r\n\v\f]*([^ \t\r\n\v\f{][^ \t\r\n\v\f]*)[ \t\r\n\v\f]*(.*)", re.DOTALL)


@dataclass
class Ready:
    """The worker can serve. ``info``: who it is (the keys of worker.json)."""

    info: Dict[str, Any]


@dataclass
class Request:
    """One call. ``parameters``, ``form`` and ``attachments`` are its body (spec/values.md). ``id`` is None from older hosts.
    ``deadline_ns``: when it must be over, on the machine's monotonic clock (``time.perf_counter_ns``); None for no deadline.
    ``typed``: whether the body means arguments, and the answer is to be a value. ``streams``: whether its host takes items.

    ``attachments`` are pairs of a kind and a name in this module; above the transport they are what a host's end has placed, or a
    worker's end has received.
    """

    command: str
    parameters: str = ""
    id: Optional[int] = None
    dialect: str = LONG
    deadline_ns: Optional[int] = None
    typed: bool = False
    form: int = TEXT
    attachments: Sequence[Any] = ()
    streams: bool = False


@dataclass
class Credit:
    """The host of a request that streams takes so many items more."""

    id: int
    count: int


@dataclass
class Item:
    """A value that the command of a request that streams has yielded; its body, as in a Response. ``error``: why its host could not read
    it, if it could not.
    """

    id: Optional[int]
    result: str = ""
    form: int = TEXT
    attachments: Sequence[Any] = ()
    error: Optional[TechRenaissanceError] = None


@dataclass
class Failure:
    """Why a call failed: ``code`` as in spec/errors.md, and the worker's exception, if there was one."""

    code: str
    message: str
    type: str = ""
    traceback: str = ""


@dataclass
class Response:
    """The answer to one request. ``result``, ``form`` and ``attachments`` are its body (spec/values.md). ``attachments`` are pairs of a kind
    and a name in this module; above the transport they are objects, whose types say of what kind they are.
    """

    command: str
    result: str = "ok"
    message: str = ""
    attachments: Sequence[Any] = ()
    error: Optional[Failure] = None
    id: Optional[int] = None
    dialect: str = LONG
    form: int = TEXT


@dataclass
class Exit:
    """The host asks the worker to leave."""


@dataclass
class Exiting:
    """The worker is leaving in an orderly way."""


Frame = Union[Ready, Request, Credit, Item, Response, Exit, Exiting]

# The kind of an attachment, and the name of the tensor that holds it.
Named = Tuple[int, str]


@dataclass
class _Object:
    """A JSON object, read key by key. Every defect is a ``bad_frame``."""

    values: Dict[str, Any]

    def text(self, key: str, default: Optional[str] = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or isinstance(value, _Number):
            raise RemoteProtocolError(
                "bad_frame", f"{key!r} is {'not a string' if key in self.values else 'missing'}"
            )
        return _SURROGATE.sub("\ufffd", value)

    def positive(self, key: str) -> Optional[int]:
        value = self.values.get(key)
        if value is None:
            return None
        is_short_integer = isinstance(value, _Number) and value.isdigit() and len(value) <= len(str(_MAX_INT))
        number = int(value) if is_short_integer else 0
        if not 1 <= number <= _MAX_INT:
            raise RemoteProtocolError("bad_frame", f"{key!r} is not a positive integer of 64 bits")
        return number

    def number(self, key: str, choices: Sequence[int], what: str) -> int:
        """One of a few small numbers; the first if it is missing."""
        value = self.values.get(key)
        return choices[0] if value is None else _choice(value, choices, what)

    def dialect(self) -> str:
        return SHORT if "cmd" in self.values and "command" not in self.values else LONG


class _Number(str):
    """A number as the text spells it, so that parameters keep their spelling and no digit is lost."""

    __slots__ = ()


class MalformedRequest(RemoteProtocolError):
    """A request that cannot be read; the error response to it needs ``id`` and ``dialect``."""

    def __init__(self, error: RemoteProtocolError, request_id: Optional[int], dialect: str) -> None:
        super().__init__(error.code, str(error))
        self.id = request_id
        self.dialect = dialect


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
    match = _PLAIN.fullmatch(command)
    if not match or match.group(1) != command or _SURROGATE.search(command):
        what = "is not the name of a command: arguments are separate, as in call('add', 1, 2)"
        raise LocalProtocolError("bad_message", f"{command!r} {what}")
    if command == "exit":
        raise LocalProtocolError("bad_message", "'exit' has no answer: use please_exit")
    return command


def _no_text(message: Any) -> LocalProtocolError:
    kind = type(message).__name__
    cure = {
        "dict": ": json.dumps(message) turns it into one",
        "bytes": ": message.decode() turns it into one",
    }
    return LocalProtocolError("bad_message", f"a message is a str, not {kind}{cure.get(kind, '')}")


def encode_request(request: Request, named: Sequence[Named], timestamp_ms: int) -> str:
    """The JSON text of a request in its dialect; ``named`` are the kinds and the names of its attachments."""
    short = request.dialect == SHORT
    values: Dict[str, Any] = {
        "cmd" if short else "command": request.command,
        "params" if short else "parameters": request.parameters,
    }
    if not short:
        values["timestamp"] = timestamp_ms
    if request.id is not None:
        values["id"] = request.id
    if request.deadline_ns is not None:
        values["deadline"] = request.deadline_ns
    if request.typed:
        values["typed"] = True
    if request.streams:
        values["streams"] = True
    if request.form != TEXT:
        values["form"] = request.form
    if named:
        values["attachments"] = [{"kind": kind, "name": name} for kind, name in named]
    return _dump(values)


def decode_request(data: Union[str, bytes]) -> Union[Request, Exit]:
    """A request, or Exit if its command is ``exit``. Raises MalformedRequest."""
    message = _Object({})
    request_id = None
    try:
        message = _load(data)
        request_id = message.positive("id")
        short = message.dialect() == SHORT
        command = message.text("cmd" if short else "command")
        if not command:
            raise RemoteProtocolError("bad_frame", "the command is empty")
        parameters = _parameters(message.values.get("params" if short else "parameters", ""))
        deadline_ns = message.positive("deadline")
        typed = message.values.get("typed") is True
        streams = message.values.get("streams") is True
        form = message.number("form", FORMS, "the form of a body")
        attachments = _attachments(message.values.get("attachments", []))
    except RemoteProtocolError as error:
        raise MalformedRequest(error, request_id, message.dialect()) from None
    if command == "exit":
        return Exit()
    return Request(
        command, parameters, request_id, message.dialect(), deadline_ns, typed, form, attachments, streams
    )


def encode_response(response: Response, named: Sequence[Named], timestamp_ms: int) -> str:
    """The JSON text of a response in its dialect; ``named`` are the kinds and the names of its attachments."""
    values: Dict[str, Any]
    names = [name for _, name in named]
    if response.dialect == SHORT:
        values = {"cmd": response.command, "params": _short_text(response, names)}
        if response.id is not None:
            values.update(result=response.result, message=response.message)
    else:
        values = {
            "command": response.command,
            "result": response.result,
            "message": response.message,
            "timestamp": timestamp_ms,
        }
    if response.id is not None:
        values.update(id=response.id, tensors=names)
        if response.form != TEXT:
            values["form"] = response.form
        if any(kind != TENSOR for kind, _ in named):
            values["kinds"] = [kind for kind, _ in named]
    if response.error:
        values["error"] = {
            "code": response.error.code,
            "type": response.error.type,
            "message": response.error.message,
            "traceback": response.error.traceback,
        }
    return _dump(values)


def decode_response(data: Union[str, bytes]) -> Response:
    """A response whose attachments are kinds and names. Raises RemoteProtocolError."""
    message = _load(data)
    short = message.dialect() == SHORT
    # A short response without an id has its text in params only.
    only_params = short and "result" not in message.values
    return Response(
        message.text("cmd" if short else "command"),
        message.text("params" if only_params else "result"),
        message.text("message", ""),
        _results(message.values),
        _failure(message.values.get("error")),
        message.positive("id"),
        message.dialect(),
        message.number("form", FORMS, "the form of a body"),
    )


def id_of_response(data: Union[str, bytes]) -> Optional[int]:
    """The id of a response that decode_response refuses; None if that cannot be read, either."""
    try:
        return _load(data).positive("id")
    except RemoteProtocolError:
        return None


def decode_failure(data: Union[str, bytes]) -> Failure:
    """Decode the ``error`` of a response. Raises RemoteProtocolError."""
    return _checked_failure(_load(data))


def _short_text(response: Response, names: Sequence[str]) -> str:
    if response.error and response.error.code != INVALID_TENSORS:
        return f"error: {response.error.message}"
    return ",".join(names) if names and not response.error else response.result


def _parameters(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_scalar, cast("List[Any]", value)))
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    raise RemoteProtocolError(
        "bad_frame", "parameters are a string, a number, a boolean or an array of those"
    )


def _results(values: Dict[str, Any]) -> Sequence[Named]:
    """What ``tensors`` and ``kinds`` of a response say."""
    names = _array(values.get("tensors", []), "'tensors'")
    kinds = _array(values.get("kinds", [_Number(TENSOR)] * len(names)), "'kinds'")
    if len(kinds) != len(names):
        raise RemoteProtocolError("bad_frame", "'kinds' and 'tensors' are not of the same length")
    return tuple(_named(kind, name, "'tensors'") for kind, name in zip(kinds, names))


def _attachments(value: Any) -> Sequence[Named]:
    """What ``attachments`` of a request says."""
    members = [_object(part, "an attachment").values for part in _array(value, "'attachments'")]
    return tuple(_named(member.get("kind"), member.get("name"), "'attachments'") for member in members)


def _named(kind: Any, name: Any, what: str) -> Named:
    """The kind and the name of an attachment; transports turn names into file names."""
    if not isinstance(name, str) or isinstance(name, _Number):
        raise RemoteProtocolError("bad_frame", f"{what} has a name that is not a string")
    try:
        checked = check_name(_SURROGATE.sub("\ufffd", name), "tensor")
    except LocalProtocolError as error:
        raise RemoteProtocolError("bad_frame", f"{what} has an element that is not a name: {error}") from None
    return _choice(kind, KINDS, "the kind of an attachment"), checked


def _choice(value: Any, choices: Sequence[int], what: str) -> int:
    if isinstance(value, _Number) and value in map(str, choices):
        return int(value)
    raise RemoteProtocolError("bad_frame", f"{what} is none of {', '.join(map(str, choices))}")


def _array(value: Any, what: str) -> List[Any]:
    if not isinstance(value, list):
        raise RemoteProtocolError("bad_frame", f"{what} is not an array")
    return cast("List[Any]", value)


def _failure(value: Any) -> Optional[Failure]:
    return None if value is None else _checked_failure(_object(value, "'error'"))


def _checked_failure(error: _Object) -> Failure:
    if not error.text("code"):
        raise RemoteProtocolError("bad_frame", "the 'code' of an error is empty")
    return Failure(
        error.text("code"), error.text("message", ""), error.text("type", ""), error.text("traceback", "")
    )


def _object(value: Any, what: str) -> _Object:
    """A key with the value null counts as missing."""
    if not isinstance(value, dict):
        raise RemoteProtocolError("bad_frame", f"{what} is not a JSON object")
    values = cast("Dict[str, Any]", value)
    return _Object({key: member for key, member in values.items() if member is not None})


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _load(data: Union[str, bytes]) -> _Object:
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        text = text[1:] if text.startswith("\ufeff") else text
        _check_depth(text)
        number: Callable[[str], Any] = _Number
        value = json.loads(text, parse_int=number, parse_float=number, parse_constant=_refuse_constant)
    except ValueError as error:
        raise RemoteProtocolError("bad_json", f"not a JSON text: {error}") from None
    return _object(value, "the message")


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= _MAX_DEPTH:
        return
    depth = 0
    for token in _TOKEN.finditer(text):
        if token.group() == '"':
            return  # the parser stops here, too
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group(), 0)
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")


def _dump(values: Dict[str, Any]) -> str:
    return _SURROGATE.sub("\ufffd", json.dumps(values, ensure_ascii=False))
