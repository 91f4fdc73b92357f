"""The commands of a script: one record for each, made once at the start. Contract:
spec/protocol.md, Typed calls.
"""

import inspect
from functools import partial
from typing import Any, Callable, Dict, Iterable, cast

from .._protocol.binder import Binder
from .command import check_command_name, mark_of, marked_attributes

# What this version does not run, and what to do instead.
_NOT_SERVED = ((inspect.isasyncgenfunction, "an async generator", "write a plain generator"),)


class Command:
    """A function that hosts call by a name. ``where``: how its script knows it."""

    def __init__(self, name: str, function: Callable[..., Any], where: str) -> None:
        inner = _plain(function)
        for is_it, kind, cure in _NOT_SERVED:
            if is_it(inner):
                raise TypeError(f"{where} is {kind}, which cannot be a command: {cure}")
        try:
            self.binder = Binder(function, name)
        except (ValueError, TypeError) as error:
            raise TypeError(f"{where} cannot be a command, as its parameters are unknown: {error}") from None
        self.name = name
        self.function = function
        self.bind = self.binder.bind
        self.takes_one_string = self.binder.takes_one_string
        self.is_async = inspect.iscoroutinefunction(inner)
        self.doc = inspect.getdoc(inner) or ""
        self.where = where


def _plain(function: Any) -> Any:
    """The function itself, below methods and partials."""
    while True:
        if isinstance(function, partial):
            function = cast("Any", function).func
        elif inspect.ismethod(function):
            function = function.__func__
        elif inspect.isroutine(function):
            return function
        else:  # an object that can be called
            return type(function).__call__


def table_of_functions(functions: Iterable[Any]) -> Dict[str, Command]:
    """The commands that plain functions are. Raises TypeError."""
    table: Dict[str, Command] = {}
    for function in functions:
        if inspect.isclass(function) or not callable(function):
            raise TypeError(f"serve takes functions, not {function!r}")
        mark = mark_of(function)
        name = (mark.name if mark else "") or getattr(function, "__name__", "")
        if not name or name == "<lambda>":
            raise TypeError(f"{function!r} has no name: serve(command(function, name=...)) gives it one")
        check_command_name(name)
        _add(table, Command(name, function, getattr(function, "__qualname__", repr(function))))
    return table


def table_of_server(server: Any, base: type) -> Dict[str, Command]:
    """The commands of a server: the marked attributes of its class and of itself, and what overrides them.
    ``base`` is the class whose attributes no command may replace. Raises TypeError.
    """
    table: Dict[str, Command] = {}
    for attribute, mark in marked_attributes(server).items():
        where = f"{type(server).__name__}.{attribute}"
        if hasattr(base, attribute):
            raise TypeError(
                f"{where} replaces a method that every server has: write @command(name={attribute!r}) above a method with another name"
            )
        name = mark.name or attribute
        check_command_name(name)
        function = getattr(server, attribute)
        if not callable(function):
            raise TypeError(f"{where} replaces a command, and is no function: {function!r}")
        _add(table, Command(name, function, where))
    return table


def _add(table: Dict[str, Command], command: Command) -> None:
    other = table.setdefault(command.name, command)
    if other is not command:
        raise TypeError(f"two commands are called {command.name!r}: {other.where} and {command.where}")
