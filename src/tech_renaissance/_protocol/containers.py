"""Converters for what has parts: lists, dicts, records, and unions of anything."""

from operator import itemgetter
from typing import Any, AsyncIterator, Callable, Dict, Iterable, List, Sequence, Set, Tuple, Union, cast

from .body import type_of
from .converters import ANYTHING, SCALARS, Converter, Mismatch, TensorOf, Tensors

# How many combinations of types a record remembers.
_MOST_KINDS = 16


class SequenceOf(Converter):
    """A list, or what is made of one: a tuple, a set."""

    def __init__(self, shown: str, factory: Callable[[List[Any]], Any], element: Converter) -> None:
        super().__init__(shown)
        self.kinds = frozenset([list])
        self._factory = None if factory is list else factory
        self.element = self._element = element
        if factory is list and element is ANYTHING:
            self.plain = self.kinds

    def convert(self, value: Any) -> Any:
        """Whatever elements need no conversion stay as they are."""
        if type_of(value) is not list:
            raise self.mismatch(value)
        parts = cast("List[Any]", value)
        element = self._element
        if element is not ANYTHING and not element.plain.issuperset(map(type_of, parts)):
            parts = _converted(element, enumerate(parts))
        return self._factory(parts) if self._factory else parts


class IteratorOf(Converter):
    """An iterator, which an input is. Made of a list, it has the list's elements."""

    def __init__(self, shown: str, element: Converter, *, is_async: bool) -> None:
        super().__init__(shown)
        self.kinds = frozenset([list])
        self.element = self._element = element
        self._is_async = is_async

    def convert(self, value: Any) -> Any:
        """All elements are converted at once."""
        if type_of(value) is not list:
            raise self.mismatch(value)
        parts = _converted(self._element, enumerate(cast("List[Any]", value)))
        return _each_of(parts) if self._is_async else iter(parts)


async def _each_of(parts: Iterable[Any]) -> AsyncIterator[Any]:
    for part in parts:
        yield part


class FixedTuple(Converter):
    """A tuple whose elements have their own hints."""

    def __init__(self, shown: str, elements: Sequence[Converter]) -> None:
        super().__init__(shown)
        self.kinds = frozenset([list])
        self._elements = elements

    def convert(self, value: Any) -> Any:
        """As many as there are hints."""
        if type_of(value) is not list:
            raise self.mismatch(value)
        if len(value) != len(self._elements):
            raise Mismatch(f"a list of {len(value)} where {self.shown} is wanted")
        parts = enumerate(zip(self._elements, value))
        return tuple(_converted(element, [(place, part)])[0] for place, (element, part) in parts)


class DictOf(Converter):
    """A dict; its keys arrive as strings."""

    def __init__(self, shown: str, key: Converter, part: Converter) -> None:
        super().__init__(shown)
        self.kinds = frozenset([dict])
        self._key = key
        self._part = part
        if key in (ANYTHING, SCALARS[str]) and part is ANYTHING:
            self.plain = self.kinds

    def convert(self, value: Any) -> Any:
        """Keys that cannot be made of strings are refused."""
        if type_of(value) is not dict:
            raise self.mismatch(value)
        return dict(zip(map(self._key, value), _converted(self._part, value.items())))


def _lateness(alternative: Converter) -> int:
    is_text = alternative in (SCALARS[str], ANYTHING)
    return 2 if is_text else 1 if isinstance(alternative, TensorOf) else 0


def _converted(part: Converter, parts: Iterable[Tuple[Union[str, int], Any]]) -> List[Any]:
    values: List[Any] = []
    step: Union[str, int] = ""
    try:
        for step, value in parts:  # noqa: B007 - where it was counts
            values.append(part(value))
    except Mismatch as mismatch:
        raise mismatch.within(step) from mismatch.__cause__
    return values


def _no_fields(_: Any) -> Any:
    raise KeyError


class Record(Converter):
    """Something made of a dict: a dataclass, a named tuple (of a list, too), a typed dict.

    Fields are added later, since records may contain themselves.
    """

    def __init__(self, kind: Any, *, takes_lists: bool = False) -> None:
        super().__init__(kind.__name__)
        self.plain = frozenset([kind])
        self.kinds = frozenset([dict, list] if takes_lists else [dict])
        self._make = kind
        self._fields: Dict[str, Converter] = {}
        self._required: Set[str] = set()
        self._pick: Callable[[Any], Any] = _no_fields  # the values of all fields, in their order
        self._plain_kinds: Set[Tuple[Any, ...]] = set()  # types of all fields, of which none needs conversion

    def add(self, name: str, converter: Converter, *, is_required: bool) -> None:
        """One more field."""
        self._fields[name] = converter
        if is_required:
            self._required.add(name)
        if len(self._fields) > 1:
            self._pick = itemgetter(*self._fields)

    def convert(self, value: Any) -> Any:
        """What the constructor raises is a mismatch, too."""
        if type_of(value) not in self.kinds:
            raise self.mismatch(value)
        if len(value) == len(self._fields) and self._is_plain(value):
            return self._made(value)
        values = self._converted(self._by_name(value) if type_of(value) is list else value)
        if not self._required <= values.keys():
            missing = [name for name in self._fields if name in self._required and name not in values]
            raise Mismatch(f"{self.shown} needs {', '.join(missing)}")
        return self._made(values)

    def _is_plain(self, value: Any) -> bool:
        """Whether it is a dict of all fields, and none of them needs conversion. Most records of a kind have the same types."""
        try:
            kinds = tuple(map(type_of, self._pick(value)))
        except (KeyError, TypeError):  # a field is missing, or it is a list
            return False
        if kinds in self._plain_kinds:
            return True
        fields = self._fields.values()
        if not all(field is ANYTHING or kind in field.plain for kind, field in zip(kinds, fields)):
            return False
        if len(self._plain_kinds) < _MOST_KINDS:
            self._plain_kinds.add(kinds)
        return True

    def _made(self, values: Dict[str, Any]) -> Any:
        try:
            return self._make(**values)
        except (TypeError, ValueError) as error:
            raise Mismatch(f"{self.shown} refuses it: {error}") from error

    def _by_name(self, values: List[Any]) -> Any:
        if len(values) > len(self._fields):
            raise Mismatch(
                f"a list of {len(values)} where {self.shown} is wanted, which has {len(self._fields)}"
            )
        return dict(zip(self._fields, values))

    def _converted(self, members: Dict[str, Any]) -> Dict[str, Any]:
        values: Dict[str, Any] = {}
        name = ""
        try:
            for name, value in members.items():
                converter = self._fields.get(name)
                if converter is None:
                    raise Mismatch(
                        f"{self.shown} has no such field; it has {', '.join(self._fields) or 'none'}"
                    )
                values[name] = value if type_of(value) in converter.plain else converter(value)
        except Mismatch as mismatch:
            raise mismatch.within(name) from mismatch.__cause__
        return values


class OneOf(Converter):
    """A union: the first alternative whose kind it is, else the first that takes it."""

    def __init__(self, shown: str, alternatives: Sequence[Converter]) -> None:
        super().__init__(shown)
        self._alternatives = alternatives
        self.plain = frozenset().union(*(alternative.plain for alternative in alternatives))
        self.kinds = frozenset().union(*(alternative.kinds for alternative in alternatives))
        self.element = next((one.element for one in alternatives if one.element is not None), None)

    def convert(self, value: Any) -> Any:
        """With the reasons of all of them, if none takes it."""
        kind = type_of(value)
        return self._first([*self._of_kind(kind, True), *self._of_kind(kind, False)], lambda one: one(value))

    def from_word(self, word: str, tensors: Tensors) -> Any:
        """A tag is what is neither None nor a number, and text is what nothing else takes."""
        in_order = sorted(self._alternatives, key=_lateness)
        return self._first(in_order, lambda one: one.from_word(word, tensors))

    def _of_kind(self, kind: Any, wanted: bool) -> List[Converter]:
        return [one for one in self._alternatives if (kind in one.kinds) is wanted]

    def _first(self, alternatives: Iterable[Converter], take: Callable[[Converter], Any]) -> Any:
        refusals: List[Mismatch] = []
        for alternative in alternatives:
            try:
                return take(alternative)
            except Mismatch as mismatch:
                refusals.append(mismatch)
        # One that went deeper is closer to what was meant.
        refusals.sort(key=lambda mismatch: -len(mismatch.path))
        if refusals[0].path:
            raise refusals[0]
        raise Mismatch("; ".join(dict.fromkeys(map(str, refusals))))
