"""One request and what became of it, and how its end is told."""

import math
import time
from typing import TYPE_CHECKING, Optional

from .._base.errors import CallCancelled, TechRenaissanceError, TimedOut
from .._base.post_mortem import PostMortem
from .._protocol.frame import Request, Response

if TYPE_CHECKING:
    from .exchange import Exchange


class Call:
    """One request and what became of it. Belongs to its exchange's lock until it is done."""

    # That has sent it; none while it changes from one to the next.
    exchange: "Optional[Exchange]" = None
    since = 0.0  # when it got into work, or was sent
    response: Optional[Response] = None
    error: Optional[TechRenaissanceError] = None
    timed_out = False  # a wait for it has
    # Nobody waits for it any more: it is not handed over, and its answer discarded.
    abandoned = False
    # How its host ended it: why ("deadline", "cancel"), the last step that was taken, the worker's stacks before the first.
    why = ""
    step = ""
    stack = ""

    def __init__(self, request: Request, *, idempotent: bool = False) -> None:
        self.request = request
        self.idempotent = idempotent

    @property
    def done(self) -> bool:
        """Whether there is an answer or an error."""
        return self.response is not None or self.error is not None

    @property
    def message(self) -> str:
        """The request as a person writes it."""
        return f"{self.request.command} {self.request.parameters}".rstrip()

    def remaining_s(self) -> float:
        """Seconds until its deadline, not below 0; infinite if it has none."""
        deadline_ns = self.request.deadline_ns
        return math.inf if deadline_ns is None else max(0.0, (deadline_ns - time.perf_counter_ns()) / 1e9)

    def is_overdue(self) -> bool:
        """Whether it has a deadline, and that has passed."""
        return not self.remaining_s()

    def take_response(self) -> Response:
        """The response of a call that is done, or its error."""
        if self.response is None:
            assert self.error is not None
            raise self.error
        return self.response


def expired(call: Call) -> TechRenaissanceError:
    """The error of a call whose deadline has passed before its turn."""
    call.why, call.step = "deadline", "queue"
    return call_ended(call)


def call_ended(call: Call, post_mortem: Optional[PostMortem] = None) -> TechRenaissanceError:
    """The error of a call that its host has ended."""
    how = {
        "queue": "it had not begun",
        "notice": "the handler saw it and returned",
        "interrupt": "the handler was interrupted",
        "terminate": "its worker was terminated",
        "kill": "its worker was killed",
    }[call.step]
    what = "was cancelled" if call.why == "cancel" else "passed its deadline"
    text = with_stacks(f"{call.request.command!r} {what}: {how}", call.stack)
    if call.why == "cancel":
        return CallCancelled(text, "cancelled", call.step, call.stack, post_mortem)
    return TimedOut(text, "deadline_passed", call.step, call.stack, post_mortem)


def with_stacks(text: str, stack: str) -> str:
    """A message, and below it the worker's stacks, if there are any."""
    return f"{text}; the worker's stacks:\n{stack}" if stack else text
