"""``@command`` marks the functions of a script that its host may call. Contract:
spec/protocol.md, Typed calls.
"""

import inspect
import re
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, TypeVar, cast, overload

_Function = TypeVar("_Function", bound=Callable[..., Any])

_MARK = "_tech_renaissance_command"
# A text call's command is its first word, and a text that begins with "{" is JSON.
_NAME = re.compile("[^\\s\x00-\x1f\x7f-\x9f\ud800-\udfff{_][^\\s\x00-\x1f\x7f-\x9f\ud800-\udfff]*")
_MOST_NAME_NBYTES = 128


class Mark(NamedTuple):
    """What ``@command`` says about a function. ``name`` is empty if the
    command is called as the function is.
    """

    name: str


@overload
def command(function: _Function, *, name: str = ...) -> _Function: ...
@overload
def command(*, name: str = ...) -> Callable[[_Function], _Function]: ...
def command(function: Optional[Any] = None, *, name: str = "") -> Any:
    """Make a method of a TechRenaissanceServer a command, which hosts can call by its name, or
    by ``name`` if that is given.

    Its parameters, hints, defaults and docstring tell how it is called. The function stays what it is. Raises
    TypeError for what is no function, and for a name that no command can have.
    """
    if name:
        check_command_name(name)
    if function is None:
        return partial(_marked, name=name)
    return _marked(function, name)


def _marked(function: Any, name: str) -> Any:
    if isinstance(function, str):
        raise TypeError(f"the name of a command is given as command(name={function!r})")
    inner = _function_in(function)
    if isinstance(inner, type) or not callable(inner):
        raise TypeError(f"@command is for functions, not for a {_kind(function)}")
    try:
        setattr(inner, _MARK, Mark(name))
    except (AttributeError, TypeError):
        raise TypeError(f"@command cannot mark a {_kind(function)}: write a function that calls it") from None
    return function


def _kind(value: Any) -> str:
    return "class" if isinstance(value, type) else cast("Any", type(value)).__name__


def _function_in(attribute: Any) -> Any:
    is_wrapped = isinstance(attribute, (staticmethod, classmethod))
    return cast("Any", attribute).__func__ if is_wrapped else attribute


def mark_of(attribute: Any) -> Optional[Mark]:
    """The mark of what a class or an instance has in its ``__dict__``; None if it has
    none. Runs no code of the user.
    """
    try:
        own = object.__getattribute__(_function_in(attribute), "__dict__")
    except AttributeError:
        return None
    mark = own.get(_MARK)
    return mark if isinstance(mark, Mark) else None


def marked_attributes(server: Any) -> Dict[str, Mark]:
    """Which attributes are commands: the marked ones, and those that stand in the place of one.
    None in its place takes one away.
    """
    return _marks_in([*_scopes(type(server)), getattr(server, "__dict__", {})])


def command_names(kind: Any) -> Dict[str, str]:
    """The names of the commands that a class has under other names."""
    marks = _marks_in(_scopes(kind)) if inspect.isclass(kind) else {}
    return {attribute: mark.name for attribute, mark in marks.items() if mark.name}


def _scopes(kind: Any) -> List[Mapping[str, Any]]:
    return [vars(one) for one in reversed(kind.__mro__)]


def _marks_in(scopes: Iterable[Mapping[str, Any]]) -> Dict[str, Mark]:
    marks: Dict[str, Mark] = {}
    for scope in scopes:
        for attribute, value in list(scope.items()):
            mark = mark_of(value)
            if mark is not None:
                marks[attribute] = mark
            elif value is None:
                marks.pop(attribute, None)
    return marks


def check_called_methods(server: Any) -> None:
    """Raise TypeError for a coroutine function in the place of a method that is called and not awaited."""
    for name in ("main_logic", "commands", "setup", "teardown"):
        if inspect.iscoroutinefunction(getattr(server, name)):
            raise TypeError(
                f"{type(server).__name__}.{name} is async def, and nobody awaits it: only commands are awaited"
            )


def check_command_name(name: Any) -> None:
    """Raise TypeError if no command can be called so."""
    cure = "; choose another with @command(name=...)"
    if not isinstance(name, str):
        raise TypeError(f"the name of a command is a str, not {name!r}")
    if name == "exit":
        raise TypeError(f"no command can be called 'exit', which asks the worker to leave{cure}")
    if name.startswith("_"):
        raise TypeError(f"no command can be called {name!r}: names that begin with _ are reserved{cure}")
    if not _NAME.fullmatch(name) or len(name.encode()) > _MOST_NAME_NBYTES:
        raise TypeError(
            f"no command can be called {name!a}: a name is one word of at most {_MOST_NAME_NBYTES} bytes, and does not begin with '{{'{cure}"
        )
