"""The converter for records, by functions that are written for their fields.

A record is a dataclass, a named tuple, a typed dict. The first one that arrives has a function
compiled, with a line for each field, as the standard library does it for the constructors of
dataclasses. It takes a dict that has all fields. Everything else is left to the general way, before
any field has been converted.

Whether the names of the fields fit is looked at first, then the fields that have no parts, such as tags.
So the records of a union differ before what is in them is converted, which one level deeper may be such a
union again: otherwise each level would double the work.
"""

import keyword
from typing import Any, Callable, Dict, List, Optional, Set, cast

from .body import type_of
from .converters import Converter, Mismatch, Scope, named_in

_PARTS = frozenset([dict, list])


class Record(Converter):
    """Something made of a dict; a named tuple is made of a list, too.

    Fields are added later, since records may contain themselves.
    """

    def __init__(self, kind: Any, *, takes_lists: bool = False) -> None:
        super().__init__(kind.__name__)
        self.plain = frozenset([kind])
        self.kinds = frozenset([dict, list] if takes_lists else [dict])
        self.kind = kind
        self._fields: Dict[str, Converter] = {}
        self._required: Set[str] = set()
        self._with_parts: Set[str] = set()
        self._planned: Optional[Callable[[Any], Any]] = None

    def add(self, name: str, converter: Converter, *, is_required: bool) -> None:
        """One more field."""
        self._fields[name] = converter
        if is_required:
            self._required.add(name)

    def convert(self, value: Any) -> Any:
        """What the constructor raises is a mismatch, too."""
        return (self._planned or self._plan())(value)

    def _convert_any(self, value: Any) -> Any:
        """The general way."""
        if type_of(value) not in self.kinds:
            raise self.mismatch(value)
        values: Dict[str, Any] = self._by_name(value) if type_of(value) is list else value.copy()
        if not self._required <= values.keys() <= self._fields.keys():
            raise self._misnamed(values)
        last = self._with_parts
        name = ""
        try:
            for name in values if last.isdisjoint(values) else sorted(values, key=last.__contains__):
                if type_of(values[name]) not in self._fields[name].plain:
                    values[name] = self._fields[name](values[name])
        except Mismatch as mismatch:
            raise mismatch.within(name) from mismatch.__cause__
        try:
            return self.kind(**values)
        except (TypeError, ValueError) as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> Mismatch:
        return Mismatch(f"{self.shown} refuses it: {error}")

    def _by_name(self, values: List[Any]) -> Any:
        if len(values) > len(self._fields):
            raise Mismatch(
                f"a list of {len(values)} where {self.shown} is wanted, which has {len(self._fields)}"
            )
        return dict(zip(self._fields, values))

    def _misnamed(self, values: Dict[str, Any]) -> Mismatch:
        for name in values:
            if name not in self._fields:
                known = ", ".join(self._fields) or "none"
                return Mismatch(f"{self.shown} has no such field; it has {known}").within(name)
        missing = [name for name in self._fields if name in self._required and name not in values]
        return Mismatch(f"{self.shown} needs {', '.join(missing)}")

    def _plan(self) -> Callable[[Any], Any]:
        """Compile the function for a dict of all fields."""
        self._planned = self._convert_any
        self._with_parts = {name for name, one in self._fields.items() if not _PARTS.isdisjoint(one.kinds)}
        if not all(map(_is_parameter, self._fields)):  # typed dicts may have any keys
            return self._planned
        scope: Scope = {"Mismatch": Mismatch, "general": self._convert_any, "make": self.kind}
        scope["refusal"] = self._refusal
        gets: List[str] = []
        first: List[str] = []
        last: List[str] = []
        for place, (name, converter) in enumerate(self._fields.items()):
            gets.append(f"v{place} = value[{name!r}]")
            (last if name in self._with_parts else first).extend(
                [
                    f"if not ({converter.test(f'v{place}', scope)}):",
                    f"    name = {name!r}",
                    f"    v{place} = {named_in(scope, converter)}(v{place})",
                ]
            )
        joint = "\n        "
        source = f"""
def planned(value):
    if type(value) is not dict or len(value) != {len(self._fields)}:
        return general(value)
    try:
        {joint.join(gets) or "pass"}
    except KeyError:
        return general(value)
    try:
        {joint.join(first + last) or "pass"}
    except Mismatch as mismatch:
        raise mismatch.within(name) from mismatch.__cause__
    try:
        return make({", ".join(self._arguments())})
    except (TypeError, ValueError) as error:
        raise refusal(error) from error
"""
        exec(compile(source, __file__, "exec"), scope)  # noqa: S102 - nothing in it is foreign but names, which are identifiers
        self._planned = cast("Callable[[Any], Any]", scope["planned"])
        return self._planned

    def _arguments(self) -> List[str]:
        """The source of the constructor's arguments: by place as far as it surely takes them so,
        which is faster, then by name.
        """
        names, by_place = list(self._fields), 0
        if type_of(self.kind).__call__ is type.__call__ and self.kind.__new__ is object.__new__:
            code = getattr(self.kind.__init__, "__code__", None)
            taken = code.co_varnames[1 : code.co_argcount] if code else ()
            by_place = next((i for i, pair in enumerate(zip(names, taken)) if pair[0] != pair[1]), len(taken))
        return [f"v{i}" if i < by_place else f"{name}=v{i}" for i, name in enumerate(names)]


def _is_parameter(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and (name.isascii() or _is_normal(name))


def _is_normal(name: str) -> bool:
    """Whether a name in a source stays what it is: Python takes some characters for others."""
    import unicodedata  # here, because it takes its time to load, and few names need it

    return unicodedata.normalize("NFKC", name) == name
