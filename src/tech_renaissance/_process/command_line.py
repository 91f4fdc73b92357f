"""What a worker's command line consists of, and what is allowed in it."""

import os
from typing import Any, Iterable, List, NamedTuple, Tuple, cast

from .._base.display import for_display, path_for_display
from .._base.errors import LaunchError, LocalProtocolError

# Options of the interpreter whose value may be the next argument.
_TAKES_VALUE = "XW"
# Options that make it run something other than the script.
_RUNS_SOMETHING_ELSE = "cm"


class CommandLine(NamedTuple):
    """A worker's command line without its interpreter. REQUIRES: the arguments have been checked."""

    script_path: str
    session_id: str
    python_arguments: Tuple[str, ...] = ()
    arguments: Tuple[str, ...] = ()

    def after(self, interpreter: str) -> List[str]:
        """The whole command line. Raises LaunchError ``script_not_found``."""
        return [interpreter, *self.python_arguments, *self._script(), self.session_id, *self.arguments]

    def _script(self) -> List[str]:
        if self.script_path == "default":
            return ["-m", "tech_renaissance.default_server"]
        script = os.path.abspath(self.script_path)
        if not os.path.isfile(script):
            raise LaunchError("script_not_found", f"there is no worker script {path_for_display(script)}")
        return [script]


def checked_arguments(option: str, arguments: Any) -> Tuple[str, ...]:
    """A user's arguments, checked to be what every operating system can pass on. Raises LocalProtocolError
    ``bad_option``, which names the option.
    """
    if isinstance(arguments, (str, bytes)) or not isinstance(arguments, Iterable):
        raise LocalProtocolError("bad_option", f"{option} is a list of texts, not {arguments!r}")
    return tuple(_checked(option, argument) for argument in cast("Iterable[object]", arguments))


def checked_python_arguments(arguments: Any) -> Tuple[str, ...]:
    """Options that go before the script, checked not to replace it. Raises
    LocalProtocolError ``bad_option``.
    """
    checked = checked_arguments("python_arguments", arguments)
    rest = iter(checked)
    for argument in rest:
        value_is_next = _check_interpreter_option(argument)
        if value_is_next and next(rest, None) is None:
            raise LocalProtocolError("bad_option", f"python_arguments: {argument!r} has no value")
    return checked


def _checked(option: str, argument: object) -> str:
    text = argument
    if isinstance(argument, os.PathLike):
        text = os.fspath(cast("os.PathLike[Any]", argument))
    if not isinstance(text, str):
        raise LocalProtocolError("bad_option", f"{option} is a list of texts, and {argument!r} is not one")
    if not _can_be_passed_on(text):
        raise LocalProtocolError("bad_option", f"{option}: {for_display(text)} cannot be passed to a process")
    return text


def check_variable(name: str, value: str) -> None:
    """Raise LocalProtocolError ``bad_option`` for a variable that no operating system can pass on."""
    if not name or "=" in name or not _can_be_passed_on(name + value):
        raise LocalProtocolError(
            "bad_option",
            f"environment: {for_display(name)} cannot be a variable of a process: its name is not empty and has no '=', "
            "and neither has a NUL",
        )


def _can_be_passed_on(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _check_interpreter_option(argument: str) -> bool:
    """Whether its value is the next argument."""
    if argument.startswith("--"):
        return argument == "--check-hash-based-pycs"
    if argument in ("", "-") or not argument.startswith("-"):
        raise LocalProtocolError(
            "bad_option",
            f"python_arguments stand before the script and begin with '-', unlike {argument!r}; 'arguments' come after it",
        )
    for place, letter in enumerate(argument[1:], 2):
        if letter in _RUNS_SOMETHING_ELSE:
            raise LocalProtocolError(
                "bad_option", f"python_arguments: {argument!r} would run something other than the worker"
            )
        if letter in _TAKES_VALUE:
            return place == len(argument)
    return False
