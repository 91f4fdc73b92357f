"""What a call in work tells its host, and asks it: progress, and the functions that the host has exposed.
Contract: spec/protocol.md, Progress, and Callbacks.
"""

import math
import time
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Sequence, Union

from .._base.durations import seconds
from .._base.errors import CommandError, LocalProtocolError, TimedOut
from .._base.tensor import Library
from .._protocol.body_decoder import decode_result
from .._protocol.body_encoder import encode_call
from .._protocol.frame import Answer, Ask, Item, Progress
from .._transport.transport import FOR_ANSWER, NOTHING
from .reply import Reply, drop, remaining_seconds

if TYPE_CHECKING:
    from .inputs import InputQueue
    from .loop import ServingLoop

# Progress of one call is sent so often at most.
_PROGRESS_S = 0.01
_LONGEST_MESSAGE = 1000


class Talk:
    """The talk of one call, from the first word to the call's end. Only for the thread that serves."""

    def __init__(self, loop: "ServingLoop", reply: Reply) -> None:
        assert reply.request_id is not None
        self.request_id = reply.request_id
        self._loop = loop
        self._reply = reply
        self._held: Optional[Progress] = None  # the newest, if it was not sent
        self._next_s = 0.0  # when Progress may be sent again
        self._is_asking = False  # an Ask has no Answer
        self._is_waiting = False  # for that Answer
        self._answer: Optional[Answer] = None
        self.input: Optional[InputQueue] = None
        self._path: Any = None  # the fast path, over shared memory
        if loop.transport.has_rings:
            from . import ask_path

            self._path = ask_path
        loop.talks[self.request_id] = self

    def progress(self, done: float, total: Optional[float], message: str) -> None:
        """Tell how far the call is, unless that was told a moment ago, or there is little room.
        Raises SessionClosed in a fork.
        """
        self._check_open("progress")
        frame = Progress(
            self.request_id, done, math.nan if total is None else total, message[:_LONGEST_MESSAGE]
        )
        now = time.monotonic()
        if now >= self._next_s and self._loop.transport.try_send(frame):
            self._held, self._next_s = None, now + _PROGRESS_S
        else:
            self._held = frame

    def finish(self) -> None:
        """The call is over. May be called twice."""
        if self._held is not None:
            self._loop.transport.try_send(self._held)
            self._held = None
        if self._loop.talks.get(self.request_id) is self:
            del self._loop.talks[self.request_id]
        if self.input is not None:
            self.input.close()
        self.end_waits()

    @property
    def is_awaiting(self) -> bool:
        """Whether a coroutine awaits something of the host's."""
        return bool(self.input and self.input.waiters)

    def take(self, answer: Answer) -> None:
        """An Answer has come. One for which nobody waits any more is dropped."""
        is_wanted = self._is_asking and self._is_waiting
        self._is_asking = False
        if not is_wanted:
            drop(answer)
            return
        self._answer = answer

    def end_waits(self) -> None:
        """End the waits of a coroutine whose call is over."""
        if self.input is not None:
            self.input.end_waits()

    def ask(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], timeout_ms: Optional[float]
    ) -> Any:
        """Call a function of the host, and wait; the worker serves nobody else meanwhile. To
        be shielded from interrupts.

        Raises CommandError, TimedOut, Cancelled, SessionClosed; LocalProtocolError or FormatError for
        arguments that cannot be sent.
        """
        transport = self._loop.transport
        if not transport.has_rings:
            self._check_open(f"host.{name}")
        form, text, attachments = encode_call(args, kwargs)
        until = self._until(timeout_ms)
        if self._is_asking:  # the late Answer may have come
            self._loop.read_for(self._reply, lambda: not self._is_asking, 0.0)
            self._check_turn()
        path = self._path
        try:
            transport.note_wait(self.request_id, FOR_ANSWER)
            if (
                path is not None
                and not attachments
                and path.send(transport, self.request_id, name, form, text)
            ):
                self._is_asking = True
                answer = path.look(transport, self.request_id)
                if answer is not None:
                    self._is_asking = False
                    return decode_result(*answer)
            else:
                frame = Ask(self.request_id, name, text, form, attachments, waiting=True)
                if not self._loop.read_for(self._reply, lambda: self._sends(frame), until):
                    raise timed_out(name)
            self._is_waiting = True
            if not self._loop.read_for(self._reply, lambda: self._answer is not None, until):
                raise timed_out(name)
            return self._value(name)
        finally:
            self._is_waiting = False
            transport.note_wait(self.request_id, NOTHING)

    def _ask_of(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, waiting: bool) -> Ask:
        self._check_open(f"host.{name}")
        form, text, attachments = encode_call(args, kwargs)
        return Ask(self.request_id, name, text, form, attachments, waiting)

    def _check_open(self, what: str) -> None:
        self._loop.transport.check_open(what)

    def _check_turn(self) -> None:
        if self._is_asking:
            text = "the host has not answered this call's last question, for which nobody waited any longer"
            raise LocalProtocolError("bad_state", text)

    def _until(self, timeout_ms: Optional[float]) -> Optional[float]:
        """When to stop waiting, on the clock of time.monotonic."""
        if timeout_ms is None and self._reply.deadline_ns is None:
            return None
        limits = [remaining_seconds(self._reply.deadline_ns)]
        if timeout_ms is not None:
            limits.append(seconds("timeout_ms", timeout_ms))
        known = [limit for limit in limits if limit is not None]
        return time.monotonic() + min(known) if known else None

    def _sends(self, frame: Ask) -> bool:
        sent = self._loop.transport.try_send(frame)
        if sent:
            self._is_asking = True
        else:
            self._loop.transport.forget_unsent(frame)
        return sent

    def _value(self, name: str) -> Any:
        answer, self._answer = self._answer, None
        assert answer is not None
        if answer.error:
            drop(answer)
            raise _failure(name, answer)
        return value_of(answer, self._loop.library)


def value_of(frame: Union[Answer, Item], library: Optional[Library]) -> Any:
    """The value that a frame brought; what it held is returned. Raises RemoteProtocolError,
    and what attachments raise.
    """
    try:
        values = [attachment.value(library) for attachment in frame.attachments]
        return decode_result(frame.form, frame.result, values)
    finally:
        drop(frame)


def timed_out(name: str) -> TimedOut:
    """The error of an Ask."""
    return TimedOut(f"the host's function {name!r} has not answered in time")


def _failure(name: str, answer: Answer) -> CommandError:
    error = answer.error
    assert error is not None
    text = f"{name}: {error.message}" + (f"\nIn the host: {error.traceback}" if error.traceback else "")
    return CommandError(error.code, text.rstrip(), error.type, error.message, error.traceback, answer.result)


# By the ids of their calls.
Talks = Dict[int, Talk]
