"""What a host is told that asks for a command which does not exist."""

import difflib
import inspect
import sys
from typing import Any, Sequence

from .._protocol.frame import Failure

_PACKAGE = __name__.partition(".")[0]


def unknown_command(server: Any, name: str, names: Sequence[str], reason: str) -> Failure:
    """``names``: what was perhaps meant. ``reason``: why ``main_logic`` was not asked, if it was not."""
    what = _no_command(server, name)
    message = f"unknown command {name!r}: {what}" if what else unknown_text(name, names)
    if reason:
        message += f" ({reason})"
    return Failure("unknown_command", message)


def unknown_text(name: str, names: Sequence[str]) -> str:
    """The same without a look at the script."""
    near = difflib.get_close_matches(name, names, 3)
    return f"unknown command {name!r}" + (f"; did you mean {' or '.join(map(repr, near))}?" if near else "")


def _no_command(server: Any, name: str) -> str:
    """How to make a command of a method or a function that has the name; empty if there is none."""
    for kind in type(server).__mro__:
        is_users = kind.__module__.partition(".")[0] != _PACKAGE
        attribute = vars(kind).get(name) if is_users else None
        if inspect.isroutine(attribute) and not name.startswith("_"):
            return f"{kind.__name__}.{name} is a method, but no command: write @command above it"
    script = sys.modules.get("__main__")
    if type(server).__module__.partition(".")[0] == _PACKAGE and inspect.isfunction(
        getattr(script, name, None)
    ):
        return f"{name} is a function of the script, but no command: give it to serve"
    return ""
