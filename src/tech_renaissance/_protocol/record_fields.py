"""The fields of dataclasses, named tuples and typed dicts, and what the names in their hints mean.

A field may stand in a base, which may be in another module, and have type parameters of its own.
"""

import builtins
import dataclasses
import sys
import typing
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, cast

from .annotations import annotations_of

# Without what a type checker would conclude from them: hints are anything.
_is_subclass = cast("Callable[[Any, Any], bool]", issubclass)
_vars = cast("Callable[[Any], Dict[str, Any]]", vars)


class Field(NamedTuple):
    """``hint``: as it is written. ``owner``: the class that it is written in."""

    name: str
    hint: Any
    owner: Any
    is_required: bool
    takes_none: bool = False  # since that is its default


def fields_of(kind: Any) -> Optional[List[Field]]:
    """In the order of the constructor. None if a class is no record."""
    if hasattr(kind, "__dataclass_fields__"):
        return _of_dataclass(kind)
    if _is_subclass(kind, tuple) and hasattr(kind, "_fields"):
        return _of_named_tuple(kind)
    return _of_typed_dict(kind) if hasattr(kind, "__total__") else None


def _of_dataclass(kind: Any) -> List[Field]:
    missing, stored = dataclasses.MISSING, dataclasses.fields(kind)
    only_taken = cast("Any", dataclasses)._FIELD_INITVAR  # noqa: SLF001 - nothing public tells it from a ClassVar
    own_fields = {base: _vars(base).get("__dataclass_fields__", {}) for base in reversed(kind.__mro__)}
    fields: List[Field] = []
    for name, field in kind.__dataclass_fields__.items():
        if field.init and (field in stored or field._field_type is only_taken):  # noqa: SLF001
            owner = next((base for base, own in own_fields.items() if own.get(name) is field), kind)
            is_required = field.default is missing and field.default_factory is missing
            fields.append(Field(name, field.type, owner, is_required, field.default is None))
    return fields


def _of_named_tuple(kind: Any) -> List[Field]:
    names, defaults = kind._fields, kind._field_defaults
    owner = next((base for base in kind.__mro__ if annotations_of(base).keys() >= set(names)), kind)
    hints = annotations_of(owner)
    return [
        Field(
            name,
            hints.get(name, Any),
            owner,
            name not in defaults,
            name in defaults and defaults[name] is None,
        )
        for name in names
    ]


def _of_typed_dict(kind: Any) -> List[Field]:
    hints = annotations_of(kind)
    required = getattr(kind, "__required_keys__", hints if kind.__total__ else ())
    return [Field(name, hint, kind, name in required) for name, hint in hints.items()]


def names_in(owner: Any) -> Dict[str, Any]:
    """What names mean in the body of a class, as typing.get_type_hints has it: those of the module come
    first, since fields are often called like their types.
    """
    parameters = {parameter.__name__: parameter for parameter in getattr(owner, "__type_params__", ())}
    names = {**_vars(owner), **_vars(builtins), **module_names(owner), **parameters}
    return {**names, owner.__name__: owner}


def module_names(thing: Any) -> Dict[str, Any]:
    """What names mean in the module that a class, or another type, is defined in."""
    module = sys.modules.get(thing.__module__)
    return _vars(module) if module else {}


def meanings_in(owner: Any, kind: Any, args: Sequence[Any]) -> Dict[Any, Any]:
    """What the type parameters of a base stand for if its subclass has these arguments."""
    meanings = meanings_of(getattr(kind, "__parameters__", ()), args)
    if kind is owner:
        return meanings
    for base in _vars(kind).get("__orig_bases__", kind.__bases__):
        origin = typing.get_origin(base) or base
        if owner in getattr(origin, "__mro__", ()):
            return meanings_in(owner, origin, [substituted(arg, meanings) for arg in typing.get_args(base)])
    return {}


def meanings_of(parameters: Sequence[Any], args: Sequence[Any]) -> Dict[Any, Any]:
    """What the type parameters stand for; nothing is known of those that stand for several types."""
    are_single = all(isinstance(parameter, typing.TypeVar) for parameter in parameters)
    return dict(zip(parameters, args)) if are_single else {}


def substituted(hint: Any, meanings: Mapping[Any, Any]) -> Any:
    """A hint in which type parameters are replaced by what they stand for."""
    if isinstance(hint, typing.TypeVar):
        return meanings.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ()) if typing.get_origin(hint) else ()
    if meanings.keys().isdisjoint(parameters):
        return hint
    return hint[tuple(meanings.get(parameter, parameter) for parameter in parameters)]


def is_required_by(hint: Any, otherwise: bool) -> bool:
    """Whether Required or NotRequired stands in front of a hint. Typed dicts do not see them in strings."""
    origin = typing.get_origin(hint)
    name = getattr(origin, "_name", None)
    if name in ("Required", "NotRequired"):
        return name == "Required"
    is_wrapped = name == "ReadOnly" or hasattr(hint, "__metadata__")
    return is_required_by(typing.get_args(hint)[0], otherwise) if is_wrapped else otherwise
