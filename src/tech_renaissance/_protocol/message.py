"""Frames as JSON texts, and back. No I/O, no clock. Contract: spec/protocol.md, Messages.

Where a tensor's bytes live is up to the transport, so here attachments are pairs of a kind and a name.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union, cast

from .._base.display import for_display
from .._base.errors import RemoteProtocolError
from .._base.names import defect_of_name
from .body import FORMS, KINDS, TENSOR, TEXT
from .frame import (
    INVALID_TENSORS,
    LONG,
    SHORT,
    Answer,
    Ask,
    Exit,
    Failure,
    MalformedRequest,
    Progress,
    Request,
    Response,
)

_MAX_DEPTH = 64
_MAX_INT = 2**63 - 1
# What matters for the depth of nesting: strings, brackets, and the quote of an unterminated string.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")

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

    def finite(self, key: str) -> Optional[float]:
        """A finite number; None if it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        number = float(value) if isinstance(value, _Number) else math.inf
        if not math.isfinite(number):
            raise RemoteProtocolError("bad_frame", f"{key!r} is not a number")
        return number

    def dialect(self) -> str:
        return SHORT if "cmd" in self.values and "command" not in self.values else LONG


class _Number(str):
    """A number as the text spells it, so that parameters keep their spelling and no digit is lost."""

    __slots__ = ()


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
    if request.input:
        values["input"] = True
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
        has_input = message.values.get("input") is True
        form = message.number("form", FORMS, "the form of a body")
        attachments = _attachments(message.values.get("attachments", []))
    except RemoteProtocolError as error:
        raise MalformedRequest(error, request_id, message.dialect()) from None
    if command == "exit":
        return Exit()
    return Request(
        command,
        parameters,
        request_id,
        message.dialect(),
        deadline_ns,
        typed,
        form,
        attachments,
        streams,
        has_input,
    )


def encode_response(response: Response, named: Sequence[Named], timestamp_ms: int) -> str:
    """The JSON text of a response in its dialect; ``named`` are the kinds
    and the names of its attachments.
    """
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
        values.update(id=response.id, tensors=names, **_body_values(response.form, named))
    if response.error:
        values["error"] = failure_values(response.error)
    return _dump(values)


def _body_values(form: int, named: Sequence[Named]) -> Dict[str, Any]:
    """What is said of a result's body if it is no text, or has attachments that are no tensors."""
    values: Dict[str, Any] = {}
    if form != TEXT:
        values["form"] = form
    if any(kind != TENSOR for kind, _ in named):
        values["kinds"] = [kind for kind, _ in named]
    return values


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


def encode_progress(progress: Progress) -> str:
    """The JSON text of a Progress."""
    values: Dict[str, Any] = {"id": progress.id, "done": progress.done, "message": progress.message}
    if not math.isnan(progress.total):
        values["total"] = progress.total
    return _dump(values)


def decode_progress(data: bytes) -> Progress:
    """Raises RemoteProtocolError."""
    message = _load(data)
    done = message.finite("done")
    if done is None:
        raise RemoteProtocolError("bad_frame", "'done' is missing")
    total = message.finite("total")
    return Progress(
        message.positive("id"), done, math.nan if total is None else total, message.text("message", "")
    )


def encode_ask(ask: Ask, named: Sequence[Named]) -> str:
    """The JSON text of an Ask; ``named`` are the kinds and the names of its attachments."""
    values: Dict[str, Any] = {"id": ask.id, "command": ask.command, "parameters": ask.parameters}
    if ask.form != TEXT:
        values["form"] = ask.form
    if named:
        values["attachments"] = [{"kind": kind, "name": name} for kind, name in named]
    if ask.waiting:
        values["waiting"] = True
    return _dump(values)


def decode_ask(data: bytes) -> Ask:
    """An Ask whose attachments are kinds and names. Raises RemoteProtocolError."""
    message = _load(data)
    command = message.text("command")
    if not command:
        raise RemoteProtocolError("bad_frame", "the name is empty")
    return Ask(
        message.positive("id"),
        command,
        message.text("parameters", ""),
        message.number("form", FORMS, "the form of a body"),
        _attachments(message.values.get("attachments", [])),
        message.values.get("waiting") is True,
    )


def encode_answer(answer: Answer, named: Sequence[Named]) -> str:
    """The JSON text of an Answer; ``named`` are the kinds and the names of its attachments."""
    values: Dict[str, Any] = {
        "result": answer.result,
        "message": answer.message,
        "id": answer.id,
        "tensors": [name for _, name in named],
        **_body_values(answer.form, named),
    }
    if answer.error:
        values["error"] = failure_values(answer.error)
    return _dump(values)


def decode_answer(data: bytes) -> Answer:
    """An Answer whose attachments are kinds and names. Raises RemoteProtocolError."""
    message = _load(data)
    return Answer(
        message.positive("id"),
        message.text("result"),
        message.number("form", FORMS, "the form of a body"),
        _results(message.values),
        message.text("message", ""),
        _failure(message.values.get("error")),
    )


def id_of(data: Union[str, bytes]) -> Optional[int]:
    """The id of a text that its decoder refuses; None if that cannot be read, either."""
    try:
        return _load(data).positive("id")
    except RemoteProtocolError:
        return None


def failure_values(failure: Failure) -> Dict[str, str]:
    """The JSON object of a failure."""
    return {
        "code": failure.code,
        "type": failure.type,
        "message": failure.message,
        "traceback": failure.traceback,
    }


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
    checked = _SURROGATE.sub("\ufffd", name)
    defect = defect_of_name(checked)
    if defect:
        raise RemoteProtocolError(
            "bad_frame", f"{what} has a name that is none: {for_display(checked)} {defect}"
        )
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
