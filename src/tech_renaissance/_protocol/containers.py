"""Converters for what has parts: lists, dicts, and unions of anything.
record_converter.py has the one for records.
"""

import functools
from typing import (
    Any,
    AsyncIterator,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
    cast,
)

from .body import type_of
from .converters import (
    ANYTHING,
    NO_TYPES,
    SCALARS,
    Converter,
    Mismatch,
    Scope,
    TensorOf,
    Tensors,
    named_in,
)


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
        try:
            return self._factory(parts) if self._factory else parts
        except TypeError as error:  # sets do not take everything
            raise Mismatch(f"{self.shown} cannot have them all: {error}") from None

    def test(self, value: str, scope: Scope) -> str:
        """See Converter."""
        if self._factory or self._element is ANYTHING:
            return super().test(value, scope)
        plain = named_in(scope, self._element.plain)
        return f"type({value}) is list and {plain}.issuperset(map(type, {value}))"


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
    """A dict; its keys arrive as strings, no two of which may stand for the same."""

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
        made = dict(zip(map(self._key, value), _converted(self._part, value.items())))
        if len(made) < len(value):
            raise self._same_key(value)
        return made

    def _same_key(self, names: Iterable[str]) -> Mismatch:
        first: Dict[Any, str] = {}
        for name in names:
            key = self._key(name)
            if key in first:
                return Mismatch(f"{first[key]!r} and {name!r} are the same key of {self.shown}")
            first[key] = name
        raise AssertionError(names)

    def test(self, value: str, scope: Scope) -> str:
        """See Converter."""
        if self.plain or self._key not in (ANYTHING, SCALARS[str]):
            return super().test(value, scope)
        plain = named_in(scope, self._part.plain)
        return f"type({value}) is dict and {plain}.issuperset(map(type, {value}.values()))"


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


class OneOf(Converter):
    """A union: the first alternative whose kind it is, else the first that takes it."""

    def __init__(self, shown: str, alternatives: Sequence[Converter]) -> None:
        super().__init__(shown)
        self._alternatives = alternatives

    # Looked up when first needed, since an alternative may be the name of a type that is not complete yet.

    @functools.cached_property
    def plain(self) -> FrozenSet[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """See Converter."""
        return NO_TYPES.union(*(alternative.plain for alternative in self._alternatives))

    @functools.cached_property
    def kinds(self) -> FrozenSet[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """See Converter."""
        return NO_TYPES.union(*(alternative.kinds for alternative in self._alternatives))

    @functools.cached_property
    def element(self) -> Optional[Converter]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """See Converter."""
        return next((one.element for one in self._alternatives if one.element is not None), None)

    def convert(self, value: Any) -> Any:
        """With the reasons of all of them, if none takes it."""
        kind = type_of(value)
        return self._first([*self._of_kind(kind, True), *self._of_kind(kind, False)], lambda one: one(value))

    def test(self, value: str, scope: Scope) -> str:
        """See Converter. What may be for several alternatives is left to ``convert``."""
        others = [[one for one in self._alternatives if one is not this] for this in self._alternatives]
        clear = [
            this.test(value, scope)
            for this, rest in zip(self._alternatives, others)
            if all(this.kinds.isdisjoint(one.kinds) for one in rest)
        ]
        return " or ".join([super().test(value, scope), *clear])

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


class Named(Converter):
    """The name of a type within the type's own meaning, which is known once all of that is compiled."""

    meaning: Converter = ANYTHING

    @property
    def plain(self) -> FrozenSet[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """See Converter."""
        return self.meaning.plain

    @property
    def kinds(self) -> FrozenSet[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """See Converter."""
        return self.meaning.kinds

    @property
    def element(self) -> Optional[Converter]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """See Converter."""
        return self.meaning.element

    def convert(self, value: Any) -> Any:
        """As its meaning does."""
        return self.meaning(value)
