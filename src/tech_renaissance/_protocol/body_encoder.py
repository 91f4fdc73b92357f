"""Values as bodies. Contract: spec/values.md.

What a value is written as depends on its type alone, so each type is looked at once. The text is made in
one pass, without the standard library's encoder: that has no hook for most of the rules
(docs/decisions/0018-bodies.md).
"""

import dataclasses
import enum
import sys
from array import array
from json.encoder import encode_basestring
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
    cast,
)

from .._base.errors import FormatError, LocalProtocolError, TechRenaissanceError
from .._base.sendable import check_sendable
from .body import (
    ARGUMENT_DEPTH,
    ATTACHMENTS,
    JSON,
    MAX_DEPTH,
    MAX_INT,
    MAX_TEXT_NBYTES,
    MIN_INT,
    TEXT,
    Body,
    Input,
    bad_value,
    check_depth,
    path_text,
    type_of,
)
from .record_encoder import Put, put_of_dataclass

_Step = Union[str, int]

_NUMBERS = (int, float, bool)
_LONGEST_JSON_LIST = 16
_REFUSALS = (LocalProtocolError, FormatError, UnicodeEncodeError)
# What this many types or keys have taught us is forgotten, in case a program makes new ones all the time.
_MOST_KNOWN = 4096
_LONGEST_KNOWN_KEY = 64

_CURES = {
    "set": "send sorted(value), or list(value)",
    "frozenset": "send sorted(value), or list(value)",
    "range": "send list(value)",
    "generator": "send list(value)",
    "coroutine": "send await value",
    "map": "send list(value)",
    "filter": "send list(value)",
    "dict_keys": "send list(value)",
    "dict_values": "send list(value)",
    "deque": "send list(value)",
    "array": "send value.tolist(), or numpy.asarray(value)",
    "complex": "send [value.real, value.imag], or a tensor",
    "complex64": "send [value.real, value.imag], or a tensor",
    "complex128": "send [value.real, value.imag], or a tensor",
    "Decimal": "send str(value), or float(value)",
    "Fraction": "send str(value), or float(value)",
    "UUID": "send str(value)",
    "datetime64": "send str(value), or value.astype(int)",
    "timedelta64": "send value.astype(int)",
    "datetime": "send value.isoformat()",
    "date": "send value.isoformat()",
    "time": "send value.isoformat()",
    "timedelta": "send value.total_seconds()",
    "PosixPath": "send str(value)",
    "WindowsPath": "send str(value)",
    "BytesIO": "send value.getvalue()",
    "StringIO": "send value.getvalue()",
}


def encode_result(value: Any, path: Tuple[_Step, ...] = ()) -> Body:
    """The body of one value. ``path``: where it is in what errors are to speak of.

    Attachments are the tensors and bytes themselves: whoever places them does so
    before their owner changes them.

    Raises:
        LocalProtocolError: ``bad_value``, with the path of what cannot be sent, or ``too_large``.
        FormatError: a tensor that cannot be sent, with its path.
    """
    try:
        kind = type_of(value)
        if kind is str:
            return TEXT, _bounded(value), []
        if value is None:
            return ATTACHMENTS, "", []
        if kind in _NUMBERS:
            return JSON, _put(value, 0, []), []
        put = _known.get(kind) or _learn(kind)
        if put is _put_tensor:
            check_sendable(value)
            return ATTACHMENTS, "", [value]
        if put in _ALONE:
            is_list = put is _put_list and len(value) > 1
            attached = _attached_alone(value if is_list else (value,))
            if attached is not None:
                return ATTACHMENTS, "", attached
        attachments: List[Any] = []
        return JSON, _bounded(put(value, 0, attachments)), attachments
    except _REFUSALS as error:
        raise _explained(value, 0, path, error) from None


def encode_text(value: Any) -> Tuple[str, List[Any]]:
    """The JSON text of a value for people, without packed lists, and its attachments; no text if it is
    attachments alone. Errors as for ``encode_result``.
    """
    try:
        is_list = type_of(value) in (list, tuple) and len(value) > 1
        attached = _attached_alone(value if is_list else (value,))
        if attached is not None:
            return "", attached
        attachments = _Unpacked()
        return _bounded(_put(value, 0, attachments)), attachments
    except _REFUSALS as error:
        raise _explained(value, 0, (), error) from None


class _Unpacked(List[Any]):
    """Attachments among which there are no lists of numbers."""


def encode_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Body:
    """The body of a call's arguments, one of which may be an Input. Errors as for ``encode_result``; paths
    begin with ``args[0]``, or the name of a keyword.
    """
    try:
        if not kwargs:
            if len(args) == 1:
                kind = type_of(args[0])
                if kind is str:
                    return TEXT, _bounded(args[0]), []
                if kind in _NUMBERS:
                    return JSON, f"[[{_put(args[0], ARGUMENT_DEPTH, [])}]]", []
            attached = _attached_alone(args)
            if attached is not None:
                return ATTACHMENTS, "", attached
        attachments: List[Any] = []
        text = "[[" + ",".join([_put(value, ARGUMENT_DEPTH, attachments) for value in args]) + "]"
        text += ("," + _put_dict(kwargs, 1, attachments) if kwargs else "") + "]"
        return JSON, _bounded(text), attachments
    except _REFUSALS as error:
        if _problem(args, 1) is not None:
            raise _explained(args, 1, ("args",), error) from None
        raise _explained(kwargs, 1, (), error) from None


def _attached_alone(values: Iterable[Any]) -> Optional[List[Any]]:
    """The attachments that these values are, or None if one of them is something else."""
    attachments: List[Any] = []
    for value in values:
        put = _known.get(type_of(value)) or _learn(type_of(value))
        if put is _put_tensor:
            check_sendable(value)
            attachments.append(value)
        elif put is _put_bytes:
            attachments.append(_without_gaps(value))
        else:
            return None
    return attachments


def _bounded(text: str) -> str:
    """The text, if it is UTF-8 without surrogates, and not too long."""
    nbytes = len(text) if text.isascii() else len(text.encode())
    if nbytes > MAX_TEXT_NBYTES:
        raise LocalProtocolError(
            "too_large",
            f"makes a text of {nbytes} bytes, which may have {MAX_TEXT_NBYTES}: send bytes, a tensor, or several calls",
        )
    return text


# ----------------------------------------------------------------------------------------------------- values


def _put(value: Any, depth: int, attachments: List[Any]) -> str:
    kind = type_of(value)
    if kind is str:
        return encode_basestring(value)
    if kind is int:
        if MIN_INT <= value <= MAX_INT:
            return int.__repr__(value)
        raise bad_value("is an int that does not fit 64 bits: send it as a string, or as a float")
    if kind is float and value - value == 0.0:  # neither NaN nor infinite
        return float.__repr__(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    return (_known.get(kind) or _learn(kind))(value, depth, attachments)


def _put_special_float(value: float, depth: int, _: List[Any]) -> str:
    check_depth(depth)
    return '{"$f":"nan"}' if value != value else '{"$f":"inf"}' if value > 0 else '{"$f":"-inf"}'  # noqa: PLR0124


def _put_dict(value: Mapping[str, Any], depth: int, attachments: List[Any]) -> str:
    check_depth(depth)
    inner, text = depth + 1, ""
    for key, part in value.items():
        is_number = type(part) is int and MIN_INT <= part <= MAX_INT  # as in _put, in less time
        text += f",{_keys[key]}{part!r}" if is_number else f",{_keys[key]}{_put(part, inner, attachments)}"
    return "{" + text[1:] + "}"


def _put_list(value: Sequence[Any], depth: int, attachments: List[Any]) -> str:
    if len(value) > _LONGEST_JSON_LIST and type_of(attachments) is list:
        packed = _packed(value)
        if packed is not None:
            return _attach(packed, depth, attachments)
    check_depth(depth)
    inner, text = depth + 1, ""
    for part in value:
        is_number = type(part) is float and part - part == 0.0
        text += f",{part!r}" if is_number else f",{_put(part, inner, attachments)}"
    return "[" + text[1:] + "]"


def _packed(value: Sequence[Any]) -> "Optional[array[Any]]":
    kind = type_of(value[0])
    if kind not in (int, float) or set(map(type_of, value)) != {kind}:
        return None
    try:
        return array("q" if kind is int else "d", value)
    except OverflowError:  # as JSON it is refused, with the place
        return None


def _attach(value: Any, depth: int, attachments: List[Any]) -> str:
    check_depth(depth)
    attachments.append(value)
    return f'{{"$":{len(attachments) - 1}}}'


def _put_input(value: Input, depth: int, attachments: List[Any]) -> str:
    if depth != ARGUMENT_DEPTH:
        raise bad_value("is an input, which is an argument itself, and no part of one")
    if value.values is None:
        return '{"$in":0}'
    parts = [_put(part, depth + 2, attachments) for part in value.values]
    return '{"$in":[' + ",".join(parts) + "]}"


class _Keys(Dict[str, str]):
    """How keys are written, with the colon."""

    def __missing__(self, key: Any) -> str:
        if not isinstance(key, str):
            raise bad_value(f"has the key {key!r} of type {type_of(key).__name__}: keys are strings")
        text = encode_basestring("$" + key if key.startswith("$") else key) + ":"
        if len(key) <= _LONGEST_KNOWN_KEY:
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[str.__str__(key)] = text
        return text


_keys = _Keys()


# ------------------------------------------------------------------------------------------------------ types


def _learn(kind: Any) -> Put:
    put = _put_of(kind)
    if len(_known) >= _MOST_KNOWN:
        for other in [known for known in list(_known) if known not in _BUILT_IN]:
            _known.pop(
                other, None
            )  # other threads may be doing the same, and need the built-in ones at any time
    _known[kind] = put
    return put


def _put_of(kind: Any) -> Put:
    """How the values of a type are written. What is more than one thing (an enum of
    ints) is the first of them.
    """
    numpy = sys.modules.get("numpy")
    if issubclass(kind, enum.Enum):
        return lambda value, depth, attachments: _put(value.value, depth, attachments)
    for base, put in _OF_SUBCLASSES:
        if issubclass(kind, base):
            return put
    if dataclasses.is_dataclass(kind):
        return put_of_dataclass(kind, _put, lambda part: _known.get(part) or _learn(part))
    if numpy is not None and issubclass(kind, numpy.generic):
        is_time = issubclass(kind, (numpy.datetime64, numpy.timedelta64))  # an int only in some units
        return _refuse if is_time else _put_numpy_scalar
    if is_tensor_type(kind):
        return _put_tensor
    return _refuse


def is_tensor_type(kind: Any) -> bool:
    """Whether values of a type are sent as tensors: torch's, numpy's arrays, and what hands
    over its elements by DLPack.
    """
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    libraries = (getattr(numpy, "ndarray", None), getattr(torch, "Tensor", None))
    return issubclass(kind, tuple(filter(None, libraries))) or hasattr(kind, "__dlpack__")


def _put_bytes(value: Any, depth: int, attachments: List[Any]) -> str:
    return _attach(_without_gaps(value), depth, attachments)


def _without_gaps(value: Any) -> Any:
    return value if type_of(value) is not memoryview or value.c_contiguous else value.tobytes()


def _put_tensor(value: Any, depth: int, attachments: List[Any]) -> str:
    check_sendable(value)
    return _attach(value, depth, attachments)


def _put_numpy_scalar(value: Any, depth: int, attachments: List[Any]) -> str:
    item = value.item()
    return _put(item, depth, attachments) if type_of(item) in (bool, int, float) else _refuse(value)


def _refuse(value: Any, *_: Any) -> str:
    name = type_of(value).__name__
    cure = _CURES.get(name, "")
    if not cure and hasattr(value, "to_numpy"):
        cure = "send its to_numpy(), or its columns"
    raise bad_value(f"is of type {name}, which cannot be sent" + (f": {cure}" if cure else ""))


_OF_SUBCLASSES: Tuple[Tuple[Any, Put], ...] = (
    (str, lambda value, depth, attachments: _put(str.__str__(value), depth, attachments)),
    (int, lambda value, depth, attachments: _put(int(value), depth, attachments)),
    (float, lambda value, depth, attachments: _put(float(value), depth, attachments)),
    (bytes, _put_bytes),
    (bytearray, _put_bytes),
    (memoryview, _put_bytes),
    (dict, _put_dict),
    (list, _put_list),
    (tuple, _put_list),
)
_BUILT_IN: Dict[Any, Put] = {
    float: _put_special_float,  # the other scalars never get that far
    dict: _put_dict,
    list: _put_list,
    tuple: _put_list,
    bytes: _put_bytes,
    Input: _put_input,
    **dict.fromkeys((str, int, bool, type_of(None)), _put),
}
_known: Dict[Any, Put] = dict(_BUILT_IN)
# What is written like this may be attachments alone, as a tensor is.
_ALONE = (_put_bytes, _put_list)


# ------------------------------------------------------------------------------------------------------ paths


def _explained(value: Any, depth: int, path: Tuple[_Step, ...], error: Exception) -> TechRenaissanceError:
    """The error with the path of the innermost part of a value that is to blame."""
    for step, part in _parts(value) if depth < MAX_DEPTH else ():
        problem = _problem(part, depth + 1)
        if problem is not None:
            return _explained(part, depth + 1, (*path, step), problem)
    where = path_text(path) or "the value"
    if isinstance(error, FormatError):
        return FormatError(error.code, f"{where}: {error}")
    if isinstance(error, LocalProtocolError):
        return LocalProtocolError(error.code, f"{where} {error}")
    return bad_value(
        f"{where} has a surrogate, which is no character: send bytes, or text decoded with errors='replace'"
    )


def _problem(value: Any, depth: int) -> Optional[Exception]:
    try:
        _put(value, depth, []).encode()
    except _REFUSALS as error:
        return error.with_traceback(None)  # whose frames refer to the error
    return None


def _parts(value: Any) -> Iterator[Tuple[_Step, Any]]:
    if isinstance(value, dict):
        for key, part in cast("Dict[Any, Any]", value).items():
            yield (key if isinstance(key, str) else repr(key)), part
    elif isinstance(value, Input):
        yield from enumerate(value.values or ())
    elif isinstance(value, (list, tuple)):
        yield from enumerate(cast("Sequence[Any]", value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.init:
                yield field.name, getattr(value, field.name)
