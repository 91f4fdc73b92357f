"""What nested records cost: each of them is converted once, however deep it is, so that a mistake far inside is told at once."""

import dataclasses
import functools
from typing import Any, Callable, Dict, List, Literal, Optional, Union

import pytest

from tech_renaissance._protocol.converters import Mismatch
from tech_renaissance._protocol.hints import converter_of

DEPTH = 6


@dataclasses.dataclass
class Leaf:
    """Counts how often it is made."""

    number: float
    made = 0

    def __post_init__(self) -> None:
        """Refuse a few."""
        Leaf.made += 1
        if self.number < 0:
            raise ValueError("it is negative")
        if self.number == 404:
            raise KeyError(self.number)


@dataclasses.dataclass
class Node:
    """Each has another in it, and a default that may be left out."""

    next: "Optional[Node]"
    leaf: Optional[Leaf]
    name: str = ""


# The tag comes last, after what is nested. With the second one's default, its keys may be those of the first.
@dataclasses.dataclass
class Add:
    """A sum."""

    left: "Union[Leaf, Add, Mul]"
    right: "Union[Leaf, Add, Mul]"
    op: Literal["+"]


@dataclasses.dataclass
class Mul:
    """A product."""

    left: "Union[Leaf, Add, Mul]"
    right: "Union[Leaf, Add, Mul]"
    op: Literal["*"]
    rounded: bool = False


@dataclasses.dataclass
class Pair:
    """No tag, but names of its own."""

    one: "Union[Leaf, Pair, Couple]"
    two: "Union[Leaf, Pair, Couple]"


@dataclasses.dataclass
class Couple:
    """The same."""

    one: "Union[Leaf, Pair, Couple]"
    other: "Union[Leaf, Pair, Couple]"


def made_by(action: Callable[[], Any]) -> int:
    """How many leaves were made meanwhile."""
    before = Leaf.made
    action()
    return Leaf.made - before


def nested(innermost: Any, around: Callable[[Any], Dict[str, Any]]) -> Any:
    """A value in others."""
    return functools.reduce(lambda value, _: around(value), range(DEPTH), innermost)


LEAF: Any = {"number": 1}
AROUND: List[Callable[[Any], Dict[str, Any]]] = [
    lambda inner: {"next": inner, "leaf": LEAF, "name": "x"},
    lambda inner: {"leaf": LEAF, "next": inner},
    lambda inner: {"left": inner, "right": LEAF, "op": "+"},
    lambda inner: {"left": inner, "right": LEAF, "op": "*"},
    lambda inner: {"right": inner, "left": LEAF, "op": "*", "rounded": True},
    lambda inner: {"two": inner, "one": LEAF},
    lambda inner: {"one": inner, "other": LEAF},
]
KINDS: List[Any] = [Node, Node, *[Union[Leaf, Add, Mul]] * 3, *[Union[Leaf, Pair, Couple]] * 2]


@pytest.mark.parametrize(("kind", "around"), list(zip(KINDS, AROUND)))
def test_each_record_is_made_once(kind: Any, around: Callable[[Any], Dict[str, Any]]) -> None:
    """Whichever of a union it is."""
    innermost = {"next": None, "leaf": LEAF} if kind is Node else LEAF
    convert = converter_of(kind)
    assert DEPTH + 1 == made_by(lambda: convert(nested(innermost, around)))


@pytest.mark.parametrize(("kind", "around"), list(zip(KINDS, AROUND)))
@pytest.mark.parametrize("number", ["wrong", -1.0])
def test_a_mistake_deep_inside_is_found_once(
    kind: Any, around: Callable[[Any], Dict[str, Any]], number: Any
) -> None:
    """By a converter, or by a constructor."""
    wrong = {"number": number}
    innermost = {"next": None, "leaf": wrong} if kind is Node else wrong
    convert = converter_of(kind)

    def refuse() -> None:
        with pytest.raises(Mismatch) as caught:
            convert(nested(innermost, around))
        assert DEPTH < len(caught.value.path)

    assert made_by(refuse) <= DEPTH + 1


def test_a_constructor_that_goes_wrong_deep_inside_is_run_once() -> None:
    """What it raises comes out as it is."""

    def fail() -> None:
        with pytest.raises(KeyError):
            converter_of(Node)(nested({"next": None, "leaf": {"number": 404}}, AROUND[1]))

    assert DEPTH + 1 >= made_by(fail)


class Shown:
    """Counts how often it is shown."""

    times = 0

    def __repr__(self) -> str:
        """One sign."""
        Shown.times += 1
        return "?"


def test_only_the_beginning_of_a_wrong_value_is_shown() -> None:
    """However large it is: each alternative of a union that refuses it shows it."""
    with pytest.raises(Mismatch) as caught:
        converter_of(int)([{"a": [Shown() for _ in range(1000)]}])
    assert "[{'a': [?, ?, ?" in str(caught.value)
    assert 60 > Shown.times
