"""A worker without a class: serve(function, ...) serves plain functions as commands."""

import sys
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence

from ._base.tensor import Library
from ._server import TechRenaissanceServer

if TYPE_CHECKING:
    from ._worker.command_table import Command


def serve(*functions: Callable[..., Any], debug: bool = False, library: Optional[Library] = None) -> None:
    """Serve functions as commands, in a script that needs no class. The session's id is the
    script's argument, ``sys.argv[1]``.

    ``debug``, ``library``: as for TechRenaissanceServer. Raises TypeError for what cannot
    be a command; and as ``run``.
    """
    if not functions:
        raise TypeError("serve takes the functions that hosts may call")
    if len(sys.argv) < 2:
        raise SystemExit(
            f"{sys.argv[0]} is a worker: a host starts it with the id of a session as its argument"
        )
    _FunctionServer(functions, debug, library).run(sys.argv[1])


class _FunctionServer(TechRenaissanceServer):
    """Has functions as its commands."""

    def __init__(
        self, functions: Sequence[Callable[..., Any]], debug: bool, library: Optional[Library]
    ) -> None:
        super().__init__(debug, library)
        self._functions = functions

    def _command_table(self) -> "Mapping[str, Command]":
        from ._worker.command_table import table_of_functions

        return table_of_functions(self._functions)
