"""Errors, sorted by who is at fault. Codes and meanings: spec/errors.md.

TechRenaissanceError
├── LaunchError             the worker never became ready
├── SessionClosed           you used a session that is not started, or that you closed
├── WorkerLost              the worker died, or went away, while you needed it
├── TimedOut                the answer did not come in time (also a TimeoutError)
├── ProtocolError
│   ├── LocalProtocolError  you asked for something the protocol does not allow (also a ValueError)
│   └── RemoteProtocolError the other side sent something the protocol does not allow
├── CommandError            the worker's command failed
├── FormatError             bytes that are not a TSR tensor, or a tensor TSR cannot hold
└── ArenaFull               no shared memory left for a tensor
"""

from typing import Optional


class TechRenaissanceError(Exception):
    """Root of all errors of this package. ``code`` is stable; the message is for people."""

    code: str

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _ProcessError(TechRenaissanceError):
    """An error that the worker's process tells about.

    ``exit_status`` is the exit code, negative for a signal, None while unknown;
    ``output_tail`` the last lines the worker printed.
    """

    def __init__(
        self,
        code: str,
        message: str,
        exit_status: Optional[int] = None,
        output_tail: str = "",
    ) -> None:
        super().__init__(code, message)
        self.exit_status = exit_status
        self.output_tail = output_tail


class LaunchError(_ProcessError):
    """The worker never became ready."""


class WorkerLost(_ProcessError):
    """The worker died, or went away, while it was needed."""


class SessionClosed(TechRenaissanceError):
    """The session is not started, or was closed by its owner."""


class TimedOut(TechRenaissanceError, TimeoutError):
    """The answer did not come in time. A late one will be discarded."""

    def __init__(self, message: str) -> None:
        super().__init__("timed_out", message)


class ProtocolError(TechRenaissanceError):
    """A rule of spec/protocol.md was broken; the leaf says by whom."""


class LocalProtocolError(ProtocolError, ValueError):
    """We asked for something the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The other side sent something the protocol does not allow."""


class CommandError(TechRenaissanceError):
    """The worker's command failed; the worker lives on.

    ``remote_type``, ``remote_message`` and ``remote_traceback`` are those of the exception in the worker
    (empty where there was none); ``result`` is the text of the reply.
    """

    def __init__(
        self,
        code: str,
        message: str,
        remote_type: str = "",
        remote_message: str = "",
        remote_traceback: str = "",
        result: str = "",
    ) -> None:
        super().__init__(code, message)
        self.remote_type = remote_type
        self.remote_message = remote_message
        self.remote_traceback = remote_traceback
        self.result = result


class FormatError(TechRenaissanceError):
    """Bytes that are not a TSR tensor, or a tensor TSR cannot hold. ``offset``: where the defect stands, or -1."""

    def __init__(self, code: str, message: str, offset: int = -1) -> None:
        super().__init__(code, message)
        self.offset = offset


class ArenaFull(TechRenaissanceError):
    """There is no shared memory left for a tensor."""

    def __init__(self, message: str) -> None:
        super().__init__("arena_full", message)


# Tracebacks say tech_renaissance.WorkerLost, the name that users import.
for _error in [
    value for value in globals().values() if isinstance(value, type) and value.__module__ == __name__
]:
    _error.__module__ = "tech_renaissance"
