"""The requests to one worker, and what became of them.

An exception may come at any moment, and what it interrupts is finished later. So a request is noted
before the worker can see it, the transport keeps what it took and knows what it sent, and everything
done with either can be repeated.
"""

import time
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from .._base.errors import ArenaFull, TechRenaissanceError, WorkerLost
from .._protocol.connection import Connection, State
from .._protocol.frame import Answer, Credit, Exit, Failure, Frame, Posted, Request, Response
from .._system.clock import clock_ns
from .._system.files import shown
from .._transport.transport import HostTransport, Items, Taken
from .abilities import WINDOW
from .call import CANCELLED, Call, refusal
from .call_queue import CallQueue

OVER = (State.EXITED, State.LOST)


class Book:
    """Used by an Exchange, under its lock. Exchange explains the parameters."""

    def __init__(
        self,
        transport: HostTransport,
        death: Callable[[Optional[Call], float], TechRenaissanceError],
        queue: CallQueue,
        *,
        switch_output: Optional[Callable[[str], None]],
        hands_over: Callable[[], bool],
        is_open: bool,
    ) -> None:
        self._transport = transport
        self._death = death
        self._switch_output = switch_output
        self._hands_over = hands_over
        self._is_open = is_open
        self._queue = queue
        self._queued = queue.calls
        self._window = WINDOW
        self._ready: Dict[str, Any] = {}  # what the worker has said about itself
        self._connection = Connection("the worker")
        self._unanswered = self._connection.unanswered
        # Calls whose handlers are to be told that they may send more, or an Answer.
        self._owing: Dict[Call, None] = {}
        # Calls whose handlers have asked something, or take an input: they wait for their host.
        self._talking: Dict[Call, None] = {}
        self._credit: Optional[Tuple[Call, Credit]] = None  # being sent
        self._sending: Union[Frame, Posted, None] = None  # about to be noted as sent, and perhaps not sent
        self._begun: Taken = None  # being dealt with
        self._items = Items(None, [])  # those of an Item that is being dealt with
        self._unread = Response("")  # stands for a response that cannot be read
        self._is_ending = False  # whether the host is ending the worker
        self._broken = ""  # why nothing more can be received; empty if it can
        self._calls: Dict[Optional[int], Call] = {}  # calls without a response, oldest first
        self._over = False  # whether the process has ended
        self._answered_at = 0.0  # when the last response came
        # May be read without the lock.
        self.was_ready = False
        self.was_asked_to_leave = False
        self.last_failed = False  # whether the last response reported a failure

    @property
    def under_way(self) -> List[Call]:
        """The calls without a response, oldest first. Takes no lock."""
        return list(self._calls.values())

    def begun(self) -> Dict[Call, float]:
        """The calls under way that the worker may have begun, oldest first, and since when, as far as that is
        known; otherwise since they were sent, or the call before them was answered.
        """
        calls = self.under_way
        if not calls:
            return {}
        begun = self._transport.begun([call.request.id or 0 for call in calls])
        return {call: self._since(call, begun[call.request.id]) for call in calls if call.request.id in begun}

    def stage_of(self, call: Call) -> str:
        """Where a call under way is: "sent", "running", or "asking". Takes no lock."""
        if self.is_asking(call):
            return "asking"
        return "running" if call in self.begun() else "sent"

    def is_asking(self, call: Call) -> bool:
        """Whether its handler waits for an Answer. Takes no lock."""
        return call.request.id in self._connection.asking

    def in_work(self) -> Dict[Call, float]:
        """Like ``begun``; if the worker has begun none, the oldest call, whose turn it is."""
        begun = self.begun()
        if not begun:
            begun = {call: self._since(call) for call in self.under_way[:1]}
        return begun

    def _since(self, call: Call, began_ns: Optional[int] = None) -> float:
        """``began_ns``: what the worker says, which may be anything."""
        since = self._answered_at
        if began_ns is not None:  # on a clock that need not be that of time.monotonic
            since = time.monotonic() - max(0, clock_ns() - began_ns) / 1e9
        return max(call.sent_at, since)

    def _try_hand_over(self, frame: Frame) -> bool:
        """Send a frame, after noting it: the worker may answer at once, or die of it."""
        self._sending = frame
        try:
            self._connection.sent(frame)
            sent = self._transport.try_send(frame)
        except OSError as error:
            self._mend_sending()
            raise unreachable(error) from error
        except BaseException:
            self._mend_sending()
            raise
        if sent:
            self._sending = None
        else:
            self._mend_sending()
        return sent

    def _mend_sending(self) -> None:
        frame = self._sending
        if frame is None or isinstance(frame, tuple):
            return
        if self._transport.has_sent(frame):
            self._connection.sent_again(frame)
            self.was_asked_to_leave = self.was_asked_to_leave or isinstance(frame, Exit)
        else:
            self._connection.unsent(frame)
            if isinstance(frame, Credit) and self._credit:
                call, credit = self._credit
                if credit is frame:
                    call.granted -= credit.count
            if isinstance(frame, Request):
                call = self._calls.get(frame.id)
                if call:
                    call.exchange = None
                self._calls.pop(frame.id, None)
        self._sending = None

    def _send_dues(self) -> None:
        """Answer what the worker has asked, and tell it what it may send more, as far as there is room."""
        for call in list(self._talking):
            self._see_to(call)
        for call in list(self._owing):
            answer = call.reply
            if answer is not None:
                if answer.id in self._connection.asking and not self._try_send_answer(call, answer):
                    return
                call.reply = None
            if call.request.id not in self._calls or not call.is_wanted:
                del self._owing[call]
                continue
            count = call.owed
            if count > 0:
                credit = Credit(call.request.id or 0, count)
                self._sending = credit
                call.granted += count
                self._credit = (call, credit)
                if not self._try_hand_over(credit):
                    return
            self._owing.pop(call, None)

    def _try_send_answer(self, call: Call, answer: Answer) -> bool:
        """One for whose text there is no memory becomes an error of the handler."""
        try:
            return self._try_hand_over(answer)
        except ArenaFull as error:
            failure = Failure("command_failed", str(error), "tech_renaissance.ArenaFull")
            call.reply = refusal(answer, failure)
        return self._try_hand_over(call.reply)

    def _see_to(self, call: Call) -> None:
        """Have a call that talks answered. If nobody waits for it any longer, its handler is told
        so; or the call is given up, if values of an input are awaited.
        """
        is_under_way = call.request.id in self._calls and not call.done
        if is_under_way and call.abandoned:
            if call.source:
                self._transport.ask_to_cancel(call.request.id or 0)
            elif call.ask and not call.runs and call.reply is None:
                call.reply = refusal(call.ask, CANCELLED)
        if call.reply is not None:
            self._owing[call] = None
            call.ask = call.runs = None
        if not is_under_way or (call.abandoned and not call.runs):
            self._talking.pop(call, None)

    def _may_overlap(self) -> bool:
        """Whether a call may be sent although others are under way, if the output belongs to calls."""
        if self._ready.get("coroutines"):
            return True
        return all(
            call.items is not None
            or number in self._connection.asking
            or (call.source and self._transport.awaits_item(number or 0))
            for number, call in self._calls.items()
        )

    def _lose(self) -> None:
        self._over = True
        self._transport.stop_firing()
        if self._connection.state in OVER and not self._calls and not self._queued:
            return
        self._connection.lost()
        inherited: List[Call] = []
        hands_over = self._hands_over()
        if hands_over:
            begun = self.begun()
            inherited = [
                call
                for call in self.under_way
                if call.may_be_sent_again and (call.idempotent or call not in begun)
            ]
        self._queue.inherit(inherited)
        for call in inherited:
            if call.items is not None:
                call.begin_stream()
            call.ask = call.runs = call.reply = None
            call.exchange = None
            self._calls.pop(call.request.id, None)
        self._fail_all(lambda call: self._death(call, 0.0))
        if self._is_open and not hands_over:
            self._queue.fail(lambda call: self._death(call, 0.0))

    def _fail_all(self, error: Callable[[Call], TechRenaissanceError]) -> None:
        for call in self._calls.values():
            if not call.done:
                call.fail(error(call))
        self._calls.clear()


def unreachable(error: OSError) -> WorkerLost:
    """The error for a failure of the transport itself."""
    return WorkerLost("worker_lost", f"the worker cannot be reached: {shown(error)}")
