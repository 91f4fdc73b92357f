"""The signature of a function as a binder: whether arguments fit, and what its hints make of them.

Compiled once; a call that fits needs a look at the type of each argument. Whoever calls a function with what
does not fit is told its signature and the argument at fault.
"""

import difflib
import inspect
import re
from typing import Any, Callable, Collection, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Tuple

from .annotations import signature_of
from .body import Input, path_text, type_of
from .converters import ANYTHING, SCALARS, Converter, Mismatch, Tensors
from .hints import UnreadableHint, converter_of, resolved_hint, shown_hint

_WORD = re.compile(r"[^ \t\r\n\v\f]+")  # white space as in messages
_LONGEST_DEFAULT = 60
_EMPTY = inspect.Parameter.empty
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class WrongArguments(TypeError):
    """A call that does not fit a signature. The message has the signature and what is at fault."""


class _Parameter(NamedTuple):
    name: str
    converter: Converter
    plain: Optional[FrozenSet[Any]]  # None: anything passes
    is_required: bool


class Binder:
    """What a function takes. ``signature`` is its text; ``unreadable`` has the parameters whose hints
    count as none, or have fields of records in them whose hints do, with the reason.
    """

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        parameters = signature_of(function).parameters.values()
        self.unreadable: Dict[str, str] = {}
        self._names = globals_of(function)
        self._positional: List[_Parameter] = []
        self._by_name: Dict[str, _Parameter] = {}
        self._rest: Optional[_Parameter] = None
        self._other_keywords: Optional[_Parameter] = None
        self._parameters = list(parameters)
        for parameter in self._parameters:
            self._add(parameter)
        self._needs_names = [
            p.name for p in self._by_name.values() if p.is_required and p not in self._positional
        ]
        self._fewest = sum(parameter.is_required for parameter in self._positional)
        most = -1 if self._needs_names else len(self._positional)
        plains = [(parameter.plain, parameter.converter) for parameter in self._positional]
        self._plains = {count: plains[:count] for count in range(self._fewest, most + 1)}
        self.signature = _signature_text(
            name or getattr(function, "__name__", type_of(function).__name__), function
        )

    def bind(self, args: List[Any], kwargs: Dict[str, Any]) -> None:
        """Convert the arguments of a call, in place. Raises WrongArguments."""
        plains = self._plains.get(len(args))
        if plains is None or kwargs:
            self._bind_any(args, kwargs)
            return
        place = 0
        try:
            for plain, converter in plains:
                if plain is not None and type(args[place]) not in plain:
                    args[place] = converter.convert(args[place])
                place += 1
        except Mismatch as mismatch:
            raise self._wrong_at(place, mismatch) from mismatch.__cause__

    def bind_input(self, args: List[Any], kwargs: Dict[str, Any]) -> Callable[[int, Any], Any]:
        """The same for a call with an Input among its arguments, which stays. Returns what converts the value
        of the input that has a number, from 0, and also raises WrongArguments.
        """
        self._check(len(args), kwargs)
        taker: Optional[_Parameter] = None
        for place, value in enumerate(args):
            if isinstance(value, Input):
                taker = self._at(place)
                continue
            try:
                args[place] = self._at(place).converter(value)
            except Mismatch as mismatch:
                raise self._wrong_at(place, mismatch) from mismatch.__cause__
        others = {name: value for name, value in kwargs.items() if not isinstance(value, Input)}
        self._convert_keywords(others)
        for name in kwargs.keys() - others.keys():
            taker = self._named(name)
        kwargs.update(others)
        assert taker is not None
        name, wanted = taker.name, taker.converter
        if wanted is not ANYTHING and wanted.element is None:
            given = "values one after another, as of an iterator,"
            raise self._wrong_in(
                name, Mismatch(f"{given} where {wanted.shown} is wanted: send a list, or one value")
            )
        element = wanted.element or ANYTHING

        def convert(number: int, value: Any) -> Any:
            try:
                return element(value)
            except Mismatch as mismatch:
                raise self._wrong_in(f"{name}[{number}]", mismatch) from mismatch.__cause__

        return convert

    def _bind_any(self, args: List[Any], kwargs: Dict[str, Any]) -> None:
        count = len(args)
        self._check(count, kwargs)
        place = 0
        try:
            for place, value in enumerate(args):
                args[place] = self._at(place).converter(value)
        except Mismatch as mismatch:
            raise self._wrong_at(place, mismatch) from mismatch.__cause__
        self._convert_keywords(kwargs)

    def bind_text(
        self, text: str, tensors: Tensors, attached: Collection[str] = ()
    ) -> Tuple[List[Any], Dict[str, Any]]:
        """The arguments that a text means: all of it, for a function that takes one text; else words,
        by place or as ``name=word``.

        ``tensors`` finds the tensor of a tag. ``attached``: words that mean tensors, also where there is no
        hint. Raises WrongArguments, and whatever ``tensors`` does.
        """
        if self._takes_text(attached):
            is_left_out = not text and not self._fewest
            return ([] if is_left_out else [text]), {}
        words: List[str] = []
        named: Dict[str, str] = {}
        for word in _WORD.findall(text):
            name, equals, value = word.partition("=")
            if equals and self._named(name) and name.isidentifier():
                if name in named:
                    raise self._wrong(f"{name!r} is given twice")
                named[name] = value
            else:
                words.append(word)
        self._check(len(words), named)
        args: List[Any] = []
        kwargs: Dict[str, Any] = {}
        try:
            for word in words:
                args.append(_of_word(self._at(len(args)), word, tensors, attached))
        except Mismatch as mismatch:
            raise self._wrong_at(len(args), mismatch) from mismatch.__cause__
        for name, word in named.items():
            try:
                kwargs[name] = _of_word(self._named(name), word, tensors, attached)
            except Mismatch as mismatch:
                raise self._wrong_in(name, mismatch) from mismatch.__cause__
        return args, kwargs

    @property
    def takes_one_string(self) -> bool:
        """Whether a single string, as it is, is all that it may be given."""
        plains = self._plains.get(1)
        return plains is not None and (plains[0][0] is None or str in plains[0][0])

    def described(self) -> List[Dict[str, Any]]:
        """The parameters as a value, for who calls the function from another program."""
        return [self._described(parameter) for parameter in self._parameters]

    def _described(self, parameter: inspect.Parameter) -> Dict[str, Any]:
        described = {"name": parameter.name, "kind": parameter.kind.name.lower()}
        if parameter.annotation is not _EMPTY:
            described["hint"] = shown_hint(parameter.annotation)
        if parameter.default is not _EMPTY:
            described["default"] = _shown_default(parameter)
        if parameter.name in self.unreadable:
            described["unreadable"] = self.unreadable[parameter.name]
        return described

    def _add(self, parameter: inspect.Parameter) -> None:
        converter = self._converter(parameter)
        plain = None if converter is ANYTHING else converter.plain
        is_variable = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        ours = _Parameter(parameter.name, converter, plain, parameter.default is _EMPTY and not is_variable)
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            self._rest = ours
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            self._other_keywords = ours
        else:
            if parameter.kind in _POSITIONAL:
                self._positional.append(ours)
            if parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
                self._by_name[parameter.name] = ours

    def _converter(self, parameter: inspect.Parameter) -> Converter:
        if parameter.annotation is _EMPTY:
            return ANYTHING
        fields: Dict[str, str] = {}
        try:
            hint = resolved_hint(parameter.annotation, self._names)
            # As type checkers once had it: x: int = None.
            converter = converter_of(hint, fields, takes_none=parameter.default is None)
        except UnreadableHint as error:
            self.unreadable[parameter.name] = str(error)
            return ANYTHING
        if fields:
            self.unreadable[parameter.name] = "; ".join(
                f"{field}: {reason}" for field, reason in fields.items()
            )
        return converter

    def _takes_text(self, attached: Collection[str]) -> bool:
        is_alone = len(self._positional) == 1 and self._rest is None and not self._other_keywords
        if not is_alone or len(self._by_name.keys() - {self._positional[0].name}) > 0:
            return False
        converter = self._positional[0].converter
        return converter is SCALARS[str] or (converter is ANYTHING and not attached)

    def _named(self, name: str) -> Optional[_Parameter]:
        return self._by_name.get(name) or self._other_keywords

    def _at(self, place: int) -> _Parameter:
        if place < len(self._positional):
            return self._positional[place]
        assert self._rest is not None
        return self._rest

    def _check(self, count: int, kwargs: Mapping[str, Any]) -> None:
        """Whether so many arguments by place, and these by name, are what there must be."""
        if count > len(self._positional) and self._rest is None:
            most = len(self._positional)
            raise self._wrong(f"it takes {most or 'no'} argument{'s' * (most != 1)} by place, not {count}")
        for parameter in self._positional[:count]:
            if parameter.name in kwargs and parameter.name in self._by_name:
                raise self._wrong(f"{parameter.name!r} is given twice")
        for name in kwargs:
            if name not in self._by_name and self._other_keywords is None:
                raise self._wrong(self._no_argument(name))
        missing = [p.name for p in self._positional[count:] if p.is_required and p.name not in kwargs]
        missing += [name for name in self._needs_names if name not in kwargs]
        if missing:
            raise self._wrong(
                f"{', '.join(map(repr, missing))} {'is' if len(missing) == 1 else 'are'} missing"
            )

    def _no_argument(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._by_name, 1)
        if any(parameter.name == name for parameter in self._positional):
            return f"{name!r} is given by place only"
        return f"it has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")

    def _convert_keywords(self, kwargs: Dict[str, Any]) -> None:
        for name, value in kwargs.items():
            parameter = self._named(name)
            assert parameter is not None
            try:
                kwargs[name] = parameter.converter(value)  # the key is there already
            except Mismatch as mismatch:
                raise self._wrong_in(name, mismatch) from mismatch.__cause__

    def _wrong_at(self, place: int, mismatch: Mismatch) -> WrongArguments:
        parameter = self._at(place)
        is_rest = place >= len(self._positional)
        name = f"{parameter.name}[{place - len(self._positional)}]" if is_rest else parameter.name
        return self._wrong_in(name, mismatch)

    def _wrong_in(self, name: str, mismatch: Mismatch) -> WrongArguments:
        path = path_text(mismatch.path)
        dot = "." if path and not path.startswith("[") else ""
        return self._wrong(f"{name}{dot}{path}: {mismatch}")

    def _wrong(self, problem: str) -> WrongArguments:
        return WrongArguments(f"wrong arguments for {self.signature}: {problem}")


def _of_word(parameter: Optional[_Parameter], word: str, tensors: Tensors, attached: Collection[str]) -> Any:
    assert parameter is not None
    if parameter.converter is ANYTHING and word in attached:
        return tensors(word)
    return parameter.converter.from_word(word, tensors)


def globals_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """The names that a function sees, which those in its hints are looked up among."""
    inner = inspect.unwrap(getattr(function, "__func__", function))
    parameters = {parameter.__name__: parameter for parameter in getattr(inner, "__type_params__", ())}
    return {**getattr(inner, "__globals__", {}), **parameters}


def _signature_text(name: str, function: Callable[..., Any]) -> str:
    """A signature with hints as people write them, without the names of modules."""
    signature = signature_of(function)
    parts: List[str] = []
    last_kind: Any = None
    for parameter in signature.parameters.values():
        if parameter.kind is not last_kind and last_kind is inspect.Parameter.POSITIONAL_ONLY:
            parts.append("/")
        starts_keywords = parameter.kind is inspect.Parameter.KEYWORD_ONLY and last_kind is not parameter.kind
        if starts_keywords and last_kind is not inspect.Parameter.VAR_POSITIONAL:
            parts.append("*")
        parts.append(_parameter_text(parameter))
        last_kind = parameter.kind
    if last_kind is inspect.Parameter.POSITIONAL_ONLY:
        parts.append("/")
    returned = signature.return_annotation
    return f"{name}({', '.join(parts)})" + ("" if returned is _EMPTY else f" -> {shown_hint(returned)}")


def _parameter_text(parameter: inspect.Parameter) -> str:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    text = stars.get(parameter.kind, "") + parameter.name
    has_hint = parameter.annotation is not _EMPTY
    if has_hint:
        text += f": {shown_hint(parameter.annotation)}"
    if parameter.default is not _EMPTY:
        text += (" = " if has_hint else "=") + _shown_default(parameter)
    return text


def _shown_default(parameter: inspect.Parameter) -> str:
    text = repr(parameter.default)
    return text if len(text) <= _LONGEST_DEFAULT else text[:_LONGEST_DEFAULT] + "..."
