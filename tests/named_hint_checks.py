"""What the names of types mean that are made by ``type X = ...``, and type parameters. Interpreters from 3.12 have
them.

python tests/named_hint_checks.py
"""

import sys
from typing import Any, Dict

from hint_checks import Layer, converted, expect, mismatch_of

from tech_renaissance._protocol.binder import Binder
from tech_renaissance._protocol.hints import UnreadableHint, converter_of

DEFINITIONS = """
type JSON = dict[str, JSON] | list[JSON] | str | int | float | bool | None
type Rows = list[Rows | float] | int
type Maybe = Later | None
type Later = list[Maybe] | Quoted
type Quoted = dict[str, "Layer"]
type Pair[T] = tuple[T, T]
type Swapped[A, B] = tuple[B, A]
type Tree[T] = dict[str, Tree[T]] | T
type Text = str

type Loop = Loop
type This = That | int
type That = This | str
type Missing = list[Nowhere]
type Endless[T] = T | list[Endless[list[T]]]
type Several[*Ts] = tuple[int, *Ts]

@dataclass
class Node[T: (int, str)]:
    value: T
    json: "JSON"
    rest: "list[Node[T]]" = None

@dataclass
class Uses:
    missing: Missing
    again: Missing
    quoted: Quoted

def function[T: Layer](layer: T, layers: "list[T]", json: JSON, missing: Missing, uses: Uses, *rest: *tuple[int, ...]):
    pass

def text(text: Text):
    pass
"""


def defined() -> Any:
    """What the definitions define, as a namespace."""
    names: Dict[str, Any] = {"Layer": Layer, "__name__": __name__}
    exec("from dataclasses import dataclass\n" + DEFINITIONS, names)
    globals().update(names)
    return sys.modules[__name__]


def unreadable(hint: Any) -> str:
    """Why a hint cannot be read."""
    try:
        converter_of(hint)
    except UnreadableHint as error:
        return str(error)
    raise AssertionError(hint)


def check_a_type_may_contain_itself() -> None:
    """It is checked at every level, as deep as values are."""
    here = defined()
    deep: Any = 1
    for level in range(60):
        deep = [deep, None] if level % 2 else {"a": deep, "b": 0.5}
    for value in (deep, {"a": [1, {"b": None}]}, [], 1.5, "x", True):
        expect(value, converted(here.JSON, value))
    wanted = ["dict[str, JSON]", "list[JSON]", "str", "int", "float", "bool", "None"]
    problem = "; ".join(f"b'x' (bytes) where {kind} is wanted" for kind in wanted)
    expect(problem, mismatch_of(lambda: converted(here.JSON, b"x")))
    expect(f"a.0.{problem}", mismatch_of(lambda: converted(here.JSON, {"a": [b"x"]})))
    # What the name stands for counts for the union that it is in: an int is of its kinds.
    expect([1, [2, 0.5], 3.0], converted(here.Rows, [1, [2, 0.5], 3.0]))
    expect([None, [{"a": Layer(1)}]], converted(here.Maybe, [None, [{"a": {"width": 1}}]]))
    expect({"a": {"b": 1}, "c": 2}, converted(here.Tree[int], {"a": {"b": 1.0}, "c": 2}))
    expect(
        "a.'x' (str) where dict[str, Tree[int]] is wanted; 'x' (str) where int is wanted",
        mismatch_of(lambda: converted(here.Tree[int], {"a": "x"})),
    )
    expect(1, converter_of(here.JSON).from_word("1", {}.__getitem__))


def check_type_parameters_mean_what_they_are_given() -> None:
    """In their own order; without it their bound, or anything."""
    here = defined()
    expect((1, 2), converted(here.Pair[int], [1.0, 2]))
    expect("1.'x' (str) where int is wanted", mismatch_of(lambda: converted(here.Pair[int], [1, "x"])))
    expect((1, "x"), converted(here.Pair, [1, "x"]))
    expect((1, "x"), converted(here.Swapped[str, int], [1.0, "x"]))
    node = {"value": 1, "json": [None], "rest": [{"value": 2.0, "json": {}}]}
    expect(here.Node(1, [None], [here.Node(2, {})]), converted(here.Node[int], node))
    expect(here.Node("x", 1), converted(here.Node, {"value": "x", "json": 1}))
    expect(
        "value.2.5 (float) where int is wanted; 2.5 (float) where str is wanted",
        mismatch_of(lambda: converted(here.Node, {"value": 2.5, "json": 1})),
    )


def check_names_that_cannot_be_read_are_told() -> None:
    """Wherever they stand."""
    here = defined()
    expect("Loop stands for itself", unreadable(here.Loop))
    expect("This stands for itself", unreadable(here.This))
    expect("Missing: name 'Nowhere' is not defined", unreadable(here.Missing))
    assert unreadable(here.Endless[int]).startswith("Endless[int]: maximum recursion depth exceeded")
    expect("Unpack", unreadable(here.Several[int, str]))
    binder = Binder(here.function)
    reason = "Missing: name 'Nowhere' is not defined"
    expect(
        {
            "missing": reason,
            "uses": f"Uses.missing: {reason}; Uses.again: {reason}",
            "rest": "Unpack",
        },
        binder.unreadable,
    )
    uses = {"missing": 1, "again": 2, "quoted": {"a": {"width": 1}}}
    args: Any = [{"width": 1}, [{"width": 2}], {"a": None}, "anything", uses]
    binder.bind(args, {})
    expect(
        [Layer(1), [Layer(2)], {"a": None}, "anything", here.Uses(1, 2, {"a": Layer(1)})],
        args,
    )


def check_a_name_for_a_text_is_one() -> None:
    """A function that takes one gets all of it."""
    expect(([" a  b "], {}), Binder(defined().text).bind_text(" a  b ", {}.__getitem__))


HAS_THEM = sys.version_info >= (3, 12)
CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_") and HAS_THEM]

if __name__ == "__main__":
    for one in CHECKS:
        one()
