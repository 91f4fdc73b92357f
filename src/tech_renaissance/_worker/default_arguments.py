"""The arguments of a command, read from text: what comes after ``softmax`` in ``softmax a dim=1``.

    arguments := argument, separated by white space or commas
    argument  := value | name=value
    value     := [values] | (values) | number | 'text' | "text" | constant | tag
    constant  := True | False | None | true | false | none | inf | -inf | nan

Numbers and texts are Python's, read by ``ast.literal_eval``: nothing is ever evaluated. Any other word is the
tag of a tensor, except after a keyword that never takes a tensor: ``dtype=float32``, ``mode=bilinear``.
"""

import ast
import contextlib
import math
import re
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple, cast

_STRING = r"""(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
_TOKEN = re.compile(
    rf"(?P<string>{_STRING})|(?P<opener>[\[(])|(?P<closer>[\])])|(?P<gap>[\s,]+)|(?P<other>.)", re.DOTALL
)
_CLOSER_OF = {"[": "]", "(": ")"}
_MAX_DEPTH = 64
# What a string or a number (1e-5, 0x10, 1.5-2e3j) looks like. Only these reach Python's parser, because a
# deeply nested expression could crash it.
_LITERAL = re.compile(rf"{_STRING}|[+-]?[.\d][\w.]*(?:[+-][\w.]+){{0,3}}", re.DOTALL)
_KEYWORD = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
# Includes some that are not Python literals but that a C++ programmer may write.
_CONSTANTS: Dict[str, object] = {
    "True": True,
    "False": False,
    "None": None,
    "true": True,
    "false": False,
    "none": None,
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
}
_WORD_KEYWORDS = frozenset(
    [
        "approximate",
        "compute_mode",
        "device",
        "driver",
        "dtype",
        "indexing",
        "interpolation",
        "mode",
        "norm",
        "ord",
        "pad_mode",
        "padding",
        "padding_mode",
        "reduce",
        "reduction",
        "rounding_mode",
        "side",
        "UPLO",
    ]
)


class Tag(str):
    """The tag of a tensor, in the place where the tensor will be."""

    __slots__ = ()


class Arguments:
    """Positional and keyword arguments in which tensors are still tags.

    Raises ``ValueError`` for text that cannot be read: brackets or quotes that do not match, brackets nested
    more than 64 deep, a keyword without a value, or one given twice.
    """

    def __init__(self, text: str) -> None:
        self.positional: List[object] = []
        self.keywords: Dict[str, object] = {}
        for word in _split(text):
            keyword = _KEYWORD.fullmatch(word)
            if keyword is None:
                self.positional.append(_value(word))
            else:
                self._add_keyword(keyword.group(1), keyword.group(2))

    def _add_keyword(self, name: str, word: str) -> None:
        if not word:
            raise ValueError(f"'{name}=' has no value (write no spaces around '=')")
        if name in self.keywords:
            raise ValueError(f"'{name}=' is given twice")
        value = _value(word)
        is_word = isinstance(value, Tag) and name in _WORD_KEYWORDS
        self.keywords[name] = str(value) if is_word else value

    @property
    def tags(self) -> List[str]:
        """Every tag once, in the order of the text."""
        return list(dict.fromkeys(_tags([*self.positional, *self.keywords.values()])))

    def bind(self, tensors: Mapping[str, object]) -> Tuple[List[object], Dict[str, object]]:
        """The arguments for a call, with the tensor of each tag in its place."""
        positional = [_bind(value, tensors) for value in self.positional]
        return positional, {name: _bind(value, tensors) for name, value in self.keywords.items()}


def _split(text: str) -> List[str]:
    """The words of a text; spaces and commas inside brackets and quotes do not separate."""
    words: List[str] = []
    word: List[str] = []
    closers: List[str] = []
    for token in _TOKEN.finditer(text):
        part, kind = token.group(), token.lastgroup
        if kind == "gap" and not closers:
            words.append("".join(word))
            word = []
            continue
        if kind == "opener":
            closers.append(_CLOSER_OF[part])
            if len(closers) > _MAX_DEPTH:
                raise ValueError(f"brackets nest more than {_MAX_DEPTH} deep")
        elif kind == "closer" and (not closers or closers.pop() != part):
            raise ValueError(f"'{part}' closes nothing in: {text}")
        word.append(part)
    if closers:
        raise ValueError(f"'{closers[-1]}' is missing in: {text}")
    words.append("".join(word))
    return [word for word in words if word]


def _value(word: str) -> object:
    if word[0] in "[(" and word[-1] == _CLOSER_OF[word[0]]:
        items = [_value(item) for item in _split(word[1:-1])]
        return tuple(items) if word[0] == "(" else items
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if _LITERAL.fullmatch(word):
        with contextlib.suppress(ValueError, SyntaxError):
            return ast.literal_eval(word)
    if word[0] in "[('\"":
        raise ValueError(f"cannot read: {word}")
    return Tag(word)


def _tags(value: object) -> Iterator[str]:
    if isinstance(value, Tag):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in cast("Sequence[object]", value):
            yield from _tags(item)


def _bind(value: object, tensors: Mapping[str, object]) -> object:
    if isinstance(value, Tag):
        return tensors[value]
    if isinstance(value, list):
        return [_bind(item, tensors) for item in cast("Sequence[object]", value)]
    if isinstance(value, tuple):
        return tuple(_bind(item, tensors) for item in cast("Sequence[object]", value))
    return value
