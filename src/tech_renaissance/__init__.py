"""A Python worker in a process of its own, for C++ and Python programs.

A worker is a script with a TechRenaissanceServer; a host is a program with a PythonSession. Names are loaded
on first use, so that a worker pays nothing for the host's side, and a host nothing for the worker's.

This file has no annotations, so that interpreters too old for the other files can
read it and get a clear error.
"""

import sys

if sys.version_info < (3, 8):  # noqa: UP036 - nothing else stops them from using a checkout or a copied folder
    version = sys.version.split()[0]
    raise ImportError(
        "tech_renaissance needs Python 3.8 or later; " + str(sys.executable) + " is Python " + version
    )

from typing import TYPE_CHECKING

from ._lazy import __dir__ as __dir__
from ._lazy import __getattr__ as __getattr__
from ._version import __version__

if TYPE_CHECKING:
    from ._async_session import AsyncSession
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
    from ._base.progress import Progress
    from ._base.session_state import SessionState
    from ._function_server import serve
    from ._host.async_stream import AsyncStream
    from ._host.future import Future
    from ._host.options import CancelPatience, RestartPolicy
    from ._host.stream import Stream
    from ._process.output import OutputLine
    from ._protocol.tsr import decode, encode, export_tsr, get_tsr_info, import_tsr
    from ._server import TechRenaissanceServer, current_server
    from ._session import PythonSession
    from ._worker.command import command

__all__ = [
    "ArenaFull",
    "AsyncSession",
    "AsyncStream",
    "CallCancelled",
    "CancelPatience",
    "Cancelled",
    "CommandError",
    "FormatError",
    "Future",
    "LaunchError",
    "LocalProtocolError",
    "OutputLine",
    "PostMortem",
    "Progress",
    "ProtocolError",
    "PythonSession",
    "RemoteProtocolError",
    "RestartPolicy",
    "SessionClosed",
    "SessionState",
    "Stream",
    "TechRenaissanceError",
    "TechRenaissanceServer",
    "TimedOut",
    "WorkerLost",
    "__version__",
    "command",
    "current_server",
    "decode",
    "encode",
    "export_tsr",
    "get_tsr_info",
    "import_tsr",
    "serve",
]
