"""The fast path of single calls: one function from a small call to its answer.

Most calls are alike: one thread makes one, nothing else is in the way, and what comes next from the worker is
its answer, a few words. Such a call takes the way below, which does at once what the general path does in
some thirty functions. Whatever is out of the ordinary is left to the general path, at the point that has been
reached. That path is the specification: for what this one carries, both must come to the same, and after an
exception at any moment whoever takes the lock next finishes what was interrupted, as ever.
"""

import threading
import time
from typing import Any, Callable, Dict, Optional, Sequence

from .._protocol.body import TEXT
from .._protocol.connection import State
from .._protocol.frame import LONG, Posted, Request, Response
from .._system.clock import clock_ns
from .abilities import speaks_values
from .book import unreachable
from .call import Call, PlainCall
from .exchange import Exchange

_SERVING = (State.READY, State.BUSY)


class FastExchange(Exchange):
    """An Exchange that also carries small calls to the worker and back."""

    # What the worker has said about itself, once it is known to take calls that carry values.
    _taking: Optional[Dict[str, Any]] = None

    def carry(  # noqa: C901 - one function is the point
        self,
        number: Optional[int],
        command: str,
        parameters: str,
        timeout_s: float,
        typed: bool = False,
        form: int = TEXT,
        attachments: Sequence[Any] = (),
        idempotent: bool = False,
        deadline_ns: Optional[int] = None,
        on_progress: Optional[Callable[[Any], object]] = None,
    ) -> Optional[Call]:
        """Send a request, unless something is in its way, and wait for what comes next, for at
        most ``timeout_s``, which is no longer than until its deadline. None if it was not sent;
        else the call, which may be done.
        """
        call: Optional[Call] = None
        mark = None
        try:
            with self._lock:
                if not self._is_free() or ((typed or attachments) and not self._takes_values()):
                    return None
                self._sending = posted = (number, command, parameters, typed, form, attachments, deadline_ns)
                if not self._transport.post(posted):
                    self._sending = None
                    return None
                # The worker is at work by now, so the rest of this costs no time.
                call = self._note(posted)
                call.idempotent = idempotent
                if on_progress is not None:
                    call.on_progress = on_progress
                self._sending = None
                mark = (threading.get_ident(),)
                self._reader = mark
                self._receiving = True
                self._is_armed = False
            answer = self._transport.take_plain(call.request)
            taken, gone = (None, False) if answer else self._receive(timeout_s, looks=False)
            with self._lock:
                if answer is None:
                    self._end_reading(taken, gone)
                elif (
                    call.why
                    or call.done
                    or call.is_stopping
                    or self._is_ending
                    or len(self._calls) > 1
                    or (deadline_ns is not None and deadline_ns <= clock_ns())
                ):
                    self._end_reading(
                        Response("", answer[1], "", answer[2], None, number, LONG, answer[0]), gone=False
                    )
                else:
                    call.form, call.result, call.attachments = answer
                    self._connection.answered(number)
                    self.last_failed = False
                    del self._calls[number]
                    self._transport.forget_taken()
                    self._receiving = False
                    self._reader = None
                    if self._waiters.sleepers:
                        self._waiters.wake_all()
            if self._queued or self._owing or self._loops.all:
                self._go_on()
        except BaseException as error:
            if call:
                call.abandoned = True
            if mark and self._reader is mark:
                self._reader = None
            self._leave(error, None)
            if isinstance(error, OSError):
                raise unreachable(error) from error
            raise
        return call

    def send_plain(self, call: PlainCall) -> bool:
        """Send a call for which nobody waits yet; False if something is in its way."""
        try:
            with self._lock:
                if not self._may_post():
                    return False
                if len(self._unanswered) >= self._window:
                    self._take_ready()
                    if self._loops.all:
                        self._rest()
                    if len(self._unanswered) >= self._window:
                        return False
                self._sending = posted = call.posted
                if not self._transport.post(posted):
                    self._sending = None
                    return False
                call.sent_at = time.monotonic()
                call.exchange = self
                self._calls[posted[0]] = call
                self._connection.posted(posted[0])
                self._sending = None
        except BaseException as error:
            self._leave(error, None)
            if isinstance(error, OSError):
                raise unreachable(error) from error
            raise
        return True

    def _may_post(self) -> bool:
        """Whether the worker takes calls that carry values, none is in line, and no exception has
        left anything to be finished.
        """
        return (
            self._connection.state in _SERVING
            and self._sending is None
            and (not self._receiving or self._reader is not None)
            and self._is_open
            and not self._queued
            and self._takes_values()
        )

    def _is_free(self) -> bool:
        """Whether the worker is ready, nothing else is to be done, and no exception has
        left anything to be finished.
        """
        return (
            self._connection.state is State.READY
            and not self._calls
            and self._sending is None
            and not self._receiving
            and self._is_open
            and not (self._queued or self._owing or self._loops.all)
        )

    def _go_on(self) -> None:
        """Do what others are waiting for."""
        self._until(lambda: True, 0)

    def _note(self, posted: Posted) -> Call:
        """Note that a request has been sent. May be repeated."""
        number, command, parameters, typed, form, attachments, deadline_ns = posted
        call = self._calls.get(number)
        if call is None:
            call = Call(Request(command, parameters, number, LONG, deadline_ns, typed, form, attachments))
            call.sent_at = time.monotonic()
            call.exchange = self
            self._calls[number] = call
        if deadline_ns is not None:
            self._watch(call)
        self._connection.sent_again(call.request)
        return call

    def _mend_sending(self) -> None:
        posted = self._sending
        if not isinstance(posted, tuple):
            super()._mend_sending()
            return
        if self._transport.has_sent(posted):
            self._note(posted).abandoned = True
        self._sending = None

    def _takes_values(self) -> bool:
        if self._taking is not self._ready and speaks_values(self._ready):
            self._taking = self._ready
        return self._taking is self._ready
