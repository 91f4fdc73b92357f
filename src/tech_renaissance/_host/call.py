"""One request and what became of it, and how its end is reported."""

import functools
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Optional, Protocol, Sequence, Tuple, Union

from .._base.errors import CallCancelled, TechRenaissanceError, TimedOut
from .._base.post_mortem import PostMortem
from .._protocol.body import TEXT
from .._protocol.frame import FIRST_CREDIT, LONG, Answer, Ask, Failure, Posted, Progress, Request, Response
from .._system.clock import clock_ns
from .input_source import InputSource

if TYPE_CHECKING:
    from .._protocol.body import ReadBody


class CallWaiter(Protocol):
    """Where a call that was sent is waited for: an exchange."""

    def wait(self, call: "Call", timeout_s: float) -> bool:
        """See Exchange."""
        ...

    def wait_news(self, call: "Call", timeout_s: float) -> bool:
        """See Exchange."""
        ...

    def expire(self, call: "Call") -> bool:
        """See Exchange."""
        ...


class Call:
    """One request and what became of it. Guarded by its exchange's lock until it is done."""

    # The exchange that sent it; None before that, and while moving between workers.
    exchange: Optional[CallWaiter] = None
    is_plain = False  # whether it is a PlainCall
    is_queued = False  # whether it is in line
    stays_in_line = False  # whether whoever makes it does not wait for room
    is_inherited = False  # whether it is in line for the worker after a dead one
    sent_at = 0.0  # on the monotonic clock
    response: Optional[Response] = None
    # In place of a response: what a plain answer that came on a fast path consists of.
    result: Optional[str] = None
    form = TEXT
    attachments: Sequence[Any] = ()
    error: Optional[BaseException] = None
    # Told when anything has changed, by whichever thread has changed it, perhaps under a lock.
    # An exception may prevent that.
    watchers: "Tuple[Callable[[Call], None], ...]" = ()
    # The items of a call that streams which have come and were not taken; any thread may take them. And
    # whether they come all at once, with the response.
    items: "Optional[Deque[ReadBody]]" = None
    is_whole = False
    is_being_ended = False  # whether a thread is taking the steps that end it
    came = 0  # how many items have come
    granted = 0  # how many the worker may send in all
    # What it wants of the thread that waits for it, if anything is new: to tell how far it is, to run a
    # function that its handler asks for, to take the values of its input.
    has_news = False
    progress: Optional[Progress] = None
    told: Optional[Progress] = None  # the progress that on_progress has been given
    on_progress: Optional[Callable[[Any], object]] = None
    ask: Optional[Ask] = None
    runs: Optional[Ask] = None  # the Ask whose function runs
    was_asked = False  # whether a function has been run for it, which cannot be undone
    reply: Optional[Answer] = None  # to be sent
    source: Optional[InputSource] = None
    is_stopping = False
    timed_out = False  # whether a wait for it has timed out
    # Nobody is waiting for it any longer: it is not handed over, and its answer is discarded.
    abandoned = False
    # How its host ended it: why ("deadline", "cancel"), the last step taken, and the worker's
    # stacks before the first step.
    why = ""
    step = ""
    stack = ""

    def __init__(self, request: Request, *, idempotent: bool = False) -> None:
        self.request = request
        self.idempotent = idempotent
        if request.streams:
            self.begin_stream()

    def begin_stream(self) -> None:
        """Be ready for its items, none of which has come."""
        self.items = deque()
        self.came, self.granted = 0, FIRST_CREDIT

    def fail(self, error: BaseException) -> None:
        """It has no answer, because of this."""
        self.request.attachments = ()  # nobody will need them again
        self.error = error
        self.tell()

    def fail_after_all(self, error: Exception) -> None:
        """This has come of it, although there is an answer."""
        self.error = error
        self.result = self.response = None

    def tell(self) -> None:
        """Tell the watchers."""
        for watcher in self.watchers:
            watcher(self)

    def let_go(self) -> None:
        """Nobody waits for it any longer. What the program has given for it may own anything, even its
        session, so it is not kept until the answer has come.
        """
        self.on_progress = None
        if self.source:
            self.source.let_go()

    @property
    def done(self) -> bool:
        """Whether there is an answer or an error."""
        return self.result is not None or self.response is not None or self.error is not None

    @property
    def taken(self) -> int:
        """How many items were taken."""
        return self.came - len(self.items) if self.items is not None else 0

    @property
    def owed(self) -> int:
        """How many more items the worker is to be told that it may send."""
        return 0 if self.items is None else FIRST_CREDIT + self.taken - self.granted

    @property
    def is_wanted(self) -> bool:
        """Whether somebody may still wait for an answer."""
        return not (self.done or self.why or self.abandoned)

    @property
    def may_be_sent_again(self) -> bool:
        """Whether nothing has become of it that a second worker could not repeat."""
        was_fed = self.source is not None and self.source.was_taken_from
        return self.is_wanted and not (self.taken or was_fed or self.was_asked or self.is_stopping)

    def came_before(self, other: "Call") -> bool:
        """Whether it is the older one of the two."""
        return (self.request.id or 0) < (other.request.id or 0)

    @property
    def message(self) -> str:
        """The request as a user would write it."""
        return f"{self.request.command} {self.request.parameters}".rstrip()

    def remaining_s(self) -> float:
        """Seconds until its deadline, at least 0; infinite if it has no deadline."""
        deadline_ns = self.request.deadline_ns
        return math.inf if deadline_ns is None else max(0.0, (deadline_ns - clock_ns()) / 1e9)

    def is_overdue(self) -> bool:
        """Whether it has a deadline that has passed."""
        return not self.remaining_s()

    def take_response(self) -> Response:
        """Return the response of a call that is done, or raise its error."""
        if self.response is None:
            if self.error is not None:
                raise self.error
            assert self.result is not None
            request, attachments = self.request, self.attachments
            self.response = Response(
                request.command, self.result, "", attachments, None, request.id, LONG, self.form
            )
        return self.response


class PlainCall(Call):
    """One whose arguments have no attachments, and about which nothing is special. It is settled on a fast
    path, and its request is made when somebody asks for it.
    """

    is_plain = True
    stays_in_line = True
    idempotent = False

    def __init__(self, posted: Posted) -> None:  # pyright: ignore[reportMissingSuperCall]
        self.posted = posted

    @functools.cached_property
    def request(self) -> Request:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        """As it was posted."""
        number, command, parameters, typed, form, _, _ = self.posted
        return Request(command, parameters, number, typed=typed, form=form)


# What the last step taken has come to.
_ENDED_BY = {
    "queue": "it had not begun",
    "notice": "the handler saw it and returned",
    "interrupt": "the handler was interrupted",
    "terminate": "its worker was terminated",
    "kill": "its worker was killed",
}


def unbegun(call: Call, why: str) -> TechRenaissanceError:
    """The error of a call that was ended before its turn. ``why``: "deadline" or "cancel"."""
    call.why, call.step = why, "queue"
    return call_ended(call)


def call_ended(call: Call, post_mortem: Optional[PostMortem] = None) -> TechRenaissanceError:
    """The error of a call that its host has ended."""
    how = _ENDED_BY[call.step]
    what = "was cancelled" if call.why == "cancel" else "passed its deadline"
    text = with_stacks(f"{call.request.command!r} {what}: {how}", call.stack)
    if call.why == "cancel":
        return CallCancelled(text, "cancelled", call.step, call.stack, post_mortem)
    return TimedOut(text, "deadline_passed", call.step, call.stack, post_mortem)


def with_stacks(text: str, stack: str) -> str:
    """A message, followed by the worker's stacks, if there are any."""
    return f"{text}; the worker's stacks:\n{stack}" if stack else text


# What a handler is told if nobody at its host waits for its call any longer.
CANCELLED = Failure("cancelled", "the host has stopped waiting for the call")


def refusal(ask: Union[Ask, Answer], failure: Failure) -> Answer:
    """The Answer to an Ask, or instead of another Answer, that reports a failure."""
    return Answer(ask.id, "error", message=failure.message, error=failure)
