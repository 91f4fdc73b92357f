"""What the hints of records' fields mean, also of those that stand in a base, in another module. Any interpreter
runs the checks.

python tests/record_hint_checks.py
"""

import collections
import contextlib
import dataclasses
import sys
import types
import typing
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from hint_checks import Layer, T, converted, expect, mismatch_of

from tech_renaissance._protocol.body_decoder import decode_result
from tech_renaissance._protocol.body_encoder import encode_result
from tech_renaissance._protocol.hints import converter_of

# Another module, whose hints are strings and name what is not here.
ELSEWHERE = """
from __future__ import annotations
from dataclasses import InitVar, dataclass, field
from typing import *

@dataclass
class Part:
    x: int

@dataclass
class Base:
    part: Part
    n: int
    more: List[Part] = field(default_factory=list)
    part_of: Optional[Part] = None

    class Inner(NamedTuple):
        x: int

    inner: Optional[Inner] = None

@dataclass
class Taking:
    first: InitVar[Part]
    n: int
    kind: ClassVar[int] = 3
    last: InitVar[int] = 4
    end: Final[int] = 5
    int: int = 6

    def __post_init__(self, first, last):
        self.taken = (first, last)

class Pair(NamedTuple):
    part: Part
    n: int = 2

class Options(TypedDict):
    part: Part
"""


@contextlib.contextmanager
def module(name: str, source: str) -> Iterator[Any]:
    """A module of that source."""
    made = sys.modules[name] = types.ModuleType(name)
    try:
        exec(source, vars(made))
        yield made
    finally:
        del sys.modules[name]


def unreadable_in(hint: Any) -> Dict[str, str]:
    """The fields whose hints cannot be read."""
    fields: Dict[str, str] = {}
    converter_of(hint, fields)
    return fields


def check_fields_mean_what_they_do_where_they_stand() -> None:
    """In dataclasses, named tuples and typed dicts, which other modules derive from."""
    with module("elsewhere", ELSEWHERE) as elsewhere:

        @dataclasses.dataclass
        class Derived(elsewhere.Base):
            y: int = 0

        class Named(elsewhere.Pair):
            """With a method."""

            z: str

        class MoreOptions(elsewhere.Options, total=False):  # pyright: ignore[reportGeneralTypeIssues]
            n: int

        part = elsewhere.Part(1)
        for kind in (elsewhere.Base, Derived):
            expect({}, unreadable_in(kind))
            value = {"part": {"x": 1}, "n": 2, "more": [{"x": 1}], "part_of": {"x": 1}, "inner": [3]}
            expect(kind(part, 2, [part], part, kind.Inner(3)), converted(kind, value))
            expect(
                "part.x.'a' (str) where int is wanted",
                mismatch_of(lambda kind=kind: converted(kind, {"part": {"x": "a"}, "n": 2})),
            )
        for kind in (elsewhere.Pair, Named):
            expect({}, unreadable_in(kind))
            expect(kind(part, 3), converted(kind, {"part": {"x": 1}, "n": 3.0}))
            expect(
                "n.'a' (str) where int is wanted", mismatch_of(lambda k=kind: converted(k, [{"x": 1}, "a"]))
            )
        if sys.version_info >= (3, 9):
            expect({}, unreadable_in(MoreOptions))
            expect({"part": part, "n": 1}, converted(MoreOptions, {"part": {"x": 1}, "n": 1.0}))
        else:  # it does not say from where its fields are
            expect(["MoreOptions.part"], list(unreadable_in(MoreOptions)))


def check_named_tuples_have_the_hints_of_the_class_that_has_all_fields() -> None:
    """Those made by a call as well, and by one without hints."""

    class Point(NamedTuple("Point", [("x", int), ("y", Optional[int])])):
        """With a method."""

        __slots__ = ()

        def total(self) -> Any:
            return self.x

    expect(Point(1, None), converted(Point, [1.0, None]))
    expect("x.'a' (str) where int is wanted", mismatch_of(lambda: converted(Point, {"x": "a", "y": 1})))
    bare = collections.namedtuple("bare", "a b")  # noqa: PYI024 - without hints
    expect(bare(1, "x"), converted(bare, [1, "x"]))


def check_what_only_the_constructor_takes_is_a_field() -> None:
    """Though nothing has it afterwards, so that it is not sent."""

    @dataclasses.dataclass
    class Taking:
        a: int
        start: dataclasses.InitVar[int]
        part: "dataclasses.InitVar[Optional[Layer]]" = None
        any: dataclasses.InitVar = None  # type: ignore[type-arg]

        def __post_init__(self, start: int, part: Any, any: Any) -> None:  # noqa: A002
            self.taken = (start, part, any)

    expect({}, unreadable_in(Taking))
    expect((2, None, None), converted(Taking, {"a": 1, "start": 2.0}).taken)
    whole = {"a": 1, "start": 2, "part": {"width": 1}, "any": "x"}
    for _ in range(2):
        expect((2, Layer(1), "x"), converted(Taking, whole).taken)
    expect("Taking needs start", mismatch_of(lambda: converted(Taking, {"a": 1})))
    expect(
        "start.'x' (str) where int is wanted", mismatch_of(lambda: converted(Taking, {"a": 1, "start": "x"}))
    )
    for _ in range(2):
        expect({"a": 1}, decode_result(*encode_result(Taking(1, 2))))
    with module("elsewhere", ELSEWHERE) as elsewhere:
        expect({}, unreadable_in(elsewhere.Taking))
        taking = converted(elsewhere.Taking, {"first": {"x": 1}, "n": 2, "int": 3.0, "end": 4.0})
        expect((elsewhere.Part(1), 4), taking.taken)
        expect((2, 3, 4), (taking.n, taking.int, taking.end))
        expect(
            "kind.Taking has no such field; it has first, n, last, end, int",
            mismatch_of(lambda: converted(elsewhere.Taking, {"kind": 1})),
        )


def check_fields_whose_hints_cannot_be_read_are_told() -> None:
    """They take anything, and the others are converted."""

    @dataclasses.dataclass
    class Vague:
        a: "Missing"  # type: ignore[name-defined] # noqa: F821
        b: int
        c: complex
        d: "List[Vague]"
        e: [int]  # type: ignore[valid-type]

    expect(
        {
            "Vague.a": "Missing: name 'Missing' is not defined",
            "Vague.c": "complex",
            "Vague.e": "[<class 'int'>]",
        },
        unreadable_in(List[Vague]),
    )
    value = {"a": [], "b": 1.0, "c": "x", "d": [], "e": None}
    expect(Vague([], 1, "x", [], None), converted(Vague, value))  # type: ignore[arg-type]


def check_a_default_of_none_is_taken() -> None:
    """As for parameters."""

    @dataclasses.dataclass
    class Lazy:
        a: int = None  # type: ignore[assignment]

    class LazyTuple(NamedTuple):
        a: int = None  # type: ignore[assignment]

    expect([Lazy(), Lazy(1)], converted(List[Lazy], [{"a": None}, {"a": 1}]))
    expect(LazyTuple(), converted(LazyTuple, [None]))


def check_generic_records_take_what_their_arguments_say() -> None:
    """Derived ones as well."""

    @dataclasses.dataclass
    class Box(typing.Generic[T]):
        content: T
        rest: List[T]
        inner: "Optional[Box[T]]" = None

    @dataclasses.dataclass
    class Boxes(Box[List[T]]):
        count: int = 0

    @dataclasses.dataclass
    class Tuples(Boxes[Tuple[T, int]], typing.Generic[T]):
        pass

    value = {"content": 1.0, "rest": [2], "inner": {"content": 3.0, "rest": []}}
    expect(Box(1, [2], Box(3, [])), converted(Box[int], value))
    expect(
        "content.'x' (str) where int is wanted",
        mismatch_of(lambda: converted(Box[int], {"content": "x", "rest": []})),
    )
    expect(Box("x", [1]), converted(Box, {"content": "x", "rest": [1]}))
    expect(Boxes([1], [[2]]), converted(Boxes[int], {"content": [1.0], "rest": [[2.0]]}))
    expect(
        Tuples([("a", 1)], []),
        converted(Tuples[str], {"content": [["a", 1.0]], "rest": []}),
    )
    expect(Tuples([(None, 1)], []), converted(Tuples, {"content": [[None, 1]], "rest": []}))


MODERN = """
from __future__ import annotations
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import *

class Required_(TypedDict):
    a: int
    b: NotRequired[int]
    c: NotRequired[Annotated[Path, "unreadable"]]

class Optional_(TypedDict, total=False):
    a: Annotated[Required[int], "of something"]
    b: int

@dataclass
class Linked:
    x: int
    _: KW_ONLY
    next: Optional[Self] = None

class Derived(Linked):
    pass
"""


def check_hints_of_newer_pythons() -> None:
    """Those that stand in strings, too, in which typed dicts do not see them."""
    if sys.version_info < (3, 11):
        return
    with module("modern", MODERN) as modern:
        for kind in (modern.Required_, modern.Optional_):
            expect({"a": 1}, converted(kind, {"a": 1.0}))
            expect({"a": 1, "b": 2}, converted(kind, {"a": 1, "b": 2.0}))
            expect(f"{kind.__name__} needs a", mismatch_of(lambda kind=kind: converted(kind, {"b": 1})))
            value = {"a": 1, "b": "x"}
            expect("b.'x' (str) where int is wanted", mismatch_of(lambda k=kind, v=value: converted(k, v)))
        for kind in (modern.Linked, modern.Derived):
            expect(kind(1, next=kind(2)), converted(kind, {"x": 1, "next": {"x": 2.0}}))


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]

if __name__ == "__main__":
    for one in CHECKS:
        one()
