"""The exchange of one worker's life: calls go in, replies come out, from any number of threads.

Who waits reads. There is no thread of our own: the first thread that waits for anything becomes the reader, gives every frame
that comes to the call it belongs to, and wakes the others; when it has what it wanted, another becomes the reader. So a
reply reaches a single waiting thread without a switch between threads.
"""

import threading
import time
from typing import Callable, Dict, Optional, Union

from ._connection import Connection, State
from ._errors import RemoteProtocolError, SessionClosed, TechRenaissanceError, TimedOut, WorkerLost
from ._frame import Exit, Frame, Ready, Request, Response
from ._transport import BROKEN_RING, HostTransport

# A worker that never stops talking is listened to for so long after the time has passed.
_LAST_WORDS_S = 0.5


class Call:
    """One request and what became of it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.response: Optional[Response] = None
        self.error: Optional[TechRenaissanceError] = None
        self.timed_out = False

    @property
    def done(self) -> bool:
        """Whether there is an answer or an error."""
        return self.response is not None or self.error is not None


class Exchange:
    """Thread-safe. ``has_exited`` tells whether the process is gone; ``death`` makes the error that says why.

    ``death(starting)`` is called once the process has ended; ``starting``: it had never been ready.
    """

    def __init__(
        self,
        transport: HostTransport,
        has_exited: Callable[[], bool],
        death: Callable[[bool], TechRenaissanceError],
    ) -> None:
        self._transport = transport
        self._has_exited = has_exited
        self._death = death
        self._connection = Connection()
        self._changed = threading.Condition()
        self._reading = False
        self._closed = False
        self._broken = ""  # why nothing can be received any more, if so
        self._calls: Dict[Optional[int], Call] = {}
        self._asked_to_leave = False
        self._was_ready = False
        self._last_failed = False

    @property
    def state(self) -> State:
        """The connection's state, after taking in what has arrived."""
        self.take_in()
        return self._connection.state

    def take_in(self) -> None:
        """Give what has arrived to the calls it belongs to; does not wait."""
        self._until(lambda: False, 0)

    @property
    def last_failed(self) -> bool:
        """Whether the last response reported a failure."""
        return self._last_failed

    def wait_started(self, timeout_s: float) -> bool:
        """Wait until the worker is ready; False if it is not yet. Raises what ended it, if it can serve no more."""
        return self._until(self._has_started, timeout_s)

    def send(self, call: Call, timeout_s: float) -> None:
        """Hand a call to the worker, waiting for room. Raises TimedOut, or what ended the worker."""
        if not self._until(lambda: self._try_send(call), timeout_s):
            raise TimedOut(
                f"{call.request.command!r} could not be sent within {timeout_s:g} s: the worker is busy"
            )

    def wait(self, call: Call, timeout_s: float) -> Response:
        """The call's response. Raises TimedOut, or what ended the worker; the call stays known: abandon it, or wait again."""
        if not self._until(lambda: call.done, timeout_s):
            call.timed_out = True
            raise TimedOut(f"{call.request.command!r} was not answered within {timeout_s:g} s")
        if call.response is None:
            assert call.error is not None
            raise call.error
        return call.response

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until every call is answered; False if they are not. Raises what ended the worker."""
        return self._until(self._is_idle, timeout_s)

    def abandon(self, call: Call) -> None:
        """Nobody waits for this call any more: its response will be discarded."""
        with self._changed:
            self._calls.pop(call.request.id, None)

    def ask_to_leave(self, timeout_s: float) -> bool:
        """Ask the worker to leave, waiting for its start and for room; True once it is asked, or gone."""
        return self._until(self._try_ask_to_leave, timeout_s)

    def wait_left(self, timeout_s: float) -> bool:
        """Wait until the worker says that it leaves, or is gone; False if it does not."""
        return self._until(lambda: self._connection.state in (State.EXITED, State.LOST), timeout_s)

    def close(self) -> None:
        """The worker is gone: every waiting call fails, and no thread is in the transport any more."""
        with self._changed:
            self._closed = True
            self._lose()
            while self._reading:
                self._transport.wake()
                self._changed.wait(0.1)

    def _try_send(self, call: Call) -> bool:
        self._check_usable()
        if not self._try_hand_over(call.request):
            return False
        self._calls[call.request.id] = call
        return True

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
            self._asked_to_leave = self._try_hand_over(Exit())
        return self._connection.state in (State.EXITING, State.EXITED, State.LOST)

    def _check_usable(self) -> None:
        state = self._connection.state
        if self._asked_to_leave:
            raise SessionClosed("session_closed", "the worker was asked to exit: start the session again")
        if self._broken:
            raise RemoteProtocolError(BROKEN_RING, self._broken)
        if state in (State.LOST, State.EXITED):
            raise self._death(not self._was_ready)

    def _until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Run the exchange until ``done()``, which is called under the lock; False after the timeout. 0 takes in what is there."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not done():
                if self._closed or self._broken:  # the transport is another's now, or of no use
                    return False
                remaining = max(0.0, deadline - time.monotonic())
                if self._reading:
                    if not remaining:
                        return False
                    self._changed.wait(remaining)
                    continue
                came = self._read(remaining)
                if not remaining and (not came or time.monotonic() > deadline + _LAST_WORDS_S):
                    return done()
            return True

    def _read(self, timeout_s: float) -> bool:
        """Be the reader for one frame; called and left with the lock held. False if nothing came."""
        self._reading = True
        self._changed.release()
        frame: Union[Frame, RemoteProtocolError, None] = None
        gone = False
        try:
            frame, gone = self._receive(timeout_s)
        finally:
            self._changed.acquire()
            self._reading = False
            self._changed.notify_all()
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
            if isinstance(frame, RemoteProtocolError):
                self._take_unreadable(frame)
            elif isinstance(frame, Response):
                self._settle(frame, None)
            else:
                self._connection.received(frame)
                self._was_ready = self._was_ready or isinstance(frame, Ready)
        except RemoteProtocolError as error:
            for call in self._calls.values():
                call.error = error
            self._calls.clear()

    def _take_unreadable(self, error: RemoteProtocolError) -> None:
        """It is the answer to the oldest call, since they come in order; or nothing more will come."""
        if error.code == BROKEN_RING:
            self._broken = str(error)
            self._connection.lost()
            raise error
        self._settle(Response("", id=self._connection.oldest_request), error)

    def _settle(self, response: Response, error: Optional[RemoteProtocolError]) -> None:
        self._connection.received(response)
        self._last_failed = bool(error or response.error)
        call = self._calls.pop(response.id, None)
        if call is not None:
            response.command = response.command or call.request.command
            call.response, call.error = (None, error) if error else (response, None)

    def _lose(self) -> None:
        if self._connection.state in (State.LOST, State.EXITED) and not self._calls:
            return
        self._connection.lost()
        if self._calls:
            error = self._death(not self._was_ready)
            for call in self._calls.values():
                call.error = error
            self._calls.clear()
        self._changed.notify_all()


def _broken(error: OSError) -> WorkerLost:
    return WorkerLost("worker_lost", f"the worker cannot be reached: {error}")
