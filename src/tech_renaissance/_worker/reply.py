"""What a handler has said so far, and the response that is made of it. Contract: spec/protocol.md."""

import traceback
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence

from .._base.errors import Cancelled
from .._protocol.body import TEXT
from .._protocol.frame import INVALID_TENSORS, Failure, Request, Response
from .._system.clock import clock_ns

if TYPE_CHECKING:
    from types import TracebackType

    from .._transport.transport import Received
    from .talk import Talk


# The reply of the call whose coroutine runs, or of the call that has started the task.
TASK_REPLY: "ContextVar[Reply]" = ContextVar("TASK_REPLY")


class Reply:
    """A request that is being handled, and what its handler has said so far."""

    interrupted = False  # Cancelled has been raised, or must not be
    shielded = False  # an interrupt must wait, and sets interrupt_is_due
    interrupt_is_due = False
    form = TEXT
    result: Optional[str] = None
    reason = ""  # why get_tensors last returned None
    refusal = ""  # why main_logic was not asked
    # Whether the host takes items, or if they cannot travel, a list of them and of
    # what the generator returned.
    streams = False
    takes_items = False
    has_input = False
    generator: Any = None  # what a command has returned, if its values are to be items
    # What a command has returned, if it is to be awaited; ``finish`` makes the reply of what that gives.
    coroutine: Any = None
    finish: Optional[Callable[[Any], None]] = None
    is_over = False  # the coroutine has ended, but not all tasks that it has started
    talk: "Optional[Talk]" = None  # what it tells and asks its host, if it does

    def __init__(
        self,
        command: str,
        request_id: Optional[int],
        deadline_ns: Optional[int],
        attachments: "Sequence[Received]" = (),
    ) -> None:
        self.command = command
        self.request_id = request_id
        self.deadline_ns = deadline_ns
        self.attachments = attachments
        self.tensors: List[Any] = []

    @property
    def said_something(self) -> bool:
        return self.result is not None or bool(self.tensors) or bool(self.reason)

    @property
    def is_invalid(self) -> bool:
        """Whether it says that there were no tensors for the handler."""
        return bool(self.reason) and (self.result == "invalid" or (self.result is None and not self.tensors))

    def response(self, request: Request) -> Response:
        if self.talk is not None:
            self.talk.finish()
        result, failure = self.result, None
        if self.is_invalid:
            result, failure = result or "invalid", Failure(INVALID_TENSORS, self.reason)
        if result is None:
            result = "ok"
        return Response(
            self.command, result, self.reason, self.tensors, failure, request.id, request.dialect, self.form
        )


class Leave(Exception):
    """The handler asked the worker to leave, by SystemExit or KeyboardInterrupt."""

    def __init__(self, response: Response, cause: BaseException) -> None:
        super().__init__()
        self.response = response
        self.cause = cause


class Refusal(Exception):
    """A request does not get as far as its handler. ``code``: why, as in spec/errors.md."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def remaining_seconds(deadline_ns: Optional[int]) -> Optional[float]:
    """Seconds until a deadline, at least 0; None if there is none."""
    return None if deadline_ns is None else max(0.0, (deadline_ns - clock_ns()) / 1e9)


def drop(frame: Any) -> None:
    """Return what a frame brought."""
    for attachment in frame.attachments:
        attachment.let_go()


def error_response(request: Request, failure: Failure) -> Response:
    return Response(request.command, "error", failure.message, (), failure, request.id, request.dialect)


def failure_response(request: Request, error: BaseException, reason: str = "") -> Response:
    """The response to a request whose handler raised. ``reason``: why it did not get
    its tensors, if it did not.
    """
    if isinstance(error, Refusal):
        trace = _traceback_text(error.__cause__) if error.__cause__ else ""
        return error_response(request, Failure(error.code, str(error), traceback=trace))
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(error)
    except BaseException:
        message = "(it has no message: its __str__ raised)"
    code = "cancelled" if isinstance(error, Cancelled) else "command_failed"
    what = f"{name}: {message}" if message else name
    if reason:
        what += f" (get_tensors had returned None: {reason})"
    return error_response(request, Failure(code, what, name, _traceback_text(error)))


# Where the frames between the serving loop and a handler come from: all of this package except
# scripts such as default_server.py.
_OURS = remaining_seconds.__code__.co_filename[: -len("worker/reply.py")]


def _traceback_text(error: BaseException) -> str:
    """The traceback from the user's first frame on."""
    trace: Optional[TracebackType] = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))
