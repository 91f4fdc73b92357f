"""Converters for what is one of some values: enums, and literals."""

from typing import Any, Dict, Optional, Sequence

from .body import type_of
from .body_copy import copy_of_value
from .converters import NO_TYPES, SCALARS, Converter, Mismatch, Tensors, shown_value

_HASHED = (bool, int, float, str, bytes)
# Of words that stand for a value with parts.
_JSON = Converter("JSON")
_JSON.plain = frozenset([list, dict])


def _is_same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all through: 1 is neither True nor 1.0."""
    if type_of(one) is not type_of(other):
        return False
    if type_of(one) is list:
        return len(one) == len(other) and all(map(_is_same, one, other))
    if type_of(one) is dict:
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    return bool(one == other)


class _Choice(Converter):
    """One of some values."""

    def from_word(self, word: str, tensors: Tensors) -> Any:
        """What the word is read as where a value of the same type is wanted."""
        readers = [reader for kind, reader in SCALARS.items() if kind in self.kinds]
        if not self.kinds.isdisjoint((list, dict)):
            readers.append(_JSON)
        for reader in readers:
            try:
                return self.convert(reader.from_word(word, tensors))
            except Mismatch:
                continue
        raise self._none(word)

    def _none(self, value: Any) -> Mismatch:
        return Mismatch(f"{shown_value(value)} is none of {self._choices()}")

    def _choices(self) -> str:
        raise NotImplementedError


class EnumMember(_Choice):
    """A member of an enum, by its value or its name; one of ``members``, if there are some."""

    def __init__(self, shown: str, enum_type: Any, members: Sequence[Any] = ()) -> None:
        super().__init__(shown)
        self.plain = NO_TYPES if members else frozenset([enum_type])
        self._enum = enum_type
        self._members = members
        self._named = {name: one for name, one in enum_type.__members__.items() if self._takes(one)}
        # As they arrive: tuples as lists, records as dicts.
        self._sent = [(copy_of_value(member.value), member) for member in members or enum_type]
        self.kinds = frozenset(type_of(sent) for sent, _ in self._sent) | {str}
        self._scalars: Dict[Any, Dict[Any, Any]] = {kind: {} for kind in _HASHED}
        for sent, member in self._sent:
            if type_of(sent) in _HASHED:
                self._scalars[type_of(sent)].setdefault(sent, member)

    def convert(self, value: Any) -> Any:
        """By its value, or in another way."""
        scalars = self._scalars.get(type_of(value))
        if scalars is not None and value in scalars:
            return scalars[value]
        return self._otherwise(value)

    def _otherwise(self, value: Any) -> Any:
        """By a list or a dict, by its name; flags that are combined, and what a ``_missing_`` finds."""
        if type_of(value) in (list, dict):
            for sent, member in self._sent:
                if _is_same(sent, value):
                    return member
        cause: Optional[Exception] = None
        if type_of(value) in self.kinds:
            try:
                member = self._enum(value)
            except ValueError:
                pass
            except Exception as error:  # of a _missing_ that does not know it either
                cause = error
            else:
                if self._takes(member) and _is_meant(member, value):
                    return member
            if isinstance(value, str) and value in self._named:
                return self._named[value]
        raise self._none(value) from cause

    def from_word(self, word: str, tensors: Tensors) -> Any:
        """The name, or the value."""
        for name, member in self._named.items():
            if word in (name, str(member.value)):
                return member
        return super().from_word(word, tensors)

    def _takes(self, member: Any) -> bool:
        return not self._members or member in self._members

    def _choices(self) -> str:
        return ", ".join(f"{member.value!r} ({name})" for name, member in self._named.items())


def _is_meant(member: Any, value: Any) -> bool:
    """Whether a value is the member's, and not only equal to it, as 1.0 is to 1; or one that the enum takes
    for it without being equal.
    """
    return member.value != value or _is_same(member.value, value)


class LiteralValue(_Choice):
    """One of some values that stand there."""

    def __init__(self, shown: str, values: Sequence[Any]) -> None:
        super().__init__(shown)
        self._values = values
        self.kinds = frozenset(map(type_of, values))

    def convert(self, value: Any) -> Any:
        """1 is not True, nor 1.0."""
        for choice in self._values:
            if type_of(choice) is type_of(value) and choice == value:
                return choice
        raise self._none(value)

    def from_word(self, word: str, tensors: Tensors) -> Any:
        """The value as text, or as it is written elsewhere."""
        for choice in self._values:
            if word == str(choice):
                return choice
        return super().from_word(word, tensors)

    def _choices(self) -> str:
        return ", ".join(map(repr, self._values))
