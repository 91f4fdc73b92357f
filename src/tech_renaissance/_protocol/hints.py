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

from .body import type_of
from .choices import EnumMember, LiteralValue
from .containers import DictOf, FixedTuple, IteratorOf, Named, OneOf, SequenceOf
from .converters import ANYTHING, SCALARS, Converter, TensorOf
from .record_converter import Record
from .record_fields import (
    Field,
    fields_of,
    is_required_by,
    meanings_in,
    meanings_of,
    module_names,
    names_in,
    substituted,
)

# The last two without a type: a: Final = 3.
_SAYS_NOTHING = (Any, object, typing.Final, dataclasses.InitVar)
# What stands around the type of a field; get_type_hints removes some of them, if it is asked to.
_QUALIFIERS = ("Final", "Required", "NotRequired", "ReadOnly")
_WITH_QUALIFIERS: Dict[str, Any] = {"include_extras": True} if sys.version_info >= (3, 9) else {}
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


def _reason(hint: Any, error: Exception) -> str:
    return str(error) if isinstance(error, UnreadableHint) else f"{shown_hint(hint)}: {error}"


def resolved_hint(hint: Any, names: Mapping[str, Any]) -> Any:
    """A hint without strings in it, whose names mean what they do where it stands. Raises UnreadableHint."""
    try:
        return _resolved(hint, names)
    except Exception as error:
        raise UnreadableHint(_reason(hint, error)) from None


def _resolved(hint: Any, names: Mapping[str, Any], **options: Any) -> Any:
    if isinstance(hint, str):  # get_type_hints does not take all that a field may have: InitVar, Final
        hint = eval(hint, dict(names))  # noqa: S307 - it is the program's own text
    holder = SimpleNamespace(__annotations__={"hint": hint})
    return typing.get_type_hints(cast("Any", holder), dict(names), {}, **options)["hint"]


def converter_of(
    hint: Any, unreadable: Optional[Dict[str, str]] = None, *, takes_none: bool = False
) -> Converter:
    """The converter for a resolved hint. Raises UnreadableHint. A field of a record whose hint cannot be read
    takes anything; ``unreadable`` gets its name, with the reason.
    """
    try:
        compiler = _Compiler({} if unreadable is None else unreadable)
        return compiler.compile(Optional[hint] if takes_none else hint)
    except Exception as error:  # what is no hint may not even be hashable
        raise UnreadableHint(_reason(hint, error)) from None


class _Compiler:
    """Knows the records and the names for types that are being compiled, which may contain themselves."""

    def __init__(self, unreadable: Dict[str, str]) -> None:
        self._unreadable = unreadable
        self._records: Dict[Any, Record] = {}
        self._named: Dict[Any, Converter] = {}
        # What the hint that is being compiled is in: a record, and names of types up to the next container.
        self._self: Optional[Record] = None
        self._open: List[Any] = []

    def compile(self, hint: Any) -> Converter:
        """The converter for a hint and all that is in it."""
        if hint in _SAYS_NOTHING:
            return ANYTHING
        if hint is None:
            return SCALARS[type(None)]
        if isinstance(hint, type) and hint in SCALARS:
            return SCALARS[hint]
        if isinstance(hint, typing.TypeVar):
            return self._type_variable(hint)
        origin = typing.get_origin(hint)
        if hasattr(hint, "__supertype__"):  # NewType
            return self._meant_by(hint, lambda: cast("Any", hint).__supertype__)
        if hasattr(hint, "__value__") and not _is_class(origin or hint):  # type X = ...
            return self._meant_by(hint, lambda: self._value(hint, origin or hint))
        return (
            self._of_class(hint) if origin is None else self._of_generic(hint, origin, typing.get_args(hint))
        )

    def _type_variable(self, hint: Any) -> Converter:
        if hint.__constraints__:
            return self._meant_by(hint, lambda: Union[hint.__constraints__])
        return ANYTHING if hint.__bound__ is None else self._meant_by(hint, lambda: hint.__bound__)

    def _value(self, hint: Any, alias: Any) -> Any:
        meanings = meanings_of(alias.__type_params__, typing.get_args(hint))
        return substituted(alias.__value__, meanings)

    def _meant_by(self, name: Any, meaning: Callable[[], Any]) -> Converter:
        """The converter for a name for a type. In the lists, dicts and records of its own meaning the name
        may occur again.
        """
        if name in self._open:
            raise UnreadableHint(f"{shown_hint(name)} stands for itself")
        if name in self._named:
            return self._named[name]
        again = self._named[name] = Named(shown_hint(name))
        self._open.append(name)
        try:
            hint = _resolved(meaning(), module_names(name))
            again.meaning = self._named[name] = self.compile(hint)
        finally:
            self._open.pop()
            if self._named[name] is again:  # it cannot be read, and others that name it are to say so
                del self._named[name]
        return again.meaning

    def _part(self, hint: Any) -> Converter:
        """The converter for what is in a list, a dict, a record."""
        around, self._open = self._open, []
        try:
            return self.compile(hint)
        finally:
            self._open = around

    def _of_class(self, hint: Any) -> Converter:
        if getattr(hint, "_name", None) == "Self" and self._self is not None:
            return self._self
        if not _is_class(hint):
            raise UnreadableHint(shown_hint(hint))
        if _is_subclass(hint, enum.Enum) and hint.__members__:
            return EnumMember(hint.__name__, hint)
        if hint in _SEQUENCES or hint in _MAPPINGS or hint in _ITERATORS:
            return self._of_generic(hint, hint, ())
        return self._record_or_tensor(hint, hint, ())

    def _of_generic(self, hint: Any, origin: Any, args: Tuple[Any, ...]) -> Converter:
        shown = shown_hint(hint)
        if getattr(origin, "_name", None) in _QUALIFIERS:
            return self.compile(args[0])
        if origin in _UNIONS:
            return self._union(shown, args)
        if origin is typing.Literal:
            return _literal(shown, args)
        if origin is tuple and hint not in (tuple, Tuple) and args[-1:] != (Ellipsis,):
            return FixedTuple(shown, [self._part(arg) for arg in args if arg != ()])
        if origin in _SEQUENCES:
            return SequenceOf(shown, _SEQUENCES[origin], self._part(args[0]) if args else ANYTHING)
        if origin in _ITERATORS:
            element = self._part(args[0]) if args else ANYTHING
            return IteratorOf(shown, element, is_async=_ITERATORS[origin])
        if origin in _MAPPINGS:
            key, part = map(self._part, args) if args else (ANYTHING, ANYTHING)
            return DictOf(shown, key, part)
        return self._record_or_tensor(hint, origin, args)

    def _union(self, shown: str, args: Tuple[Any, ...]) -> Converter:
        alternatives = [self.compile(arg) for arg in args]
        return ANYTHING if ANYTHING in alternatives else OneOf(shown, alternatives)

    def _record_or_tensor(self, hint: Any, kind: Any, args: Tuple[Any, ...]) -> Converter:
        if hint in self._records:
            return self._records[hint]
        fields = fields_of(kind) if _is_class(kind) else None
        if fields is None:
            return _tensor(kind)
        record = self._records[hint] = Record(kind, takes_lists=issubclass(kind, tuple))
        around, self._self = self._self, record
        for field in fields:
            self._add(record, field, args)
        self._self = around
        return record

    def _add(self, record: Record, field: Field, args: Tuple[Any, ...]) -> None:
        converter, is_required = ANYTHING, field.is_required
        try:
            names = names_in(field.owner)
            hint = _resolved(field.hint, names)
            if isinstance(hint, dataclasses.InitVar):
                hint = _resolved(cast("Any", hint).type, names)
            if hasattr(field.owner, "__total__"):
                is_required = is_required_by(_resolved(field.hint, names, **_WITH_QUALIFIERS), is_required)
            hint = substituted(hint, meanings_in(field.owner, record.kind, args))
            converter = self._part(Optional[hint] if field.takes_none else hint)
        except RecursionError:  # the whole hint has no end, and every field would be tried down to it
            raise
        except Exception as error:
            self._unreadable[f"{record.shown}.{field.name}"] = _reason(field.hint, error)
        record.add(field.name, converter, is_required=is_required)


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
