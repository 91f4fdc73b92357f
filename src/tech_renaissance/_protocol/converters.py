"""Converters: values that arrived, or words of a text, as what a program wants. Contract:
spec/values.md, Conversions.
"""

import math
import re
import sys
from typing import (
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Optional,
    Union,
)

from .._base.errors import RemoteProtocolError
from .body import JSON, type_of
from .body_decoder import decode_result
from .body_encoder import is_tensor_type

_LARGEST_EXACT = 2**53
_INT = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?|[+-]?(nan|inf)")
_LONGEST_SHOWN = 60
NO_TYPES: FrozenSet[Any] = frozenset()

# Finds the tensor that a word names.
Tensors = Callable[[str], Any]

# The names that the source of a function uses, and what they mean.
Scope = Dict[str, Any]


class Mismatch(Exception):
    """A value is not what is wanted. ``path`` leads to the part that is to blame."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path: List[Union[str, int]] = []

    def within(self, step: Union[str, int]) -> "Mismatch":
        """The same, seen from one level above."""
        self.path.insert(0, step)
        return self


def named_in(scope: Scope, thing: Any) -> str:
    """A name for something, which the scope then has."""
    name = f"k{len(scope)}"
    scope[name] = thing
    return name


class Converter:
    """Makes values what a hint wants.

    ``plain``: the types whose values pass as they are, which callers look at first. ``kinds``: the types of
    values that it is for, which decide between the alternatives of a union.
    """

    plain: FrozenSet[Any] = NO_TYPES
    kinds: FrozenSet[Any] = NO_TYPES
    element: "Optional[Converter]" = None  # of what has elements of one kind

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def __call__(self, value: Any) -> Any:
        """The value, converted if need be. Raises Mismatch."""
        return value if type_of(value) in self.plain else self.convert(value)

    def convert(self, value: Any) -> Any:
        """A value whose type is not plain. Raises Mismatch."""
        raise self.mismatch(value)

    def test(self, value: str, scope: Scope) -> str:
        """The source of an expression that is true only of values that pass as they are.
        ``value``: the name of the value.
        """
        if not self.plain:
            return "False"
        if len(self.plain) == 1:
            return f"type({value}) is {named_in(scope, next(iter(self.plain)))}"
        return f"type({value}) in {named_in(scope, self.plain)}"

    def from_word(self, word: str, tensors: Tensors) -> Any:
        """What a word of a text stands for: as JSON, unless a converter knows better. Raises Mismatch."""
        try:
            return self(decode_result(JSON, word))
        except RemoteProtocolError as error:
            raise Mismatch(f"{shown_value(word)} cannot be read as {self.shown}: {error}") from None

    def mismatch(self, value: Any) -> Mismatch:
        """The error for a value of the wrong type."""
        return Mismatch(f"{shown_value(value)} ({type_of(value).__name__}) where {self.shown} is wanted")


def shown_value(value: Any) -> str:
    """A value as errors show it."""
    if is_tensor_type(type_of(value)):
        return f"a tensor of shape {tuple(value.shape)}"
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > _LONGEST_SHOWN:
            return text[:_LONGEST_SHOWN] + "..."
    return text


def _pieces(value: Any) -> Iterator[str]:
    """The text of a value piece by piece: only its beginning is shown, and the whole may be large."""
    if type_of(value) is list:
        yield "["
        for place, part in enumerate(value):
            yield ", " if place else ""
            yield from _pieces(part)
        yield "]"
    elif type_of(value) is dict:
        yield "{"
        for place, (key, part) in enumerate(value.items()):
            yield f", {key!r}: " if place else f"{key!r}: "
            yield from _pieces(part)
        yield "}"
    else:
        yield repr(value[: _LONGEST_SHOWN + 1] if isinstance(value, (str, bytes)) else value)


# --------------------------------------------------------------------------------------------------- scalars


class Anything(Converter):
    """What has no hint, or one that says nothing."""

    def __call__(self, value: Any) -> Any:
        return value

    def test(self, value: str, scope: Scope) -> str:
        """Everything passes."""
        return "True"

    def from_word(self, word: str, tensors: Tensors) -> Any:
        """Words are text."""
        return word


ANYTHING = Anything("anything")


class Scalar(Converter):
    """A value of one type, made of others by ``conversion``, and of words by
    ``reading``; either raises ValueError.
    """

    def __init__(
        self,
        kind: type,
        reading: Callable[[str], Any],
        conversion: Optional[Callable[[Any], Any]] = None,
        others: Iterable[type] = (),
    ) -> None:
        super().__init__("None" if kind is type(None) else kind.__name__)
        self.plain = frozenset([kind])
        self.kinds = self.plain
        self._reading = reading
        self._conversion = conversion
        self._others = frozenset(others)

    def convert(self, value: Any) -> Any:
        """An int for a float, and the like."""
        if type_of(value) in self._others and self._conversion is not None:
            try:
                return self._conversion(value)
            except ValueError:
                pass
        raise self.mismatch(value)

    def from_word(self, word: str, tensors: Tensors) -> Any:
        """As people write it."""
        try:
            return self._reading(word)
        except ValueError:
            raise Mismatch(f"{shown_value(word)} where {self.shown} is wanted") from None


def int_of(value: float) -> int:
    """A float without a fraction."""
    if not value.is_integer() or abs(value) > _LARGEST_EXACT:
        raise ValueError
    return int(value)


def float_of(value: int) -> float:
    """An int that is exact as a float."""
    if abs(value) > _LARGEST_EXACT:
        raise ValueError
    return float(value)


def none_of_word(word: str) -> None:
    """``none`` and ``null``."""
    if word.lower() not in ("none", "null"):
        raise ValueError


def bool_of_word(word: str) -> bool:
    """``true`` and ``false``."""
    if word.lower() not in ("true", "false"):
        raise ValueError
    return word.lower() == "true"


def int_of_word(word: str) -> int:
    """Decimal digits, of 64 bits."""
    value = int(word) if _INT.fullmatch(word) else 2**63
    if not -(2**63) <= value < 2**63:
        raise ValueError
    return value


def float_of_word(word: str) -> float:
    """A number as Python and JSON write it."""
    if not _FLOAT.fullmatch(word.lower()):
        raise ValueError
    value = float(word)
    if math.isinf(value) and not word.lower().endswith("inf"):
        raise ValueError  # as in JSON, a number is finite
    return value


SCALARS: Dict[Any, Converter] = {
    type(None): Scalar(type(None), none_of_word),
    bool: Scalar(bool, bool_of_word),
    int: Scalar(int, int_of_word, int_of, [float]),
    float: Scalar(float, float_of_word, float_of, [int]),
    str: Scalar(str, str),
    bytes: Scalar(bytes, str.encode, bytes, [bytearray, memoryview]),
    bytearray: Scalar(bytearray, lambda word: bytearray(word.encode()), bytearray, [bytes, memoryview]),
    memoryview: Scalar(memoryview, lambda word: memoryview(word.encode()), memoryview, [bytes, bytearray]),
}


class TensorOf(Converter):
    """A tensor of one library, from whichever it arrives."""

    def __init__(self, kind: Any, is_torch: bool) -> None:
        super().__init__(kind.__name__)
        self.plain = frozenset([kind])
        self.kinds = self.plain
        self._kind = kind
        self._is_torch = is_torch

    def convert(self, value: Any) -> Any:
        """The other library's tensor shares its memory with the new one."""
        if isinstance(value, self._kind):
            return value
        if not is_tensor_type(type_of(value)):
            raise self.mismatch(value)
        try:
            return sys.modules["torch"].as_tensor(value) if self._is_torch else value.detach().cpu().numpy()
        except (RuntimeError, TypeError) as error:
            raise Mismatch(f"{shown_value(value)} where {self.shown} is wanted: {error}") from None

    def from_word(self, word: str, tensors: Tensors) -> Any:
        """The tensor of that tag."""
        return self(tensors(word))
