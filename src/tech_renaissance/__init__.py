"""A Python worker in a process of its own, for C++ and Python programs.

A worker is a script with a TechRenaissanceServer; a host is a program with a PythonSession. Names are loaded when first
used, so that a worker pays nothing for the host's side and the other way round.
"""

from typing import TYPE_CHECKING, Any, Dict, List

from ._version import __version__

if TYPE_CHECKING:
    from ._base.errors import (
        ArenaFull,
        CallCancelled,
        Cancelled,
        CommandError,
        FormatError,
        LaunchError,
        LocalProtocolError,
        ProtocolError,
        RemoteProtocolError,
        SessionClosed,
        TechRenaissanceError,
        TimedOut,
        WorkerLost,
    )
    from ._base.post_mortem import PostMortem
    from ._host.options import CancelPatience, RestartPolicy
    from ._process.output import OutputLine
    from ._protocol.tsr import decode, encode, export_tsr, get_tsr_info, import_tsr
    from ._server import TechRenaissanceServer
    from ._session import PythonSession, SessionState

__all__ = [
    "ArenaFull",
    "CallCancelled",
    "CancelPatience",
    "Cancelled",
    "CommandError",
    "FormatError",
    "LaunchError",
    "LocalProtocolError",
    "OutputLine",
    "PostMortem",
    "ProtocolError",
    "PythonSession",
    "RemoteProtocolError",
    "RestartPolicy",
    "SessionClosed",
    "SessionState",
    "TechRenaissanceError",
    "TechRenaissanceServer",
    "TimedOut",
    "WorkerLost",
    "__version__",
    "decode",
    "encode",
    "export_tsr",
    "get_tsr_info",
    "import_tsr",
]

# Where a name lives; an error's home is _base.errors.
_HOME: Dict[str, str] = {
    "CancelPatience": "_host.options",
    "OutputLine": "_process.output",
    "PostMortem": "_base.post_mortem",
    "PythonSession": "_session",
    "RestartPolicy": "_host.options",
    "SessionState": "_session",
    "TechRenaissanceServer": "_server",
    "decode": "_protocol.tsr",
    "encode": "_protocol.tsr",
    "export_tsr": "_protocol.tsr",
    "get_tsr_info": "_protocol.tsr",
    "import_tsr": "_protocol.tsr",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME.get(name, '_base.errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted([*globals(), *__all__])
