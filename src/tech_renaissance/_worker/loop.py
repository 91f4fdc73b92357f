"""The serving loop: one request at a time, until the worker is told to leave."""

import contextlib
import errno
import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, Iterable, Mapping, Optional, Union, cast

from .._base.errors import ArenaFull, Cancelled, SessionClosed
from .._protocol.connection import Connection
from .._protocol.frame import (
    Answer,
    Credit,
    Exit,
    Exiting,
    Failure,
    Frame,
    Item,
    MalformedRequest,
    Ready,
    Request,
    Response,
)
from .._transport.transport import FOR_TURN, NOTHING, Unopened, WorkerTransport
from .._version import __version__
from .allocator import give_back_memory
from .reply import Leave, Reply, drop, error_response, failure_response
from .standard_streams import say
from .streams import OutStream, Streams
from .turn import AsyncCall, Turn
from .unhosted import UnhostedSession

if TYPE_CHECKING:
    from .._base.tensor import Library
    from .._transport.shm.worker import ShmWorker
    from .fast_path import FastPath
    from .stream_path import StreamPath
    from .talk import Talks

# How long to sleep at most before looking again; every wait is bounded. A worker that
# has slept this long is idle.
RECHECK_S = 10.0

# How long a host that has sent Exit may take to make room for the answers to its earlier requests.
_LAST_ANSWER_S = 1.0

PROTOCOL_VERSION = 2
# How many requests a host may have unanswered at once.
_WINDOW = 256


class ServingLoop:
    """Receives requests, has a server respond, sends the responses, and leaves in an orderly way.
    ``abilities``: what Ready says of it.
    """

    abilities: Mapping[str, bool] = {}
    _limit_s = RECHECK_S  # how long to wait for a request at most

    def __init__(self, turn: Turn, transport: WorkerTransport) -> None:
        self._turn = turn
        self._server = turn.server
        self.transport = transport
        self._unhosted: Optional[UnhostedSession] = None
        self._connection = Connection("the host")
        self._inbox: Deque[Union[Frame, Unopened]] = deque()  # read ahead, oldest first
        self._fast_path = _fast_path(turn, transport, self._connection)
        self._streams = Streams()
        self._stream_path: Optional[StreamPath] = None  # made with the first stream
        self._close_by: Optional[float] = (
            None  # when streams that get no credit are closed, because the worker leaves
        )
        self._has_freed = False  # whether the allocator may be keeping freed memory
        self.talks: Talks = {}  # of the calls in work
        self.thread = 0  # which serves
        self.library: Optional[Library] = None  # see TechRenaissanceServer

    def run(self, transport_info: Dict[str, str], unhosted: Optional[UnhostedSession] = None) -> None:
        """Serve until it is time to leave. ``transport_info`` is what Ready says about the transport.
        ``unhosted`` is a session whose host may never come.
        """
        self._unhosted = unhosted
        self.thread = threading.get_ident()
        self._send(Ready({**_worker_info(), **self.abilities, **transport_info}))
        try:
            self._serve_all()
        except KeyboardInterrupt:
            pass
        except SessionClosed as error:  # from the transport; a handler's own would have become its answer
            say(f"tech_renaissance: {error}, so the worker leaves")
        finally:
            for stream in self._streams.all():
                with contextlib.suppress(Leave):  # it leaves already
                    stream.close()
            with contextlib.suppress(OSError):  # even if the directory has been removed or the disk is full
                self.transport.try_send(Exiting())

    def interrupt(self) -> None:
        """End calls that the host has given up, and that do not run in this moment."""

    def has_cancelled(self) -> bool:
        """Whether there are such calls. In any thread."""
        return False

    def _serve_all(self) -> None:
        while not self._server.is_leaving and self._serve_one():
            pass

    def become_child(self, end: WorkerTransport) -> None:
        """Go on in a fork of the worker, with an end that leaves instead of sending or receiving."""
        self.transport = end
        for path in (self._fast_path, self._stream_path):
            if path:
                path.is_over = True

    def _serve_one(self) -> bool:
        """False when it is time to leave."""
        try:
            if self._streams:
                return self._serve_beside_streams()
            if self._fast_path and not self._inbox:
                response = self._fast_path.serve(self._limit_s)
                has_served, self._fast_path.has_served = self._fast_path.has_served, False
                self._has_freed = self._has_freed or has_served
                if response is not None:
                    return self._send(response)
                if self._server.is_leaving:
                    return False
                if has_served and self._fast_path.coroutines is not None:
                    return True
            frame = self._open(self._inbox.popleft()) if self._inbox else self._await_frame()
            is_staying = self._take(frame)
        except Leave as leave:
            self._send(leave.response)
            raise leave.cause from None
        if frame is None and self._has_freed:
            self._has_freed = False
            give_back_memory()
        return is_staying

    def _take(self, frame: Optional[Frame]) -> bool:
        """Do what a frame asks for. False if it is time to leave."""
        if isinstance(frame, Request):
            self._connection.received(frame)
            self._has_freed = True
            return self._answer(frame)
        if isinstance(frame, Response):  # to a request that could not be read
            self._connection.received(Request("", id=frame.id))
            return self._send(frame)
        if isinstance(frame, (Credit, Answer, Item)):
            self._deliver(frame)
        return not isinstance(frame, Exit)

    def _deliver(self, frame: Union[Credit, Answer, Item]) -> None:
        """Give a frame to the call in work that it is for. One for a call that has ended means nothing."""
        if isinstance(frame, Credit):
            self._streams.grant(frame)
            return
        talk = self.talks.get(frame.id or 0)
        if talk is None:
            drop(frame)
        elif isinstance(frame, Answer):
            talk.take(frame)
        elif talk.input is not None:
            talk.input.put(frame)
        else:
            drop(frame)

    def items_ahead(self, request_id: int) -> Iterable[Item]:
        """Take the items of a request that were read ahead of it."""
        items = [frame for frame in self._inbox if isinstance(frame, Item) and frame.id == request_id]
        if items:
            self._inbox = deque(frame for frame in self._inbox if frame not in items)
        return items

    def read_for(self, reply: Reply, is_there: Callable[[], bool], until: Optional[float]) -> bool:
        """Read ahead until something is there for which the handler of a call waits; False if it has not come
        in time. To be shielded from interrupts. Raises Cancelled if the call is given up meanwhile,
        SessionClosed if the host is gone.
        """
        while not is_there():
            if reply.request_id is not None and self.transport.is_cancelled(reply.request_id):
                reply.interrupted = True
                raise Cancelled("the host has ended this call")
            remaining = RECHECK_S if until is None else until - time.monotonic()
            frame = self._read_ahead(max(0.0, min(remaining, RECHECK_S)), is_bounded=False)
            if frame is None and remaining <= 0:
                return is_there()
            self._keep(frame)
        return True

    def _keep(self, frame: Union[Frame, Unopened, None]) -> None:
        """Take in what was read ahead."""
        if isinstance(frame, (Credit, Answer)) or (isinstance(frame, Item) and frame.id in self.talks):
            self._deliver(frame)
        elif frame is not None:
            if isinstance(frame, Exit) and any(isinstance(waiting, Exit) for waiting in self._inbox):
                raise SessionClosed("session_closed", "the host of this worker is gone")
            self._inbox.append(frame)

    def _answer(self, request: Request) -> bool:
        answer = self._response(request)
        assert not isinstance(answer, AsyncCall)
        return self._give(request, answer)

    def _give(self, request: Request, answer: Union[Response, OutStream]) -> bool:
        if isinstance(answer, Response):
            return self._send(answer)
        self.transport.park(request.id or 0)
        self._streams.add(answer)
        self._suspend(answer)
        return True

    def _serve_beside_streams(self) -> bool:
        """One request, if there is any, and one item; a stream that is alone may have taken the fast path
        before. False when it is time to leave.
        """
        if self._has_ended_alone():
            return True
        frame = self._frame_beside_streams()
        for stream in self._streams.all():  # before a request that was sent after they were given up
            self._close_if_given_up(stream)
        if not self._take(frame):
            self._close_by = time.monotonic() + _LAST_ANSWER_S
        stream = self._streams.next_in_turn()
        if stream is not None:
            self._resume(stream)
        elif self._close_by is not None and time.monotonic() >= self._close_by:
            for stream in self._streams.all():
                self._end_stream(stream, stream.close())
        return bool(self._streams) or self._close_by is None

    def _has_ended_alone(self) -> bool:
        """Run the only stream on the fast path; whether it has ended there."""
        stream = self._streams.only()
        if stream is None or stream.reply.talk is not None:
            return False
        if self._inbox or self._close_by is not None or self._fast_path is None:
            return False
        if self._stream_path is None:
            from .stream_path import StreamPath

            self._stream_path = StreamPath(self._server, cast("ShmWorker", self.transport))
        out = self._stream_path.run(stream)
        if out is not None:
            self._send_out(stream, out)
        else:
            self._suspend(stream)
        return not self._streams

    def _frame_beside_streams(self) -> Optional[Frame]:
        if self._inbox:
            return self._open(self._inbox.popleft())
        if self._streams.has_turn():
            return self._receive(0)
        return self._receive(
            RECHECK_S if self._close_by is None else max(0.0, self._close_by - time.monotonic())
        )

    def _close_if_given_up(self, stream: OutStream) -> bool:
        is_given_up = self.transport.is_cancelled(stream.request.id or 0) or stream.is_over()
        if is_given_up:
            self._end_stream(stream, stream.close())
        return is_given_up

    def _resume(self, stream: OutStream) -> None:
        # In this order: a host that finds it suspended after it has given it up knows that it is not resumed.
        self.transport.note_wait(stream.request.id or 0, NOTHING)
        if not self._close_if_given_up(stream):
            self._send_out(stream, stream.step())

    def _send_out(self, stream: OutStream, out: Union[Item, Response]) -> None:
        if isinstance(out, Item):
            try:
                self._send(out)
            except Exception as error:
                if not _is_unsendable(out, error):
                    raise
                out = stream.fail(error)
        if isinstance(out, Response):
            self._end_stream(stream, out)
        else:
            self._suspend(stream)

    def _suspend(self, stream: OutStream) -> None:
        """Nothing of it runs until it is resumed."""
        self.transport.note_wait(stream.request.id or 0, FOR_TURN)

    def _end_stream(self, stream: OutStream, response: Response) -> None:
        self._streams.remove(stream)
        self.transport.note_wait(stream.request.id or 0, NOTHING)
        if stream.reply.talk is not None:
            stream.reply.talk.finish()
        self._send(response)

    def _response(self, request: Request) -> Union[Response, OutStream, AsyncCall]:
        try:
            return self._refusal(request) or self._turn.begin(request, can_stream=self.transport.can_stream)
        finally:
            for attachment in request.attachments:
                attachment.let_go()

    def _refusal(self, request: Request) -> Optional[Response]:
        """The response to a request that its host has given up before its turn, else None."""
        if request.id is None:
            return None
        if not (self.transport.is_cancelled(request.id) or self.transport.is_stopping(request.id)):
            return None
        return error_response(request, Failure("cancelled", "its host gave it up before its turn"))

    def _await_frame(self) -> Optional[Frame]:
        """The next frame; None if there was none in time; an Exit if the host never came."""
        if self._fast_path:
            return self._receive(0)  # it has waited
        remaining_s = self._unhosted.remaining_s() if self._unhosted else None
        if self._unhosted is None or remaining_s is None:
            return self._receive(RECHECK_S)
        frame = self._receive(remaining_s)
        if frame:
            self._unhosted.host_came()
        return Exit() if frame is None and self._unhosted.is_in_vain() else frame

    def _receive(self, timeout_s: float) -> Optional[Frame]:
        try:
            return self.transport.receive(timeout_s)
        except MalformedRequest as error:
            return _malformed(error)

    def _read_ahead(self, timeout_s: float, *, is_bounded: bool = True) -> Union[Frame, Unopened, None]:
        try:
            return self.transport.read_ahead(timeout_s, is_bounded=is_bounded)
        except MalformedRequest as error:
            return _malformed(error)

    def _open(self, frame: Union[Frame, Unopened]) -> Optional[Frame]:
        try:
            return self.transport.open(frame)
        except MalformedRequest as error:
            return _malformed(error)

    def _send(self, frame: Frame) -> bool:
        """Send, waiting for room. False if the host has asked the worker to leave and makes no room."""
        leave_by: Optional[float] = None
        while not self._try_send(frame):
            is_leaving = self._server.is_leaving or any(isinstance(waiting, Exit) for waiting in self._inbox)
            if leave_by is None and is_leaving:
                leave_by = time.monotonic() + _LAST_ANSWER_S
            remaining = RECHECK_S if leave_by is None else leave_by - time.monotonic()
            if remaining <= 0:
                return False
            self._keep(self._read_ahead(remaining))
        self._connection.sent(frame)  # after sending, so that the host already reads
        return True

    def _try_send(self, frame: Frame) -> bool:
        try:
            return self.transport.try_send(frame)
        except Exception as error:
            if not isinstance(frame, Response) or not _is_unsendable(frame, error):
                raise
            # The result cannot be sent: tell the caller why.
            request = Request(frame.command, id=frame.id, dialect=frame.dialect)
            failed = failure_response(request, error)
            frame.result, frame.form, frame.attachments = failed.result, failed.form, ()
            frame.message, frame.error = failed.message, failed.error
            return self.transport.try_send(frame)


def _is_unsendable(frame: Union[Item, Response], error: Exception) -> bool:
    """Whether an error in sending concerns this frame alone: there is no room for what it
    carries, or a limit of file sizes is below that.
    """
    is_too_large = isinstance(error, OSError) and error.errno == errno.EFBIG
    return bool(frame.attachments) or is_too_large or isinstance(error, ArenaFull)


def _fast_path(turn: Turn, transport: WorkerTransport, connection: Connection) -> "Optional[FastPath]":
    """The fast path; None for transports other than shared memory."""
    if not transport.has_rings:
        return None
    from .fast_path import FastPath

    return FastPath(turn, cast("ShmWorker", transport), connection)


def _malformed(error: MalformedRequest) -> Response:
    request = Request("", id=error.id, dialect=error.dialect)
    return error_response(request, Failure("malformed_request", f"malformed request: {error}"))


def _worker_info() -> Dict[str, Any]:
    return {
        "pid": os.getpid(),
        "interpreter": sys.executable,
        "python": sys.version.partition(" ")[0],
        "tech_renaissance": __version__,
        "protocol": PROTOCOL_VERSION,
        "window": _WINDOW,
        "start_time": time.time(),
    }
