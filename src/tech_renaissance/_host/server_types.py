"""What a worker's class says about its commands: their names, and what their results are.
Contract: spec/values.md, Conversions.

Only ``typed`` imports this.
"""

import inspect
import typing
import weakref
from collections import abc
from typing import Any, Awaitable, Callable, Dict, Iterable, Iterator

from .._base.errors import CommandError
from .._protocol.annotations import signature_of
from .._protocol.binder import globals_of
from .._protocol.body import path_text
from .._protocol.converters import ANYTHING, Converter, Mismatch
from .._protocol.hints import UnreadableHint, converter_of, resolved_hint
from .._worker.command import command_names

_AWAITED = (abc.Awaitable, abc.Coroutine)
_GENERATORS = (abc.Generator, abc.AsyncGenerator)
_GIVE_ITEMS = (abc.Iterable, abc.Iterator, abc.AsyncIterable, abc.AsyncIterator, *_GENERATORS)

Conversion = Callable[[Any], Any]


class ResultType:
    """The results of one command. Each conversion raises CommandError ``wrong_type``, with the path
    of the part that does not fit.

    ``value``: of a call. ``item``, ``last``: of a stream, each item and what the generator returns at last.
    """

    def __init__(self, command: str, hint: Any) -> None:
        origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin in _AWAITED and args:
            hint = args[-1]
            origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        gives_items = origin in _GIVE_ITEMS
        is_generator = origin in _GENERATORS
        if is_generator:
            hint = Iterator[args[0]] if args else Iterator
        value = _conversion(command, hint)
        self.value: Conversion = (lambda given: _generated(value(given))) if is_generator else value
        self.item: Conversion = _conversion(command, args[0]) if gives_items and args else _as_it_is
        returned = args[2] if origin is abc.Generator and args[2:] else Any
        self.last: Conversion = _conversion(command, returned) if gives_items else value

    def of(self, result: Any) -> Any:
        """What ``call`` has returned: a value, or from AsyncSession what is awaited for one."""
        return self._awaited(result) if inspect.isawaitable(result) else self.value(result)

    async def _awaited(self, result: Awaitable[Any]) -> Any:
        return self.value(await result)


def _as_it_is(value: Any) -> Any:
    return value


def _generated(values: Iterable[Any]) -> Iterator[Any]:
    yield from values


def _conversion(command: str, hint: Any) -> Conversion:
    try:
        converter = converter_of(hint)
    except UnreadableHint:  # counts as none
        return _as_it_is
    return _as_it_is if converter is ANYTHING else _telling(command, converter)


def _telling(command: str, converter: Converter) -> Conversion:
    def convert(value: Any) -> Any:
        try:
            return converter(value)
        except Mismatch as mismatch:
            path = path_text(mismatch.path)
            problem = f"{path}: {mismatch}" if path else str(mismatch)
            raise CommandError("wrong_type", f"{command}: {problem}") from mismatch.__cause__
        except Exception as error:  # of a constructor that has gone wrong
            problem = f"{type(error).__name__}: {error}"
            raise CommandError("wrong_type", f"{command}: the result cannot be made: {problem}") from error

    return convert


class ServerTypes:
    """The commands of a class by the names of its attributes."""

    def __init__(self, server: Any) -> None:
        self._names = command_names(server)
        self._hints = {name: _result_hint(server, name) for name in dir(server) if not name.startswith("__")}
        self._results: Dict[str, ResultType] = {}

    def name_of(self, attribute: str) -> str:
        """The command's name."""
        return self._names.get(attribute, attribute)

    def result_of(self, attribute: str) -> ResultType:
        """The type of its results."""
        known = self._results.get(attribute)
        if known is None:
            known = ResultType(self.name_of(attribute), self._hints.get(attribute, Any))
            self._results[attribute] = known
        return known


_known: "weakref.WeakKeyDictionary[Any, ServerTypes]" = weakref.WeakKeyDictionary()


def types_of_server(server: Any) -> ServerTypes:
    """What a class says, found out once."""
    types = _known.get(server)
    if types is None:
        types = _known[server] = ServerTypes(server)
    return types


def _result_hint(server: Any, attribute: str) -> Any:
    """The hint of what a method returns; Any if there is none, or none that can be read."""
    function = inspect.getattr_static(server, attribute)
    function = getattr(function, "__func__", function)
    try:
        hint = signature_of(function).return_annotation
        return Any if hint is inspect.Signature.empty else resolved_hint(hint, globals_of(function))
    except (UnreadableHint, TypeError, ValueError, NameError):
        return Any
