"""What a response makes of its call."""

from typing import Optional

from .._base.errors import RemoteProtocolError
from .._protocol.frame import Response
from .call import Call, call_ended

# The exceptions that end what a worker has not finished when it leaves.
_LEFT_OPEN = ("GeneratorExit", "asyncio.CancelledError")


def answer_call(call: Call, response: Response) -> None:
    """It is answered by this."""
    call.request.attachments = ()  # nobody will need them again
    response.command = response.command or call.request.command
    call.response = response
    if call.watchers:
        call.tell()


def conclude(call: Call, response: Response, error: Optional[RemoteProtocolError]) -> None:
    """The same for one about which something is special. ``error``: why the response could
    not be read, if it could not.
    """
    if not call.why and call.is_overdue():  # the worker noticed it before we did
        call.step, call.why = "notice", "deadline"
    if call.is_stopping and not call.why and _was_refused(response):
        call.step, call.why = "notice", "cancel"
    if call.step == "notice" and not error and _was_refused(response):
        call.step = "queue"
    if call.why:
        call.fail(call_ended(call))
    elif error:
        call.fail(error)
    else:
        answer_call(call, response)


def _was_refused(response: Response) -> bool:
    """Whether the worker did not begin the request, because it was over by then."""
    return response.error is not None and response.error.code == "cancelled" and not response.error.type


def was_left_open(response: Response) -> bool:
    """Whether a worker that leaves has closed the generator of a call, or cancelled its coroutine."""
    error = response.error
    return error is not None and error.code == "cancelled" and error.type in _LEFT_OPEN


def without_credit(call: Call) -> RemoteProtocolError:
    """The error of an item that was not to come."""
    text = f"the worker sent an item to {call.request.command!r} for which it had no credit"
    return RemoteProtocolError("bad_state", text)
