"""What a handler has said so far, and the response that is made of it. Contract: spec/protocol.md."""

import time
import traceback
from typing import Any, List, Optional, Sequence

from .._base.errors import Cancelled
from .._protocol.frame import INVALID_TENSORS, Failure, Request, Response
from .._transport.transport import Received

# The serving loop's frame, and that of the server's method which runs the handler; the handler's own come after them.
_OUR_FRAMES = 2


class Reply:
    """A request that is being handled, and what its handler has said so far."""

    interrupted = False  # Cancelled has been raised, or must not be
    shielded = False  # an interrupt must wait, and sets interrupt_is_due
    interrupt_is_due = False
    result: Optional[str] = None
    reason = ""  # why get_tensors last returned None

    def __init__(
        self,
        command: str,
        request_id: Optional[int],
        deadline_ns: Optional[int],
        attachments: Sequence[Received] = (),
    ) -> None:
        self.command = command
        self.request_id = request_id
        self.deadline_ns = deadline_ns
        self.attachments = attachments
        self.tensors: List[Any] = []

    @property
    def said_something(self) -> bool:
        return self.result is not None or bool(self.tensors) or bool(self.reason)

    def response(self, request: Request) -> Response:
        result, failure = self.result, None
        if self.reason and (result == "invalid" or (result is None and not self.tensors)):
            result, failure = result or "invalid", Failure(INVALID_TENSORS, self.reason)
        if result is None:
            result = "ok"
        return Response(self.command, result, self.reason, self.tensors, failure, request.id, request.dialect)


class Leave(Exception):
    """The handler asked the worker to leave, by SystemExit or KeyboardInterrupt."""

    def __init__(self, response: Response, cause: BaseException) -> None:
        super().__init__()
        self.response = response
        self.cause = cause


def remaining_seconds(deadline_ns: Optional[int]) -> Optional[float]:
    """Seconds until a deadline, at least 0; None if there is none."""
    return None if deadline_ns is None else max(0.0, (deadline_ns - time.perf_counter_ns()) / 1e9)


def error_response(request: Request, failure: Failure) -> Response:
    return Response(request.command, "error", failure.message, (), failure, request.id, request.dialect)


def failure_response(request: Request, error: BaseException, reason: str = "") -> Response:
    """The response to a request whose handler raised. ``reason``: why it did not get its tensors, if it did not."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    trace = error.__traceback__
    for _ in range(_OUR_FRAMES):
        trace = trace.tb_next if trace and trace.tb_next else trace
    text = "".join(traceback.format_exception(kind, error, trace))
    try:
        message = str(error)
    except BaseException:
        message = "(it has no message: its __str__ raised)"
    code = "cancelled" if isinstance(error, Cancelled) else "command_failed"
    what = f"{name}: {message}" if message else name
    if reason:
        what += f" (get_tensors had returned None: {reason})"
    failure = Failure(code, what, name, text)
    return error_response(request, failure)
