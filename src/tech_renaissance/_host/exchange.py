"""The exchange of one worker's life: calls go in, replies come out, from any number of threads.

Who waits reads. There is no thread of our own: the first thread that waits for anything becomes the reader, gives every frame
that comes to the call it belongs to, and wakes the others; when it has what it wanted, another becomes the reader. So a
reply reaches a single waiting thread without a switch between threads.
"""

import threading
import time
from typing import Callable, Dict, List, Optional, Union

from .._base.errors import RemoteProtocolError, SessionClosed, TechRenaissanceError, WorkerLost
from .._protocol.connection import Connection, State
from .._protocol.frame import Exit, Frame, Ready, Response
from .._system.waits import at_once
from .._transport.transport import BROKEN_RING, HostTransport
from .call import Call, call_ended, expired

# A worker that never stops talking is listened to for so long after the time has passed.
_LAST_WORDS_S = 0.5

_OVER = (State.EXITED, State.LOST)


class Exchange:
    """Thread-safe. ``has_exited`` tells whether the process is gone.

    ``death(call)`` is called once the process has ended: the error that says why, to the call or (None) to whoever comes later.
    ``switch_output(message)``: if given, the output is told to which call it belongs, and one request is under way at a time.
    ``wait_for_room(timeout_s)``: if given, holds up who is about to send, as long as what was written is not given on.
    ``hands_over``: calls whose requests had not begun, or are idempotent, do not end with the worker; ``take_unanswered`` has them.
    """

    def __init__(
        self,
        transport: HostTransport,
        has_exited: Callable[[], bool],
        death: Callable[[Optional[Call]], TechRenaissanceError],
        *,
        switch_output: Optional[Callable[[str], None]] = None,
        wait_for_room: Optional[Callable[[float], None]] = None,
        hands_over: bool = False,
    ) -> None:
        self._transport = transport
        self._has_exited = has_exited
        self._death = death
        self._switch_output = switch_output
        self._wait_for_room = wait_for_room
        self._hands_over = hands_over
        self._connection = Connection()
        self._lock = threading.RLock()  # a signal handler may use the session, too
        self._changed = threading.Condition(self._lock)
        self._waiting = 0  # threads that sleep until it changes
        self._reading = False
        self._closed = False
        self._broken = ""  # why nothing can be received any more, if so
        self._calls: Dict[Optional[int], Call] = {}  # that have no response yet, oldest first
        self._unanswered: List[Call] = []
        self._over = False  # the process is gone
        # For all to read, without the lock.
        self.current: Optional[Call] = None  # in work, as far as is known
        self.was_ready = False
        self.was_asked_to_leave = False
        self.last_failed = False  # the last response reported a failure

    @property
    def state(self) -> State:
        """The connection's state, after taking in what has arrived."""
        self.take_in()
        return self._connection.state

    @property
    def under_way(self) -> List[Call]:
        """The calls that have no response yet, oldest first. Takes no lock."""
        return list(self._calls.values())

    def take_in(self) -> None:
        """Give what has arrived to the calls it belongs to; does not wait."""
        self._until(lambda: False, 0)

    def wait_started(self, timeout_s: float) -> bool:
        """Wait until the worker is ready; False if it is not yet. Raises what ended it, if it can serve no more."""
        return self._until(self._has_started, timeout_s)

    def send(self, call: Call, timeout_s: float) -> bool:
        """Hand a call to the worker, waiting for room; False if there was none. Raises what ended the worker."""
        if self._wait_for_room:
            until = time.monotonic() + timeout_s
            self._wait_for_room(timeout_s)
            timeout_s = max(0.0, until - time.monotonic())
        return self._until(lambda: self._try_send(call), timeout_s)

    def wait(self, call: Call, timeout_s: float) -> bool:
        """Wait until the call is done, or is this exchange's no more; False if it is not."""
        return self._until(lambda: call.done or call.exchange is not self, timeout_s)

    def begin_end(self, call: Call, why: str) -> bool:
        """The host is about to end the call in work: what it is answered counts no more. False if it is not in work (any more)."""
        self.take_in()
        with self._lock:
            if call.done or call is not self.current:
                return False
            call.why, call.step = why, "notice"
            return True

    def expire(self, call: Call) -> bool:
        """End a call whose deadline has passed before its turn; False if it is in work, or done."""
        self.take_in()
        with self._lock:
            if call.done or call is self.current:
                return False
            call.error = expired(call)
            self._wake_all()
            return True

    def wait_over(self, timeout_s: float) -> bool:
        """Wait until the process has ended, and with it the calls, or they are handed over; False if it lives."""
        return self._until(lambda: self._over, timeout_s)

    def take_unanswered(self) -> List[Call]:
        """The calls that are handed over, oldest first."""
        with self._lock:
            calls, self._unanswered = self._unanswered, []
            return calls

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until every call is answered; False if they are not. Raises what ended the worker."""
        return self._until(self._is_idle, timeout_s)

    def ask_to_leave(self, timeout_s: float) -> bool:
        """Ask the worker to leave, waiting for its start and for room; True once it is asked, or gone."""
        return self._until(self._try_ask_to_leave, timeout_s)

    def wait_left(self, timeout_s: float) -> bool:
        """Wait until the worker says that it leaves, or is gone; False if it does not."""
        return self._until(lambda: self._connection.state in _OVER, timeout_s)

    def close(self) -> None:
        """The worker is gone: every waiting call fails, and no thread is in the transport any more."""
        with self._lock:
            self._closed = True
            self._lose()
            while self._reading:
                self._transport.wake()
                self._sleep(0.1)

    def _try_send(self, call: Call) -> bool:
        self._check_usable()
        if self._switch_output:
            if self._calls:
                return False
            self._switch_output(call.message)
        # Before the worker can have it: it may die of it at once.
        before = self.current
        call.exchange = self
        call.since = time.monotonic()
        self._calls[call.request.id] = call
        if before is None:
            self.current = call
        sent = False
        try:
            sent = self._try_hand_over(call.request)
        finally:
            if not sent:
                del self._calls[call.request.id]
                self.current = before
        return sent

    def _try_hand_over(self, frame: Frame) -> bool:
        try:
            if not self._transport.try_send(frame):
                return False
        except OSError as error:
            raise _broken(error) from error
        self._connection.sent(frame)
        return True

    def _has_started(self) -> bool:
        if self._connection.state is State.STARTING:
            return False
        self._check_usable()
        return True

    def _is_idle(self) -> bool:
        if self._connection.state is State.BUSY:
            return False
        self._check_usable()
        return True

    def _try_ask_to_leave(self) -> bool:
        if self._connection.state in (State.READY, State.BUSY):
            self.was_asked_to_leave = self._try_hand_over(Exit())
        return self._connection.state in (State.EXITING, State.EXITED, State.LOST)

    def _check_usable(self) -> None:
        if self.was_asked_to_leave:
            raise SessionClosed("session_closed", "the worker was asked to exit: start the session again")
        if self._broken:
            raise RemoteProtocolError(BROKEN_RING, self._broken)
        if self._connection.state in _OVER:
            raise self._death(None)

    def _until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Run the exchange until ``done()``, which is called under the lock; False after the timeout. 0 takes in what is there."""
        with self._lock:
            if done():
                return True
            until = time.monotonic() + timeout_s
            remaining_s = timeout_s
            while not (self._closed or self._broken):  # then the transport is another's, or of no use
                if not self._reading:
                    came = self._read(remaining_s)
                elif remaining_s:
                    came = self._sleep(remaining_s)
                else:
                    return False
                if done():
                    return True
                now = time.monotonic()
                if not remaining_s and (not came or now > until + _LAST_WORDS_S):
                    return False
                remaining_s = max(0.0, until - now)
            return False

    def _sleep(self, timeout_s: float) -> bool:
        """Let another thread change something, at most so long; called and left with the lock held."""
        self._waiting += 1
        try:
            return self._changed.wait(at_once(timeout_s))
        finally:
            self._waiting -= 1

    def _wake_all(self) -> None:
        if self._waiting:
            self._changed.notify_all()

    def _read(self, timeout_s: float) -> bool:
        """Be the reader for one frame; called and left with the lock held. False if nothing came."""
        self._reading = True
        self._lock.release()
        frame: Union[Frame, RemoteProtocolError, None] = None
        gone = False
        try:
            frame, gone = self._receive(timeout_s)
        finally:
            self._lock.acquire()
            self._reading = False
            self._wake_all()
            if frame is not None:
                self._dispatch(frame)
            elif gone:
                self._lose()
        return frame is not None

    def _receive(self, timeout_s: float) -> "tuple[Union[Frame, RemoteProtocolError, None], bool]":
        """A frame or None, and whether the worker is gone. What it said before it died comes first."""
        try:
            frame = self._transport.receive(timeout_s)
            if frame is None and self._has_exited():
                frame = self._transport.receive(0)
                return frame, frame is None
        except RemoteProtocolError as error:
            return error, False
        except OSError as error:
            raise _broken(error) from error
        return frame, False

    def _dispatch(self, frame: Union[Frame, RemoteProtocolError]) -> None:
        try:
            if isinstance(frame, Response):
                self._settle(frame, None)
            elif isinstance(frame, RemoteProtocolError):
                self._take_unreadable(frame)
            else:
                self._connection.received(frame)
                self.was_ready = self.was_ready or isinstance(frame, Ready)
        except RemoteProtocolError as error:
            broken_rule = error
            self._end_all(lambda _: broken_rule)

    def _take_unreadable(self, error: RemoteProtocolError) -> None:
        """It is the answer to the oldest call, since they come in order; or nothing more will come."""
        if error.code == BROKEN_RING:
            self._broken = str(error)
            self._connection.lost()
            raise error
        self._settle(Response("", id=self._connection.oldest_request), error)

    def _settle(self, response: Response, error: Optional[RemoteProtocolError]) -> None:
        self._connection.received(response)
        self.last_failed = bool(error or response.error)
        call = self._calls.get(response.id)
        if call:
            if call.step in ("terminate", "kill"):  # its last word; it ends with its worker
                return
            del self._calls[response.id]
        if self._switch_output:
            self._switch_output("")
        if self._calls:
            self.current = following = next(iter(self._calls.values()))
            following.since = time.monotonic()
        else:
            self.current = None
        if call is None or call.done:
            return
        if not call.why and call.is_overdue():  # the worker was quicker to see it than we
            was_begun = not response.error or response.error.code != "cancelled" or response.error.type
            call.why, call.step = "deadline", "notice" if was_begun else "queue"
        if call.why:
            call.error = call_ended(call)
        else:
            response.command = response.command or call.request.command
            call.response, call.error = (None, error) if error else (response, None)

    def _lose(self) -> None:
        self._over = True
        if self._connection.state in _OVER and not self._calls:
            return
        self._connection.lost()
        if self._hands_over:
            self._unanswered += [call for call in self._calls.values() if self._is_handed_over(call)]
            for call in self._unanswered:
                self._calls.pop(call.request.id, None)
                call.exchange = None
        self._end_all(self._death)
        self._wake_all()

    def _is_handed_over(self, call: Call) -> bool:
        if call.done or call.why or call.abandoned:
            return False
        has_begun = call is self.current and self._transport.may_have_begun(call.request.id or 0)
        return call.idempotent or not has_begun

    def _end_all(self, error: Callable[[Call], TechRenaissanceError]) -> None:
        for call in self._calls.values():
            if not call.done:
                call.error = error(call)
        self._calls.clear()
        self.current = None


def _broken(error: OSError) -> WorkerLost:
    return WorkerLost("worker_lost", f"the worker cannot be reached: {error}")
