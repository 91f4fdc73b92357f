"""Bodies as values. Contract: spec/values.md.

The standard library reads the JSON, and a walk over what it has read does what it does not: it looks at
numbers, and puts attachments in their places.
"""

import json
import re
from array import array
from typing import Any, Dict, Iterable, List, Sequence, Set, Tuple, Union, cast

from .._base.errors import RemoteProtocolError
from .body import (
    ATTACHMENTS,
    JSON,
    MAX_DEPTH,
    MAX_INT,
    MAX_TEXT_NBYTES,
    MIN_INT,
    TENSOR,
    TEXT,
    Input,
    kind_of,
    type_of,
)

# A text that has been read, or its UTF-8.
Text = Union[str, bytes, memoryview]

_FLOATS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
_SURROGATE = re.compile("[\ud800-\udfff]")
_WHITE_SPACE = " \t\n\r"
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# Up to here the digits of an int cost too little to matter; above, thousands of digits would take minutes.
_SHORT_TEXT = 4096
_MOST_DIGITS = 20
# An int that does not fit 64 bits has at least so many.
_FEWEST_DIGITS = 19
# Digits and "+" as zeros, what begins an exponent as "e", what opens a list or a dict as "[". So an int that
# does not fit, and a float that is too large, have one of these in them.
_SHAPES = bytes(
    48 if 48 <= byte < 58 or byte == 43 else 101 if byte in b"eE" else 91 if byte in b"[{" else 32
    for byte in range(256)
)
_LARGE_INT, _LARGE_EXPONENT = b"0" * _FEWEST_DIGITS, b"e000"


def decode_result(form: int, text: Text, attachments: Sequence[Any] = ()) -> Any:
    """The value that a body means. Attachments beside a text are left to the caller.

    Raises:
        RemoteProtocolError: ``bad_json``, ``bad_value`` or ``too_large``.
    """
    if form == TEXT:
        return _decoded(text)
    if form == ATTACHMENTS:
        values = _attached_values(text, attachments)
        if len(values) > 1:
            return values
        return values[0] if values else None
    return _json_value(form, text, attachments)


def decode_call(
    form: int, text: Text, attachments: Sequence[Any] = (), *, has_input: bool = False
) -> Tuple[List[Any], Dict[str, Any]]:
    """The positional and the keyword arguments that a body means, both the caller's own. ``has_input``: one
    of them is an Input. Otherwise as ``decode_result``.
    """
    if has_input:
        return _call_with_input(form, text, attachments)
    if form == TEXT:
        return [_decoded(text)], {}
    if form == ATTACHMENTS:
        return _attached_values(text, attachments), {}
    call = _json_value(form, text, attachments)
    if type_of(call) is list and len(call) == 1 and type_of(call[0]) is list:
        return call[0], {}
    return _arguments(call)


def _call_with_input(form: int, text: Text, attachments: Sequence[Any]) -> Tuple[List[Any], Dict[str, Any]]:
    json_text = _decoded(text)
    values = [_parsed(json_text) if form == JSON else None]
    resolver = _Resolver(attachments, has_escapes="\\u" in json_text)
    resolver.has_input = True
    resolver.resolve_all(values)
    args, kwargs = _arguments(values[0])
    if not any(isinstance(value, Input) for value in (*args, *kwargs.values())):
        raise _bad("a call without the input that it is to have among its arguments")
    return args, kwargs


def _arguments(call: Any) -> Tuple[List[Any], Dict[str, Any]]:
    if type_of(call) is list:
        if len(call) == 1 and type_of(call[0]) is list:
            return call[0], {}
        if len(call) == 2 and type_of(call[0]) is list and type_of(call[1]) is dict:
            return call[0], call[1]
    raise _bad("a call that is not [args] or [args, kwargs]")


def _decoded(text: Text) -> str:
    nbytes = len(text) if not isinstance(text, str) or text.isascii() else len(text.encode())
    if nbytes > MAX_TEXT_NBYTES:
        raise RemoteProtocolError("too_large", f"a text of {nbytes} bytes")
    if isinstance(text, str):
        return text
    try:
        return str(text, "utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("bad_json", f"a text that is not UTF-8: {error}") from None


def _attached_values(text: Text, attachments: Iterable[Any]) -> List[Any]:
    if text:
        raise _bad("a text beside attachments alone")
    return [_value_of(one) if type_of(one) is array else one for one in attachments]


def _value_of(attachment: Any) -> Any:
    return cast("array[Any]", attachment).tolist() if isinstance(attachment, array) else attachment


def _json_value(form: int, data: Text, attachments: Sequence[Any]) -> Any:
    if form != JSON:
        raise _bad(f"a body of the form {form}, which does not exist")
    is_short = type_of(data) is str and len(data) <= _SHORT_TEXT
    text: Any = data if is_short else _decoded(data)
    is_simple = _is_simple(text)
    if is_simple and is_short and not attachments and "\\" not in text and "$" not in text:
        # As most are. What is wrong with one that is not JSON is said below.
        try:
            value, end = _scan_once(text, 0)
            if end == len(text):
                return value
        except (StopIteration, ValueError):
            pass
    values = [_parsed(text)]
    has_escapes = "\\" in text and "\\u" in text  # a single character is found sooner
    if attachments or has_escapes or ("$" in text and '"$' in text):
        _Resolver(attachments, has_escapes=has_escapes).resolve_all(values)
    elif not is_simple:
        _check_numbers(values)
    return values[0]


def _is_simple(text: str) -> bool:
    """Whether no number can be too large, and no nesting too deep."""
    if len(text) < _FEWEST_DIGITS and "e" not in text and "E" not in text:
        return True
    shape = text.encode("utf-8", "surrogatepass").translate(_SHAPES)
    if shape.find(_LARGE_INT) >= 0 or shape.find(_LARGE_EXPONENT) >= 0:
        return False
    return len(text) <= MAX_DEPTH or shape.count(b"[") <= MAX_DEPTH


def _parsed(text: str) -> Any:
    decoder = _DECODER if len(text) <= _SHORT_TEXT else _DECODER_OF_LONG_TEXTS
    try:
        if len(text) > MAX_DEPTH and text.count("[") + text.count("{") > MAX_DEPTH:
            _check_depth(text)
        try:
            value, end = decoder.scan_once(text, 0)
        except StopIteration:
            value, end = decoder.raw_decode(text)  # raises an error that says where
        if end != len(text) and text[end:].strip(_WHITE_SPACE):
            raise ValueError(f"something after the value, at character {end}")
    except ValueError as error:
        if text[:1] and text[0] in _WHITE_SPACE:
            return _parsed(text.lstrip(_WHITE_SPACE))
        raise RemoteProtocolError("bad_json", f"not a JSON text: {error}") from None
    return value


def _check_depth(text: str) -> None:
    # Strings have brackets, too: what is outside of them is every other part between quotes.
    outside = text.replace("\\\\", "").replace('\\"', "").split('"')[::2]
    brackets = "".join(outside).encode().translate(None, _NO_BRACKETS)
    # Each round takes away one or two levels, in all places at once; what is left after the usual
    # few is looked at one by one.
    left = brackets
    for _ in range(MAX_DEPTH // 2):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
        if not left:
            return
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _short_int(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise _bad("an int that does not fit 64 bits")
    return int(digits)


_DECODER: Any = json.JSONDecoder(parse_constant=_refuse_constant)
_scan_once = _DECODER.scan_once
_DECODER_OF_LONG_TEXTS: Any = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_short_int)


def _check_numbers(values: Iterable[Any]) -> None:
    for value in values:
        kind = type_of(value)
        if kind is int:
            if not MIN_INT <= value <= MAX_INT:
                raise _bad("an int that does not fit 64 bits")
        elif kind is float:
            if value - value != 0.0:
                raise _bad("a float that is too large")
        elif kind is list:
            _check_numbers(value)
        elif kind is dict:
            _check_numbers(value.values())


class _Resolver:
    """Puts attachments, and what else is written as an object, where they are referred to; looks at numbers
    on the way. ``has_input``: whether an Input is yet to come.
    """

    has_input = False

    def __init__(self, attachments: Sequence[Any], *, has_escapes: bool) -> None:
        self._attachments = attachments
        self._has_escapes = has_escapes
        self._used: Set[int] = set()

    def resolve_all(self, values: List[Any]) -> None:
        """Resolve the values of a body; every attachment must be referred to."""
        self._resolve(values, enumerate(values))
        if len(self._used) != len(self._attachments):
            raise _bad(f"{len(self._attachments) - len(self._used)} attachments that nothing refers to")

    def _resolve(self, whole: Any, parts: Iterable[Tuple[Any, Any]]) -> None:
        for step, value in parts:
            kind = type_of(value)
            if kind is dict:
                whole[step] = self._resolved_object(value)
            elif kind is list:
                self._resolve(value, enumerate(cast("List[Any]", value)))
            elif kind is int or kind is float:
                _check_numbers([value])
            elif kind is str and self._has_escapes:
                _check_surrogates(value)

    def _resolved_object(self, value: Dict[str, Any]) -> Any:
        if len(value) == 1:
            if "$" in value:
                return self._attachment(value["$"])
            if "$f" in value:
                return _special_float(value["$f"])
            if "$in" in value and self.has_input:
                return self._input(value["$in"])
        if self._has_escapes or any(key[:1] == "$" for key in value):
            value = {_key(key): part for key, part in value.items()}
        self._resolve(value, value.items())
        return value

    def _input(self, values: Any) -> Input:
        self.has_input = False
        if type_of(values) is list:
            self._resolve(values, enumerate(cast("List[Any]", values)))
            return Input(values)
        if type_of(values) is not int or values:
            raise _bad(f"an input {values!r}")
        return Input()

    def _attachment(self, place: Any) -> Any:
        if type_of(place) is not int or not 0 <= place < len(self._attachments):
            raise _bad(f"a reference to attachment {place!r} of {len(self._attachments)}")
        attachment = self._attachments[place]
        if place in self._used and kind_of(attachment) != TENSOR:
            raise _bad("two references to an attachment that is no tensor")
        self._used.add(place)
        return _value_of(attachment)


def _special_float(name: Any) -> float:
    if type_of(name) is not str or name not in _FLOATS:
        raise _bad(f"a float called {name!r}")
    return _FLOATS[name]


def _key(key: str) -> str:
    _check_surrogates(key)
    if not key.startswith("$"):
        return key
    if not key.startswith("$$"):
        raise _bad(f"the key {key!r}, which begins with a single $")
    return key[1:]


def _check_surrogates(text: str) -> None:
    if not text.isascii() and _SURROGATE.search(text):
        raise _bad("a surrogate in a string")


def _bad(message: str) -> RemoteProtocolError:
    return RemoteProtocolError("bad_value", message)
