"""What hints make of values and words. Any interpreter runs the checks.

python tests/hint_checks.py
"""

import collections.abc
import dataclasses
import enum
import typing
from pathlib import Path
from typing import (
    Any,
    AsyncIterator,
    Callable,
    Counter,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Type,
    Union,
)

import numpy as np

from tech_renaissance._protocol.body_decoder import decode_result
from tech_renaissance._protocol.body_encoder import encode_result
from tech_renaissance._protocol.converters import Mismatch
from tech_renaissance._protocol.hints import UnreadableHint, converter_of, resolved_hint, shown_hint


class Color(enum.Enum):
    """By value or by name."""

    RED = "red"
    BLUE = 3


class Scale(enum.Enum):
    """Members that equal values of another type, and one that is found by another name."""

    ONE = 1
    HALF = 0.5
    PAIR = (1, 2)

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return {"single": cls.ONE}[value]  # type: ignore[index]


class Access(enum.IntFlag):
    """Members that are combined."""

    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Layer:
    """A record with defaults."""

    width: int
    rate: Optional[float] = None
    tags: List[str] = dataclasses.field(default_factory=list)
    area: int = dataclasses.field(init=False, default=0)


class Shade(enum.Enum):
    """Members whose values arrive as lists and dicts."""

    DARK = (0, (0, 0.5))
    LIST = [1]  # noqa: RUF012
    RECORD = Layer(1)


@dataclasses.dataclass
class Net:
    """A record of records, one of which may be another net."""

    layers: List[Layer]
    inner: "Optional[Net]" = None

    def __post_init__(self) -> None:
        """Refuse nets without layers."""
        if not self.layers:
            raise ValueError("a net needs layers")


Literals = typing.Literal["none", None]  # noqa: PYI061
T = typing.TypeVar("T")


@dataclasses.dataclass
class Box(typing.Generic[T]):
    """A record of anything."""

    content: T


@dataclasses.dataclass
class Endless(typing.Generic[T]):
    """Each one has others of a kind of its own."""

    first: "Endless[List[T]]"
    second: "Endless[List[T]]"


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int = 2


class Movie(typing.TypedDict, total=False):
    """A dict with hints."""

    name: str
    year: int


def no_tensors(tag: str) -> Any:
    """There are none."""
    raise AssertionError(tag)


def mismatch_of(action: Callable[[], Any]) -> str:
    """What is said about something that does not fit."""
    try:
        action()
    except Mismatch as mismatch:
        return ".".join([*map(str, mismatch.path), ""]) + str(mismatch)
    raise AssertionError("it fits")


def expect(expected: Any, actual: Any) -> None:
    """Equal, and of the same types."""
    assert expected == actual, (expected, actual)
    assert repr(expected) == repr(actual), (expected, actual)


def converted(hint: Any, value: Any) -> Any:
    """A value as the hint has it."""
    return converter_of(hint)(value)


def check_values_that_fit_pass() -> None:
    """Or become what the hint says."""
    array = np.zeros(2)
    cases: List[Tuple[Any, Any, Any]] = [
        (int, 3, 3),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (float, 0.5, 0.5),
        (str, "x", "x"),
        (bool, True, True),
        (bytes, b"x", b"x"),
        (bytes, bytearray(b"x"), b"x"),
        (bytearray, b"x", bytearray(b"x")),
        (None, None, None),
        (Any, {"a": 1}, {"a": 1}),
        (object, 1, 1),
        (typing.TypeVar("T"), 1, 1),
        (typing.TypeVar("T", bound="Layer"), {"width": 1}, Layer(1)),
        (List[typing.AnyStr], [b"a", "b"], [b"a", "b"]),  # type: ignore[valid-type]
        (typing.NewType("Layers", List[Layer]), [{"width": 1}], [Layer(1)]),
        (list, [1, "x"], [1, "x"]),
        (List[float], [1, 0.5], [1.0, 0.5]),
        (Sequence[int], [1], [1]),
        (Iterable[int], [1], [1]),
        (tuple, [1, 2], (1, 2)),
        (Tuple[int, ...], [1, 2], (1, 2)),
        (Tuple[float, str], [1, "x"], (1.0, "x")),
        (Tuple[()], [], ()),
        (Set[int], [1, 1], {1}),
        (FrozenSet[str], ["a"], frozenset(["a"])),
        (dict, {"a": 1}, {"a": 1}),
        (Dict[str, float], {"a": 1}, {"a": 1.0}),
        (Mapping[str, Any], {"a": 1}, {"a": 1}),
        (Dict[Color, int], {"red": 1}, {Color.RED: 1}),
        (Optional[int], None, None),
        (Optional[int], 2.0, 2),
        (Union[float, int], 3, 3),
        (Union[float, str], 3, 3.0),
        (Union[List[int], List[str]], ["a"], ["a"]),
        (Union[List[Color], List[str]], ["red", "other"], ["red", "other"]),
        (Union[Layer, Net], {"layers": [{"width": 1}]}, Net([Layer(1)])),
        (typing.Literal["a", 1], 1, 1),
        (typing.Literal[typing.Literal["a"], 1], "a", "a"),  # noqa: RUF041
        (typing.Literal[Color.RED], "red", Color.RED),
        (typing.Literal[Color.RED], "RED", Color.RED),
        (Optional[typing.Literal[Color.RED, "BLUE", True]], "BLUE", "BLUE"),
        (Optional[typing.Literal[Color.RED, "BLUE", True]], "red", Color.RED),
        (typing.Literal[Shade.DARK], [0, [0, 0.5]], Shade.DARK),
        (Color, "red", Color.RED),
        (Color, 3, Color.BLUE),
        (Color, "BLUE", Color.BLUE),
        (Shade, [0, [0, 0.5]], Shade.DARK),
        (Shade, [1], Shade.LIST),
        (Shade, decode_result(*encode_result(Shade.RECORD)), Shade.RECORD),
        (Shade, "LIST", Shade.LIST),
        (Union[Shade, List[int]], [1, 2], [1, 2]),
        (Access, 3, Access.READ | Access.WRITE),
        (Scale, 1, Scale.ONE),
        (Scale, 0.5, Scale.HALF),
        (Scale, [1, 2], Scale.PAIR),
        (Scale, "single", Scale.ONE),
        (Scale, "HALF", Scale.HALF),
        (Layer, {"width": 2, "rate": 1}, Layer(2, 1.0)),
        (Layer, {"tags": ["a"], "width": 2.0}, Layer(2, None, ["a"])),
        (
            Net,
            {"layers": [{"width": 1}], "inner": {"layers": [{"width": 2}]}},
            Net([Layer(1)], Net([Layer(2)])),
        ),
        (Point, {"x": 1}, Point(1, 2)),
        (Point, [1.0, 3], Point(1, 3)),
        (Movie, {"name": "x"}, {"name": "x"}),
        (Box[int], {"content": 1}, Box(1)),
        (typing.NewType("Meters", float), 1, 1.0),
    ]
    for hint, value, expected in cases:
        expect(expected, converted(hint, value))
    assert converted(np.ndarray, array) is array
    assert converted(List[np.ndarray], [array])[0] is array
    assert converted(Optional[np.ndarray], array) is array


def check_values_that_do_not_fit_are_told() -> None:
    """With the path, and what is wanted."""
    cases: List[Tuple[Any, Any, str]] = [
        (int, 2.5, "2.5 (float) where int is wanted"),
        (int, True, "True (bool) where int is wanted"),
        (int, 1e300, "1e+300 (float) where int is wanted"),
        (int, float("nan"), "nan (float) where int is wanted"),
        (float, 2**53 + 1, "9007199254740993 (int) where float is wanted"),
        (float, "1", "'1' (str) where float is wanted"),
        (float, True, "True (bool) where float is wanted"),
        (bool, 1, "1 (int) where bool is wanted"),
        (str, None, "None (NoneType) where str is wanted"),
        (bytes, "x", "'x' (str) where bytes is wanted"),
        (str, ["y"] * 100, "['y', 'y', 'y', 'y', 'y', 'y', 'y', 'y', 'y', 'y', 'y', 'y',... (list) where str is wanted"),
        (list, {"a": 1}, "{'a': 1} (dict) where list is wanted"),
        (List[int], [1, "x"], "1.'x' (str) where int is wanted"),
        (Dict[str, List[int]], {"a": [0, None]}, "a.1.None (NoneType) where int is wanted"),
        (Dict[int, int], {"1": 1}, "'1' (str) where int is wanted"),
        (Tuple[int, str], [1], "a list of 1 where Tuple[int, str] is wanted"),
        (Tuple[int, str], [1, 2], "1.2 (int) where str is wanted"),
        (Optional[int], "x", "'x' (str) where int is wanted; 'x' (str) where None is wanted"),
        (Union[int, List[int]], ["x"], "0.'x' (str) where int is wanted"),
        (typing.Literal[1, "a"], True, "True is none of 1, 'a'"),
        (typing.Literal[Color.RED], "BLUE", "'BLUE' is none of 'red' (RED)"),
        (typing.Literal[Color.RED], 3, "3 is none of 'red' (RED)"),
        (typing.Literal[Color.RED, 1], 2, "2 is none of 1; 2 is none of 'red' (RED)"),
        (Tuple[()], [1], "a list of 1 where Tuple[()] is wanted"),
        (typing.TypeVar("T", int, None), "x", "'x' (str) where int is wanted; 'x' (str) where None is wanted"),
        (Color, "green", "'green' is none of 'red' (RED), 3 (BLUE)"),
        (Scale, 1.0, "1.0 is none of 1 (ONE), 0.5 (HALF), (1, 2) (PAIR)"),
        (Scale, [1.0, 2], "[1.0, 2] is none of 1 (ONE), 0.5 (HALF), (1, 2) (PAIR)"),
        (Scale, "double", "'double' is none of 1 (ONE), 0.5 (HALF), (1, 2) (PAIR)"),
        (Dict[Color, int], {"red": 1, "BLUE": 2, "RED": 3}, "'red' and 'RED' are the same key of Dict[Color, int]"),
        (Color, 3.0, "3.0 is none of 'red' (RED), 3 (BLUE)"),
        (Shade, [0], "[0] is none of (0, (0, 0.5)) (DARK), [1] (LIST), Layer(width=1, rate=None, tags=[], area=0) (RECORD)"),
        (Layer, {}, "Layer needs width"),
        (Layer, {"widht": 1}, "widht.Layer has no such field; it has width, rate, tags"),
        (Layer, [1], "[1] (list) where Layer is wanted"),
        (Net, {"layers": []}, "Net refuses it: a net needs layers"),
        (Net, {"layers": [{"width": 1}, {"width": 300.5}]}, "layers.1.width.300.5 (float) where int is wanted"),
        (Point, [1, 2, 3], "a list of 3 where Point is wanted, which has 2"),
        (np.ndarray, [1.0], "[1.0] (list) where ndarray is wanted"),
        (int, np.zeros((2, 3)), "a tensor of shape (2, 3) (ndarray) where int is wanted"),
    ]  # fmt: skip
    for hint, value, message in cases:
        expect(message, mismatch_of(lambda hint=hint, value=value: converted(hint, value)))


def check_what_arrived_is_not_changed() -> None:
    """An alternative that fails in the middle leaves no trace, and values are not shared with what is made of them."""
    value = ["red", 1]
    expect(
        "1.1 is none of 'red' (RED), 3 (BLUE)",
        mismatch_of(lambda: converted(Union[List[Color], List[int]], value)),
    )
    expect(["red", 1], value)


def check_words_become_what_hints_say() -> None:
    """Without a hint they are text."""
    cases: List[Tuple[Any, str, Any]] = [
        (Any, "1", "1"),
        (str, "1", "1"),
        (int, "-7", -7),
        (float, "7", 7.0),
        (float, "1e-3", 1e-3),
        (float, "-inf", float("-inf")),
        (bool, "True", True),
        (bool, "false", False),
        (None, "null", None),
        (bytes, "é", "é".encode()),
        (Optional[int], "none", None),
        (Optional[int], "3", 3),
        (Union[str, int], "3", 3),
        (Union[str, int], "x", "x"),
        (Color, "RED", Color.RED),
        (Color, "red", Color.RED),
        (Color, "3", Color.BLUE),
        (typing.Literal["fast", 2], "2", 2),
        (Optional[typing.Literal["fast", True]], "true", True),
        (Optional[typing.Literal["fast", True]], "none", None),
        (Literals, "none", "none"),
        (Literals, "null", None),
        (Access, "3", Access.READ | Access.WRITE),
        (Scale, "single", Scale.ONE),
        (Scale, "0.5", Scale.HALF),
        (Scale, "[1,2]", Scale.PAIR),
        (typing.Literal[Color.RED, "BLUE"], "red", Color.RED),
        (List[int], "[1,2]", [1, 2]),
        (Layer, '{"width":3}', Layer(3)),
        (Tuple[int, str], '[1,"x"]', (1, "x")),
    ]
    for hint, word, expected in cases:
        expect(expected, converter_of(hint).from_word(word, no_tensors))
    array = np.zeros(1)
    assert converter_of(np.ndarray).from_word("a", {"a": array}.__getitem__) is array


def check_words_that_do_not_fit_are_told() -> None:
    """As values are."""
    cases: List[Tuple[Any, str, str]] = [
        (int, "1.5", "'1.5' where int is wanted"),
        (int, "1_000", "'1_000' where int is wanted"),
        (int, "9223372036854775808", "'9223372036854775808' where int is wanted"),
        (float, "one", "'one' where float is wanted"),
        (float, "1e400", "'1e400' where float is wanted"),
        (Literals, "nil", "'nil' is none of 'none', None"),
        (bool, "1", "'1' where bool is wanted"),
        (Color, "green", "'green' is none of 'red' (RED), 3 (BLUE)"),
        (Optional[int], "x", "'x' where int is wanted; 'x' where None is wanted"),
        (List[int], '["x"]', "0.'x' (str) where int is wanted"),
    ]
    for hint, word, message in cases:
        expect(
            message, mismatch_of(lambda hint=hint, word=word: converter_of(hint).from_word(word, no_tensors))
        )
    assert mismatch_of(lambda: converter_of(List[int]).from_word("[1", no_tensors)).startswith(
        "'[1' cannot be read as List[int]: not a JSON text"
    )


def check_iterators_are_made_of_lists() -> None:
    """Their elements are converted, and known for the values of an input."""
    for hint in (Iterator[float], collections.abc.Iterator, Optional[Iterator[float]]):
        converter = converter_of(resolved_hint(hint, {}))
        made = converter([1, 2])
        assert [1, 2] == list(made) != list(made)
        assert converter.element is not None
    for hint in (List[float], Iterable[float], AsyncIterator[float]):
        element = converter_of(resolved_hint(hint, {})).element
        assert element is not None
        assert isinstance(element(1), float)


def check_hints_that_cannot_be_read_are_told() -> None:
    """They are no error of whoever calls."""
    recursive = typing.TypeVar("recursive", bound="recursive")  # type: ignore[misc]
    globals()["recursive"] = recursive
    cases: List[Any] = [
        *(
            complex,
            Callable[[int], int],
            collections.abc.Generator,
            "Missing",
            "List[Missing]",
            "[",
            5,
            [int],
        ),
        *(type, Type[int], collections.deque, Counter[str], Path, enum.Enum, np.float32, np.zeros(2)),
        *(recursive, Endless[int]),
    ]
    for hint in cases:
        try:
            converter_of(resolved_hint(hint, {"List": List}))
        except UnreadableHint:
            continue
        raise AssertionError(hint)


def check_hints_are_shown_as_people_write_them() -> None:
    """Without modules."""
    cases: List[Tuple[Any, str]] = [
        (int, "int"),
        (None, "None"),
        ("Missing", "Missing"),
        (List[int], "List[int]"),
        (Dict[str, Layer], "Dict[str, Layer]"),
        (np.ndarray, "ndarray"),
        (List[typing.Literal[Color.RED, "a.b"]], "List[Literal[Color.RED, 'a.b']]"),
    ]
    for hint, shown in cases:
        expect(shown, shown_hint(hint))


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]

if __name__ == "__main__":
    for one in CHECKS:
        one()
