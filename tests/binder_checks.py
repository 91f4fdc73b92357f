"""What calls become for functions with and without hints, and what is said about wrong ones. Any interpreter
runs the checks.

python tests/binder_checks.py
"""

import dataclasses
import functools
import sys
import typing
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from hint_checks import Layer, Net, expect, no_tensors

from tech_renaissance._protocol.binder import Binder, WrongArguments
from tech_renaissance._protocol.hints import converter_of


@dataclasses.dataclass
class Vague:
    """A record some of whose hints cannot be read."""

    a: "Missing"  # type: ignore[name-defined] # noqa: F821
    b: Any
    c: int

    __annotations__["b"] = complex


def plain(a, b=2, *rest, c, d="x.y", **others):  # noqa: ANN001, ANN002, ANN003, ANN201, D103
    return a, b, rest, c, d, others


def typed(
    net: Net, n: int, /, scale: float = 1.0, *more: int, names: "Optional[List[str]]" = None, **rates: float
) -> Layer:
    """All kinds of parameters with hints."""


def modern(a: "int | None", b: "list[int]" = [], c: int = None) -> None:  # noqa: B006, RUF013
    """Hints that not every Python can read."""


def one_text(text: str) -> str:
    """Takes all of a text."""
    return text


def words(x: np.ndarray, dim: int = 0, *, keep: bool = False, name=None) -> None:  # noqa: ANN001
    """Takes words."""


class Calculator:
    """A method is bound without self."""

    def add(self, a: int, b: int = 1) -> int:
        """Add."""
        return a + b


def wrong(action: Callable[[], Any]) -> str:
    """What a wrong call says after the signature."""
    try:
        action()
    except WrongArguments as error:
        return str(error)
    raise AssertionError("it fits")


def bound(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Tuple[List[Any], Dict[str, Any]]:
    """The arguments of a call after binding."""
    positional = list(args)
    Binder(function).bind(positional, kwargs)
    return positional, kwargs


def check_arguments_that_fit_are_converted_in_place() -> None:
    """By place, by name, the rest, and other keywords."""
    expect(([1, 2, 3, "x"], {"c": 4, "e": 5}), bound(plain, 1, 2, 3, "x", c=4, e=5))
    expect(([], {"a": 1, "c": 2}), bound(plain, a=1, c=2))
    expect(
        ([Net([Layer(1)]), 2, 3.0, 4, 5], {"names": ["n"], "fast": 1.0}),
        bound(typed, {"layers": [{"width": 1}]}, 2.0, 3, 4, 5.0, names=["n"], fast=1),
    )
    expect(([1.0 and 1], {"b": 2}), bound(Calculator().add, 1.0, b=2.0))
    expect(([], {}), bound(lambda: None))


def check_wrong_calls_have_the_signature_and_the_argument_at_fault() -> None:
    """In one sentence."""
    text = "plain(a, b=2, *rest, c, d='x.y', **others)"
    expect(f"wrong arguments for {text}: 'c' is missing", wrong(lambda: bound(plain, 1)))
    expect(f"wrong arguments for {text}: 'a', 'c' are missing", wrong(lambda: bound(plain)))
    expect(f"wrong arguments for {text}: 'a' is given twice", wrong(lambda: bound(plain, 1, a=2, c=3)))
    text = "typed(net: Net, n: int, /, scale: float = 1.0, *more: int, names: Optional[List[str]] = None, **rates: float) -> Layer"
    net = {"layers": [{"width": 1}, {"width": "x"}]}
    expect(
        f"wrong arguments for {text}: net.layers[1].width: 'x' (str) where int is wanted",
        wrong(lambda: bound(typed, net, 1)),
    )
    expect(
        f"wrong arguments for {text}: more[1]: 'x' (str) where int is wanted",
        wrong(lambda: bound(typed, {"layers": [{"width": 1}]}, 1, 1, 1, "x")),
    )
    expect(
        f"wrong arguments for {text}: names[0]: 1 (int) where str is wanted",
        wrong(lambda: bound(typed, {"layers": [{"width": 1}]}, 1, names=[1])),
    )
    expect(
        f"wrong arguments for {text}: fast: 'x' (str) where float is wanted",
        wrong(lambda: bound(typed, {"layers": [{"width": 1}]}, 1, fast="x")),
    )
    text = "add(a: int, b: int = 1) -> int"
    expect(
        f"wrong arguments for {text}: it takes 2 arguments by place, not 3",
        wrong(lambda: bound(Calculator().add, 1, 2, 3)),
    )
    expect(
        f"wrong arguments for {text}: it has no 'bb'; did you mean 'b'?",
        wrong(lambda: bound(Calculator().add, 1, bb=2)),
    )
    expect(
        f"wrong arguments for {text}: b: None (NoneType) where int is wanted",
        wrong(lambda: bound(Calculator().add, 1, None)),
    )
    assert wrong(lambda: bound(lambda: None, 1)).endswith(": it takes no arguments by place, not 1")


def check_a_parameter_by_place_only_has_no_name() -> None:
    """Other keywords may have it."""

    def positional(a: int, /) -> None:
        pass

    expect(
        "wrong arguments for positional(a: int, /) -> None: 'a' is given by place only",
        wrong(lambda: bound(positional, a=1)),
    )

    def with_others(a: int, /, **others: str) -> None:
        pass

    expect(([1], {"a": "x"}), bound(with_others, 1, a="x"))


def check_unreadable_hints_count_as_none() -> None:
    """And the binder says which."""
    binder = Binder(modern)
    assert set(binder.unreadable) <= {"a", "b"}, binder.unreadable
    assert ("a" in binder.unreadable) == (sys.version_info < (3, 10))
    assert ("b" in binder.unreadable) == (sys.version_info < (3, 9))
    expect(([1, [1], None], {}), bound(modern, 1, [1], None))
    expect("modern(a: int | None, b: list[int] = [], c: int = None) -> None", binder.signature)

    def refers(a: Any, b: Any, c: Any) -> None:
        """With hints as Python 3.14 gives them, if a name is not there."""

    missing = typing.ForwardRef("Missing")
    refers.__annotations__.update(a=missing, b=List[missing], c=int)  # pyright: ignore[reportInvalidTypeForm]
    binder = Binder(refers)
    expect({"a", "b"}, set(binder.unreadable))
    expect("refers(a: Missing, b: List[Missing], c: int) -> None", binder.signature)


def check_hints_of_fields_that_cannot_be_read_are_told() -> None:
    """With the parameter, whose hint counts all the same."""

    def takes(layers: "List[Vague]", layer: Layer) -> None: ...

    binder = Binder(takes)
    reason = "Vague.a: Missing: name 'Missing' is not defined; Vague.b: complex"
    expect({"layers": reason}, binder.unreadable)
    expect(reason, binder.described()[0]["unreadable"])
    assert "unreadable" not in binder.described()[1]
    expect(([[Vague(1, "x", 2)], Layer(1)], {}), bound(takes, [{"a": 1, "b": "x", "c": 2.0}], {"width": 1}))


def check_what_is_no_hint_does_no_harm() -> None:
    """Also where None is a default."""

    def odd(a=None, b=None, *rest, **others) -> None:  # noqa: ANN001, ANN002, ANN003
        pass

    odd.__annotations__.update(a=(int, str), b=5, rest="a b", others=[int])
    binder = Binder(odd)
    expect(["a", "b", "rest", "others"], list(binder.unreadable))
    expect(([1, None, 2], {"c": 3}), bound(odd, 1, None, 2, c=3))


def check_hints_that_are_evaluated_late() -> None:
    """A name that is not there, or not yet, fails neither the function nor its other hints."""
    names: Dict[str, Any] = {"NamedTuple": NamedTuple}
    code = [
        "def late(a: Missing, b: int, c: Missing.part) -> Missing: ...",
        "class Pair(NamedTuple):",
        "    a: Missing",
        "    b: int",
    ]
    if sys.version_info >= (3, 14):
        exec("\n".join(code), names)
        binder = Binder(names["late"])
        expect({"a", "c"}, set(binder.unreadable))
        expect("late(a: Missing, b: int, c: Missing.part) -> Missing", binder.signature)
        expect({"a": [], "b": 1}, converter_of(names["Pair"]).convert({"a": [], "b": 1})._asdict())


def check_a_function_of_one_text_takes_all_of_it() -> None:
    """White space, too."""
    expect(([" a  b=1 "], {}), Binder(one_text).bind_text(" a  b=1 ", no_tensors))
    expect(([""], {}), Binder(one_text).bind_text("", no_tensors))
    expect(([], {}), Binder(lambda text="x": text).bind_text("", no_tensors))


def check_a_text_is_words_for_others() -> None:
    """By place or by name, converted by the hints."""
    array = np.zeros(1)
    args, kwargs = Binder(words).bind_text("x  1 keep=true", {"x": array}.__getitem__)
    assert args[0] is array
    expect(([1], {"keep": True}), (args[1:], kwargs))
    expect(([1, 2], {}), Binder(Calculator().add).bind_text("\t1\v2\n", no_tensors))
    expect((["a\u00a0b", "c"], {}), Binder(lambda a, b: (a, b)).bind_text("a\u00a0b c", no_tensors))
    expect("partial(b: int = 1) -> int", Binder(functools.partial(Calculator().add, 1)).signature)
    text = "add(a: int, b: int = 1) -> int"
    expect(
        f"wrong arguments for {text}: b: 'x' where int is wanted",
        wrong(lambda: Binder(Calculator().add).bind_text("1 b=x", no_tensors)),
    )
    expect(
        f"wrong arguments for {text}: a: 'c=1' where int is wanted",
        wrong(lambda: Binder(Calculator().add).bind_text("c=1", no_tensors)),
    )
    expect(
        f"wrong arguments for {text}: 'a' is given twice",
        wrong(lambda: Binder(Calculator().add).bind_text("1 a=1", no_tensors)),
    )
    expect(
        f"wrong arguments for {text}: 'a' is missing",
        wrong(lambda: Binder(Calculator().add).bind_text("", no_tensors)),
    )


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]

if __name__ == "__main__":
    for one in CHECKS:
        one()
