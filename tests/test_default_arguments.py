"""How the default server reads arguments from text."""

import math
from typing import Dict, List

import pytest

from tech_renaissance._worker.default_arguments import Arguments, Tag


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ,", []),
        ("a b,c ,\td", [Tag("a"), Tag("b"), Tag("c"), Tag("d")]),
        ("1 -2 +2 .5 2.5 1e3 1e-3 0x10", [1, -2, 2, 0.5, 2.5, 1000.0, 0.001, 16]),
        ("1j 1.5-2e3j", [1j, 1.5 - 2000j]),
        ("True False None true false none", [True, False, None, True, False, None]),
        ("inf -inf", [math.inf, -math.inf]),
        ("'a b' \"c,d\" 'it\\'s'", ["a b", "c,d", "it's"]),
        ("[1,2] (2, 3) () [ ]", [[1, 2], (2, 3), (), []]),
        ("(2)", [(2,)]),
        ("[[1, 2], (3,)]", [[[1, 2], (3,)]]),
        ("[a, 'b', 3]", [[Tag("a"), "b", 3]]),
        ("x-1 x.y größe", [Tag("x-1"), Tag("x.y"), Tag("größe")]),
        ("a+b os.system", [Tag("a+b"), Tag("os.system")]),
        ("dim = 1", [Tag("dim"), Tag("="), 1]),
    ],
)
def test_positional(text: str, expected: List[object]) -> None:
    """Words are literals, lists of them, or tags."""
    actual = Arguments(text).positional
    assert repr(expected) == repr(actual)
    assert [type(value) for value in expected] == [type(value) for value in actual]


def test_keywords() -> None:
    """Keyword values are read like others, except words that cannot be tensors."""
    arguments = Arguments("dim=1 dims=[0, 1] mode=bilinear weight=w ord=2 reduction='sum' dtype=float32")
    expected: Dict[str, object] = {
        "dim": 1,
        "dims": [0, 1],
        "mode": "bilinear",
        "weight": Tag("w"),
        "ord": 2,
        "reduction": "sum",
        "dtype": "float32",
    }
    assert expected == arguments.keywords
    assert ["w"] == arguments.tags


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1, 2", r"'\]' is missing"),
        ("1)", r"'\)' closes nothing"),
        ("[1)", r"'\)' closes nothing"),
        ("'abc", "cannot read"),
        ("[1]x", "cannot read"),
        ("[1][2]", "closes nothing"),
        ("dim=", "no value"),
        ("dim=1 dim=2", "given twice"),
        ("[" * 65 + "]" * 65, "nest more than 64 deep"),
        ("[" * 1_000_000, "nest more than 64 deep"),
    ],
    ids=lambda text: text[:30],
)
def test_unreadable(text: str, reason: str) -> None:
    """Text that cannot be read is an error that says what is wrong with it."""
    with pytest.raises(ValueError, match=reason):
        Arguments(text)


def test_bind() -> None:
    """Tensors take the places of their tags at any depth."""
    arguments = Arguments("a [b, (c, 1)] weight=[a]")
    assert ["a", "b", "c"] == arguments.tags
    assert ([1, [2, (3, 1)]], {"weight": [1]}) == arguments.bind({"a": 1, "b": 2, "c": 3})


def test_nothing_is_evaluated() -> None:
    """An expression is a tag, not a program."""
    text = "__import__('os').getpid()"
    assert [Tag(text)] == Arguments(text).positional


def test_long_expressions_are_tags() -> None:
    """Text that would overflow the stack of Python's parser never reaches it."""
    for text in ("-" * 1_000_000 + "1", "1" + "+1" * 1_000_000, "{" * 1_000_000):
        assert [Tag(text)] == Arguments(text).positional
