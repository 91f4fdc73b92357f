"""Which converter a hint stands for. Compiled once for each function; what cannot be
read raises UnreadableHint.
"""

import dataclasses
import enum
import inspect
import re
import sys
import typing
from collections import abc
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union, cast

from .annotations import annotations_of
from .body import type_of
from .containers import DictOf, FixedTuple, IteratorOf, OneOf, SequenceOf
from .converters import ANYTHING, SCALARS, Converter, EnumMember, LiteralValue, TensorOf
from .record_converter import Record

_SAYS_NOTHING = (Any, object, typing.TypeVar)
_SEQUENCES: Dict[Any, Callable[[List[Any]], Any]] = {
    **dict.fromkeys(
        (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection, abc.Reversible), list
    ),
    tuple: tuple,
    **dict.fromkeys((set, abc.Set, abc.MutableSet), set),
    frozenset: frozenset,
}
# Whether they are asynchronous.
_ITERATORS: Dict[Any, bool] = {abc.Iterator: False, abc.AsyncIterator: True, abc.AsyncIterable: True}
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
# typing.Union[int, str], and int | str where Python has that.
_UNIONS = (Union, getattr(sys.modules["types"], "UnionType", Union))


# Without what a type checker would conclude from them: hints are anything.
_is_class = cast("Callable[[Any], bool]", inspect.isclass)
_is_subclass = cast("Callable[[Any, Any], bool]", issubclass)


class UnreadableHint(Exception):
    """A hint names what is not there, or is of a kind that is not known here."""


# What the text of a hint has, but people do not write: names of modules, and members of enums with their
# values. Strings stay as they are.
_NOT_WRITTEN = re.compile(
    r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|<((?:\w+\.)?[\w|]+): (?:'[^']*'|[^'<>]*)>|\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])"""
)


def shown_hint(hint: Any) -> str:
    """A hint as people write it."""
    if isinstance(hint, str):
        return hint
    if isinstance(hint, typing.ForwardRef):
        return hint.__forward_arg__
    if isinstance(hint, type) and not typing.get_args(hint):
        return "None" if hint is type(None) else hint.__name__
    text = re.sub(r"ForwardRef\('([^']*)'[^)]*\)", r"\1", repr(hint))
    return _NOT_WRITTEN.sub(lambda found: found[1] or found[2] or "", text).replace("NoneType", "None")


def resolved_hint(hint: Any, names: Mapping[str, Any], own_names: Optional[Mapping[str, Any]] = None) -> Any:
    """A hint without strings in it, whose names are looked up as in the module that it
    stands in. Raises UnreadableHint.
    """
    holder = SimpleNamespace(__annotations__={"hint": hint})
    try:
        hints = typing.get_type_hints(cast("Any", holder), dict(names), dict(own_names or {}))
    except Exception as error:
        raise UnreadableHint(f"{shown_hint(hint)}: {error}") from None
    return hints["hint"]


def converter_of(hint: Any) -> Converter:
    """The converter for a resolved hint. Raises UnreadableHint."""
    try:
        return _Compiler().compile(hint)
    except TypeError as error:  # what is no hint at all may not even be hashable
        raise UnreadableHint(f"{shown_hint(hint)}: {error}") from None


class _Compiler:
    """Knows the records that are being compiled, which may contain themselves."""

    def __init__(self) -> None:
        self._records: Dict[Any, Record] = {}

    def compile(self, hint: Any) -> Converter:
        """The converter for a hint and all that is in it."""
        if hint in _SAYS_NOTHING or isinstance(hint, typing.TypeVar):
            return ANYTHING
        if hint is None:
            return SCALARS[type(None)]
        if isinstance(hint, type) and hint in SCALARS:
            return SCALARS[hint]
        meant = getattr(hint, "__supertype__", None) or getattr(
            hint, "__value__", None
        )  # NewType, type X = ...
        if meant is not None and not isinstance(hint, enum.Enum):
            return self.compile(meant)
        origin = typing.get_origin(hint)
        return (
            self._of_class(hint) if origin is None else self._of_generic(hint, origin, typing.get_args(hint))
        )

    def _of_class(self, hint: Any) -> Converter:
        if not _is_class(hint):
            raise UnreadableHint(shown_hint(hint))
        if _is_subclass(hint, enum.Enum) and hint.__members__:
            return EnumMember(hint.__name__, hint)
        if hasattr(hint, "__dataclass_fields__"):
            return self._dataclass(hint)
        if _is_subclass(hint, tuple) and hasattr(hint, "_fields"):
            required = set(hint._fields) - set(hint._field_defaults)
            hints = {name: annotations_of(hint).get(name, Any) for name in hint._fields}
            return self._record(hint, hints, required, takes_lists=True)
        if hasattr(hint, "__total__"):
            required = getattr(hint, "__required_keys__", annotations_of(hint) if hint.__total__ else ())
            return self._record(hint, annotations_of(hint), set(required))
        if hint in _SEQUENCES or hint in _MAPPINGS or hint in _ITERATORS:
            return self._of_generic(hint, hint, ())
        return _tensor(hint)

    def _of_generic(self, hint: Any, origin: Any, args: Tuple[Any, ...]) -> Converter:
        shown = shown_hint(hint)
        if origin in _UNIONS:
            return self._union(shown, args)
        if origin is typing.Literal:
            return _literal(shown, args)
        if origin is tuple and hint not in (tuple, Tuple) and args[-1:] != (Ellipsis,):
            return FixedTuple(shown, [self.compile(arg) for arg in args if arg != ()])
        if origin in _SEQUENCES:
            element = self.compile(args[0]) if args else ANYTHING
            return SequenceOf(shown, _SEQUENCES[origin], element)
        if origin in _ITERATORS:
            element = self.compile(args[0]) if args else ANYTHING
            return IteratorOf(shown, element, is_async=_ITERATORS[origin])
        if origin in _MAPPINGS:
            key, part = (self.compile(arg) for arg in args) if args else (ANYTHING, ANYTHING)
            return DictOf(shown, key, part)
        return self._dataclass(origin) if hasattr(origin, "__dataclass_fields__") else _tensor(origin)

    def _union(self, shown: str, args: Tuple[Any, ...]) -> Converter:
        alternatives = [self.compile(arg) for arg in args]
        return ANYTHING if ANYTHING in alternatives else OneOf(shown, alternatives)

    def _dataclass(self, kind: Any) -> Converter:
        fields = [field for field in dataclasses.fields(kind) if field.init]
        missing = dataclasses.MISSING
        required = {f.name for f in fields if f.default is missing and f.default_factory is missing}
        return self._record(kind, {field.name: field.type for field in fields}, required)

    def _record(
        self, kind: Any, hints: Mapping[str, Any], required: Any, *, takes_lists: bool = False
    ) -> Converter:
        if kind in self._records:
            return self._records[kind]
        record = self._records[kind] = Record(kind, takes_lists=takes_lists)
        names = vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {}
        for name, hint in hints.items():
            try:
                converter = self.compile(resolved_hint(hint, names, {kind.__name__: kind}))
            except UnreadableHint:
                converter = ANYTHING
            record.add(name, converter, is_required=name in required)
        return record


def _literal(shown: str, values: Tuple[Any, ...]) -> Converter:
    """What stands there itself comes before what it is the value, or the name, of."""
    members: Dict[Any, List[Any]] = {}
    others: List[Any] = []
    for value in _flat(values):
        (members.setdefault(type_of(value), []) if isinstance(value, enum.Enum) else others).append(value)
    alternatives: List[Converter] = [EnumMember(shown, kind, some) for kind, some in members.items()]
    if others:
        alternatives.insert(0, LiteralValue(shown, others))
    return alternatives[0] if len(alternatives) == 1 else OneOf(shown, alternatives)


def _flat(values: Tuple[Any, ...]) -> Iterator[Any]:
    """Literals in literals are their values, which Python 3.8 leaves to others."""
    for value in values:
        if typing.get_origin(value) is typing.Literal:
            yield from _flat(typing.get_args(value))
        else:
            yield value


def _tensor(kind: Any) -> Converter:
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    torch_tensor = getattr(torch, "Tensor", None)
    if torch_tensor is not None and isinstance(kind, type) and issubclass(kind, torch_tensor):
        return TensorOf(torch_tensor, is_torch=True)
    if numpy is not None and kind is numpy.ndarray:
        return TensorOf(kind, is_torch=False)
    raise UnreadableHint(shown_hint(kind))
