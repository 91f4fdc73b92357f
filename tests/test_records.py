"""The functions that are written for a record's fields do what the general way does: in what they give, and in what they say."""

import dataclasses
import enum
import itertools
import math
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, TypedDict, Union, cast

import numpy as np
import pytest

from tech_renaissance._base.errors import TechRenaissanceError
from tech_renaissance._protocol.binder import Binder, WrongArguments
from tech_renaissance._protocol.body_encoder import encode_result
from tech_renaissance._protocol.converters import Mismatch
from tech_renaissance._protocol.hints import converter_of
from tech_renaissance._protocol.record_converter import Record


class Color(enum.Enum):
    """By value or by name."""

    RED = "red"
    TWO = 2


@dataclasses.dataclass
class Inner:
    """A part."""

    width: int
    names: Optional[List[str]] = None

    def __post_init__(self) -> None:
        """Refuse some."""
        if self.width == 13:
            raise ValueError("13 is unlucky")


@dataclasses.dataclass
class Simple:
    """Of what passes as it is."""

    number: int
    ratio: float
    text: str
    flag: bool
    anything: Any
    maybe: Optional[int]


@dataclasses.dataclass
class Lists:
    """Of what is looked into."""

    ratios: List[float]
    counts: Dict[str, int]
    rows: List[List[int]]
    maybe: Optional[List[float]]


@dataclasses.dataclass
class Parts:
    """Of what is always converted."""

    inner: Inner
    color: Color
    pair: Tuple[int, float]
    several: Union[Tuple[float, ...], List[float], Inner, None]
    again: "Optional[Parts]" = None


class Point(NamedTuple):
    """Made of a list, too."""

    x: int
    y: float = 0.5


Words = TypedDict("Words", {"name": str, "a b": int, "class": float})


@dataclasses.dataclass
class Turned:
    """Its constructor takes the fields in another order, and calls one of them otherwise."""

    first: int
    second: int
    third: int = 3

    def __init__(self, second: int, first: int, third: int = 3) -> None:
        self.first, self.second, self.third = first, second, third


class Counted(type):
    """A metaclass that makes instances in its own way."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Only by name."""
        assert not args
        return super().__call__(**kwargs)


@dataclasses.dataclass
class Made(metaclass=Counted):
    """Made by its metaclass."""

    x: int
    y: int


KINDS = (Simple, Lists, Parts, Point, Words, Turned, Made)
VALUES: List[Any] = [
    *(
        1,
        2.0,
        2.5,
        "red",
        True,
        None,
        [],
        [1.5, 2.0],
        [1, 2],
        ["a"],
        [[1], []],
        {},
        {"a": 1},
        {"a": 1.0},
        {"a": 2.5},
    ),
    *(
        2**60,
        math.nan,
        {"width": 1},
        {"width": 13},
        {"width": 1.0, "names": ["x"]},
        {"width": "1"},
        "RED",
        b"x",
    ),
    np.zeros(2),
]


def outcome(action: Any, value: Any) -> str:
    """What comes of it, whatever it is."""
    try:
        return repr(action(value))
    except Mismatch as mismatch:
        return f"{mismatch.path} {mismatch} {mismatch.__cause__!r}"


def candidates(record: Record, kind: Any) -> List[Any]:
    """Dicts of all fields, in which one field after another has each of the values; some in which one is missing or strange; and others."""
    names = list(kind.__annotations__)
    general: Any = record._convert_any
    fitting: Dict[str, Any] = {}
    for name in names:  # the first value that the field takes
        for value in [*VALUES, [1, 2.5]]:
            whole = {**dict.fromkeys(names), **fitting, name: value}
            if not outcome(general, whole).startswith(f"['{name}'"):
                fitting[name] = value
                break
    changed = [{**fitting, name: value} for name in names for value in VALUES]
    less = [{name: fitting[name] for name in names if name != left_out} for left_out in names]
    turned = [dict(reversed(list(one.items()))) for one in (fitting, *less)]
    return [fitting, *changed, *less, *turned, {**fitting, "other": 1}, [*fitting.values()], [1], 5, None]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_record_is_made_as_in_the_general_way(kind: Any) -> None:
    """The same object, or the same words about what does not fit."""
    record = cast("Record", converter_of(kind))
    values = candidates(record, kind)
    taken = [outcome(record.convert, value) for value in values]
    assert taken == [outcome(record._convert_any, value) for value in values]
    assert not taken[0].startswith("["), "no value fits"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="keyword-only fields came with 3.10")
def test_fields_by_name_only_are_given_by_name() -> None:
    """After those by place."""
    kind = dataclasses.make_dataclass(
        "Mixed", [("a", int), ("b", int, dataclasses.field(kw_only=True)), ("c", int)]
    )
    assert repr(converter_of(kind)({"a": 1, "b": 2, "c": 3})).endswith("Mixed(a=1, b=2, c=3)")


def test_a_name_that_python_would_write_otherwise_stays_as_it_is() -> None:
    """The sign for micro is no letter; in a source it becomes one."""
    typed_dict: Any = TypedDict
    value = {"\u00b5m": 1, "gr\u00f6\u00dfe": 2.0}
    made = converter_of(typed_dict("Micro", {"\u00b5m": float, "gr\u00f6\u00dfe": int}))(value)
    assert repr(made) == repr({"\u00b5m": 1.0, "gr\u00f6\u00dfe": 2})


def test_what_is_wrong_in_a_record_among_the_arguments_is_told_with_its_path() -> None:
    """The same for the first call as for later ones."""

    def take(parts: Parts, point: Point) -> None: ...

    binder = Binder(take)
    for _ in range(2):
        args: List[Any] = [{"inner": {"width": 1}, "color": "red", "pair": [1, 2.0], "several": [1.0]}, [1]]
        binder.bind(args, {})
        assert args == [Parts(Inner(1), Color.RED, (1, 2.0), (1.0,)), Point(1)]
        with pytest.raises(WrongArguments, match=r"parts\.inner\.width: '1' \(str\) where int is wanted"):
            binder.bind([{**dataclasses.asdict(args[0]), "inner": {"width": "1"}}, [1]], {})
        with pytest.raises(WrongArguments, match=r"parts\.inner: Inner refuses it: 13 is unlucky") as caught:
            binder.bind(
                [{"inner": {"width": 13}, "color": 2, "pair": [1, 2], "several": None, "again": None}, [1]],
                {},
            )
        assert isinstance(caught.value.__cause__, ValueError)
        with pytest.raises(WrongArguments, match=r"point\.y: 'a' \(str\) where float is wanted"):
            binder.bind(
                [{"inner": {"width": 1}, "color": 2, "pair": [1, 2], "several": None}, {"x": 1, "y": "a"}], {}
            )


@dataclasses.dataclass
class Triple:
    """Of anything."""

    first: Any
    second: Any
    third: Any = None


@dataclasses.dataclass
class Nothing:
    """A record without fields."""


SENT: List[Any] = [
    *(
        1,
        -(2**63),
        2**63,
        0.1,
        -0.0,
        1e300,
        math.nan,
        -math.inf,
        'é"\\\n',
        "\ud800",
        True,
        False,
        None,
        b"bytes",
    ),
    *(
        [],
        [1.5, math.inf],
        [1, "a", None],
        [0.5] * 17,
        (1, 2),
        {},
        {"$": 1, "k": [2.5]},
        {1: 2},
        Color.RED,
        np.float32(0.5),
    ),
    *(np.ones(3), Inner(1, ["x"]), Triple(1, Triple(2.5, "x")), Nothing(), object()),
]


def sent(value: Any) -> str:
    """The body, or what is said about it."""
    try:
        return repr(encode_result(value))
    except TechRenaissanceError as error:
        return f"{type(error).__name__} {error.code} {error}"


def test_a_record_is_written_as_the_dict_of_its_fields() -> None:
    """Whatever its class had in its fields before."""
    for first, second in [*itertools.product(SENT, repeat=2), *zip(SENT, reversed(SENT)), *zip(SENT, SENT)]:
        expected = sent({"first": first, "second": second, "third": 0.5})
        assert sent(Triple(first, second, 0.5)) == expected
    assert sent(Nothing()) == sent({})


def test_a_class_that_has_had_the_same_types_all_the_time_is_written_as_any_other() -> None:
    """By the function for these types, which others have not made more general."""
    for value in SENT:
        kind = dataclasses.make_dataclass("One", [("x", Any), ("y", Any)])
        for other in (value, value, "text", value):
            assert sent(kind(value, other)) == sent({"x": value, "y": other})
