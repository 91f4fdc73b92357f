"""Errors, sorted by who is at fault. Codes and meanings: spec/errors.md.

TechRenaissanceError
├── LaunchError             the worker never became ready
├── SessionClosed           you used a session that is not started, or that you closed
├── WorkerLost              the worker died, or went away, while you needed it
├── TimedOut                the answer did not come in time (also a TimeoutError)
├── CallCancelled           you cancelled the call
├── ProtocolError
│   ├── LocalProtocolError  you asked for something the protocol does not allow (also a ValueError)
│   └── RemoteProtocolError the other side sent something the protocol does not allow
├── CommandError            the worker's command failed
├── FormatError             bytes that are not a TSR tensor, or a tensor TSR cannot hold
└── ArenaFull               no shared memory left for a tensor

Cancelled is none of these: it is raised in a worker's handler whose call is over.
"""

from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from .post_mortem import PostMortem


class TechRenaissanceError(Exception):
    """Root of all errors of this package. ``code`` is stable; the message is for people."""

    code: str

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _ProcessError(TechRenaissanceError):
    """An error that concerns the worker's process.

    ``exit_status`` is the exit code, negative for a signal (on Windows: an exception), None while
    unknown; ``output_tail`` is the last lines the worker printed; ``post_mortem`` is all that is known
    about its end, None if it has not ended.
    """

    def __init__(
        self,
        code: str,
        message: str,
        exit_status: Optional[int] = None,
        output_tail: str = "",
        post_mortem: "Optional[PostMortem]" = None,
    ) -> None:
        super().__init__(code, message)
        self.exit_status = exit_status
        self.output_tail = output_tail
        self.post_mortem = post_mortem


class LaunchError(_ProcessError):
    """The worker never became ready."""


class WorkerLost(_ProcessError):
    """The worker died, or went away, while it was needed."""


class SessionClosed(TechRenaissanceError):
    """The session is not started, or was closed by its owner."""


class _CallEnded(TechRenaissanceError):
    """An error of a call that ended before its answer came.

    ``step`` is the step of the ladder that ended it ("notice", "interrupt", "terminate" or "kill"; "queue" if
    it had not begun; empty if no step was taken). ``stack`` is the worker's Python stacks at that time, empty
    if they could not be taken. ``post_mortem`` is the worker's, if the worker had to be ended.
    """

    _usual_code = ""

    def __init__(
        self,
        message: str,
        code: str = "",
        step: str = "",
        stack: str = "",
        post_mortem: "Optional[PostMortem]" = None,
    ) -> None:
        super().__init__(code or self._usual_code, message)
        self.step = step
        self.stack = stack
        self.post_mortem = post_mortem


class TimedOut(_CallEnded, TimeoutError):
    """The answer did not come in time; a late one will be discarded.

    The code is ``timed_out``, or ``deadline_passed`` if the call was ended.
    """

    _usual_code = "timed_out"


class CallCancelled(_CallEnded):
    """The call was ended by ``cancel``."""

    _usual_code = "cancelled"


class Cancelled(BaseException):
    """Raised in a handler whose call is over: its deadline has passed, or the host has cancelled it.

    Not an Exception, so that ``except Exception`` lets it pass. A handler may raise it itself.
    """


class ProtocolError(TechRenaissanceError):
    """A rule of spec/protocol.md was broken; the leaf says by whom."""


class LocalProtocolError(ProtocolError, ValueError):
    """We asked for something the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The other side sent something the protocol does not allow."""


class CommandError(TechRenaissanceError):
    """The worker's command failed; the worker lives on, except after SystemExit and KeyboardInterrupt.

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
    """Bytes that are not a TSR tensor, or a tensor TSR cannot hold. ``offset`` is the position of
    the defect in the bytes, or -1.
    """

    def __init__(self, code: str, message: str, offset: int = -1) -> None:
        super().__init__(code, message)
        self.offset = offset


class ArenaFull(TechRenaissanceError):
    """No shared memory is left for a tensor."""

    def __init__(self, message: str) -> None:
        super().__init__("arena_full", message)


# So that tracebacks say tech_renaissance.WorkerLost, the name that users import.
for _error in [
    value for value in globals().values() if isinstance(value, type) and value.__module__ == __name__
]:
    _error.__module__ = "tech_renaissance"
