"""The worker: a script's TechRenaissanceServer, which serves one request at a time until it is told to leave.

Surface (what a script calls) above, the serving loop below. Contract: spec/protocol.md.
"""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from types import FrameType
from typing import Any, Callable, Deque, Dict, Iterable, List, NoReturn, Optional, Sequence

from ._connection import Connection
from ._errors import ArenaFull, Cancelled, FormatError, LocalProtocolError
from ._frame import Exit, Exiting, Failure, Frame, MalformedRequest, Ready, Request, Response
from ._names import check_name
from ._process.lifeline import hold_lifeline
from ._tensor import Library, choose_library, dtype_named
from ._transport import WorkerTransport
from ._transport.choose import worker_transport
from ._version import __version__
from ._workspace import SessionDirectory, session_directory

if sys.platform == "win32":
    from ._process.interrupt_windows import interruptible
else:
    from ._process.interrupt_posix import interruptible

PROTOCOL_VERSION = 1

# How long to sleep at most before looking again; every wait is bounded.
_RECHECK_S = 60.0

# How long a host that asked to leave may take to make room for what it asked before.
_LAST_ANSWER_S = 1.0


class TechRenaissanceServer:
    """Base class of a worker. A script overrides ``main_logic``, makes one, and calls ``run(sys.argv[1])``.

    Not thread-safe: call its methods from the handler's thread.
    """

    def __init__(self, debug: bool = False, library: Optional[Library] = None) -> None:
        """``debug``: print what ``debug_message`` is given. ``library``: "torch" or "numpy", what tensors arrive as
        (None: torch if it is installed, else numpy).
        """
        self.debug = debug
        self.session_id = ""
        self._library: Optional[Library] = library
        self._transport: Optional[WorkerTransport] = None
        self._reply: Optional[_Reply] = None
        # It was told to by a signal; the exception that says so may have been swallowed.
        self.is_leaving = False
        self._info: Dict[str, str] = {}

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request; override this. Return True if the command is known, False otherwise.

        What ``send_tensors`` and ``write_response`` were given is sent when it returns. An exception becomes an error
        reply with its type, message and traceback, and the worker serves on.
        """
        del command, parameters
        return False

    def commands(self) -> Iterable[str]:
        """Names to suggest from when a command is unknown; override this, or do not."""
        return ()

    def run(self, session_id: str) -> None:
        """Serve the session until its host says ``exit``, goes away, or the process is interrupted.

        Raises LocalProtocolError for a bad session id and LaunchError ``session_in_use``. SystemExit from a handler is raised
        again once the worker has left in order; so is the end by SIGTERM.
        """
        self.session_id = check_name(session_id, "session id")
        path = session_directory(session_id, os.environ)
        # Taken out of the environment: they are about this process, not about those that it starts.
        host_pid, lifeline, offered = (
            os.environ.pop(name, None) for name in ("TR_HOST_PID", "TR_LIFELINE", "TR_SHM")
        )
        owned = None if host_pid or lifeline else SessionDirectory(path, empty=False)
        try:
            hold_lifeline(lifeline)
            if host_pid:
                _hear_interrupts()
            with _orderly_signals(self._leave), interruptible(path, self._interrupt, self._is_given_up):
                choice = worker_transport(path, os.environ, offered)
                self._info = {"transport": choice.name, "transport_reason": choice.reason}
                self.serve(choice.end)
        finally:
            if owned:
                owned.release()

    def serve(self, transport: WorkerTransport) -> None:
        """Serve on any transport, which is closed at the end: what ``run`` does with the session's own."""
        self._transport = transport
        try:
            _Loop(self, transport).run({**_worker_info(), **self._info})
        finally:
            self._transport = None
            transport.close()

    @property
    def cancelled(self) -> bool:
        """Whether the call in work is over: its deadline has passed, or the host has cancelled it. A handler that takes long asks now and
        then, and returns. One that does not is interrupted by Cancelled, then ended with its process.
        """
        return self.remaining_s == 0 or self._is_given_up()

    @property
    def remaining_s(self) -> Optional[float]:
        """Seconds until the deadline of the call in work, not below 0; None if it has none."""
        return _remaining_s((self._reply or self._no_reply()).request)

    def get_tensors(self, parameters: str, count: Optional[int] = None) -> Optional[List[Any]]:
        """The tensors named in ``parameters``, separated by spaces or commas; ``count`` of them (None: as many as there are).

        Returns a list of torch tensors (numpy arrays where torch is not installed), the handler's to modify; or None on a wrong
        count or a missing or broken tensor: the reply's message then says why.
        """
        reply, transport = self._reply or self._no_reply(), self._transport
        assert transport is not None
        names = parameters.replace(",", " ").split()
        if count is not None and len(names) != count:
            reply.reason = f"expected {count} tensor names, got {len(names)}: {parameters!r}"
            return None
        tensors: List[Any] = []
        name = ""
        reply.shielded = True
        try:
            for name in names:
                tensors.append(transport.get_tensor(name, self._library))
        except KeyError:
            reply.reason = f"there is no tensor {name!r}"
            return None
        except (FormatError, LocalProtocolError, OSError) as error:
            reply.reason = f"tensor {name!a}: {error}"
            return None
        finally:
            self._unshield(reply)
        return tensors

    def get_tensor(self, parameters: str) -> Optional[Any]:
        """The one tensor named in ``parameters``, or None as in ``get_tensors``."""
        tensors = self.get_tensors(parameters, 1)
        return tensors[0] if tensors else None

    def empty(self, shape: Sequence[int], dtype: Any = "float32") -> Any:
        """A new tensor, uninitialised, that ``send_tensors`` need not copy: over shared memory, the host sees this very memory.

        ``dtype``: of torch or numpy, or a name ("float32", "FP32"). Torch or numpy as arriving tensors are. Write to it before it is
        sent, not after. Raises ArenaFull, FormatError.
        """
        transport, library = self._transport, choose_library(self._library)
        if transport is None:
            raise LocalProtocolError("bad_state", "the server is not running: empty is for use in main_logic")
        reply = self._reply or self._no_reply()
        reply.shielded = True
        try:
            return transport.empty(dtype_named(dtype), shape, library)
        finally:
            self._unshield(reply)

    def send_tensors(self, *tensors: Any) -> None:
        """Add result tensors to the reply: torch, numpy, or anything with DLPack. Their values when the handler returns count."""
        (self._reply or self._no_reply()).tensors.extend(tensors)

    def write_response(self, command: str, result: str) -> None:
        """Set the reply's text. ``command``: to answer under another command's name; normally empty."""
        reply = self._reply or self._no_reply()
        reply.command = command or reply.command
        reply.result = str(result)

    def debug_message(self, *words: object) -> None:
        """Print, if the server was made with ``debug=True``."""
        if self.debug:
            print(*words, flush=True)

    def respond(self, request: Request) -> Response:
        """Run the handler for one request: its whole reply, whatever it did. Raises SystemExit and KeyboardInterrupt as _Leave, and
        Cancelled if that comes between the handler and here.
        """
        if request.deadline_ns is not None and not _remaining_s(request):
            return _error(request, Failure("cancelled", "its deadline passed before its turn"))
        self._reply = reply = _Reply(request)
        try:
            if self.main_logic(request.command, request.parameters) or reply.said_something:
                return reply.response(request)
            return self._unknown(request)
        except (Exception, Cancelled) as error:
            return _failed(request, error)
        except BaseException as error:
            raise _Leave(_failed(request, error), error) from error
        finally:
            self._reply = None

    def _unknown(self, request: Request) -> Response:
        import difflib

        message = f"unknown command {request.command!r}"
        near = difflib.get_close_matches(request.command, list(self.commands()), 3)
        if near:
            message += "; did you mean " + " or ".join(repr(name) for name in near) + "?"
        return _error(request, Failure("unknown_command", message))

    @staticmethod
    def _no_reply() -> NoReturn:
        raise LocalProtocolError("bad_state", "there is no request to answer: this is for use in main_logic")

    def _is_given_up(self) -> bool:
        """Whether the host has given up the call in work."""
        reply, transport = self._reply, self._transport
        if reply is None or transport is None or reply.request.id is None:
            return False
        return transport.is_given_up(reply.request.id)

    def _leave(self) -> None:
        """The worker is told to end by a signal: an interrupt must not take the place of that."""
        self.is_leaving = True
        if self._reply is not None:
            self._reply.interrupted = True

    def _interrupt(self) -> None:
        """Raise Cancelled in the handler of a call that is given up, once."""
        reply = self._reply
        if reply is None or reply.interrupted:
            return
        if reply.shielded:
            reply.interrupt_is_due = True
        elif self._is_given_up():
            reply.interrupted = True
            raise Cancelled("the host has given up this call")

    def _unshield(self, reply: "_Reply") -> None:
        """After what must not be left halfway: an interrupt that came meanwhile is due now."""
        reply.shielded = False
        if reply.interrupt_is_due:
            self._interrupt()


class _Reply:
    """What a handler has said so far."""

    interrupted = False  # Cancelled was raised, or must not be
    shielded = False  # from an interrupt, which is due then
    interrupt_is_due = False
    result: Optional[str] = None
    reason = ""  # why get_tensors last returned None

    def __init__(self, request: Request) -> None:
        self.request = request
        self.command = request.command
        self.tensors: List[Any] = []

    @property
    def said_something(self) -> bool:
        return self.result is not None or bool(self.tensors) or bool(self.reason)

    def response(self, request: Request) -> Response:
        result, failure = self.result, None
        if self.reason and (result == "invalid" or (result is None and not self.tensors)):
            result, failure = result or "invalid", Failure("invalid_tensors", self.reason)
        if result is None:
            result = "ok"
        return Response(self.command, result, self.reason, self.tensors, failure, request.id, request.dialect)


class _Leave(Exception):
    """The handler asked the worker to leave, by SystemExit or KeyboardInterrupt."""

    def __init__(self, response: Response, cause: BaseException) -> None:
        super().__init__()
        self.response = response
        self.cause = cause


class _Loop:
    """The serving loop: receives, responds, and leaves in order."""

    def __init__(self, server: TechRenaissanceServer, transport: WorkerTransport) -> None:
        self._server = server
        self._transport = transport
        self._connection = Connection()
        self._received: Deque[Frame] = deque()

    def run(self, info: Dict[str, Any]) -> None:
        self._send(Ready(info))
        try:
            while not self._server.is_leaving and self._serve_one():
                pass
        except KeyboardInterrupt:
            pass
        finally:
            with contextlib.suppress(OSError):  # the directory may be gone, the disk full: leave all the same
                self._transport.try_send(Exiting())

    def _serve_one(self) -> bool:
        """False when it is time to leave."""
        frame = self._received.popleft() if self._received else self._receive(_RECHECK_S)
        if isinstance(frame, Request):
            self._connection.received(frame)
            try:
                response = self._server.respond(frame)
            except Cancelled as error:  # on the way out of the handler
                response = _failed(frame, error)
            except _Leave as leave:
                self._send(leave.response)
                raise leave.cause from None
            return self._send(response)
        if isinstance(frame, Response):  # to a request that could not be read
            self._connection.received(Request("", id=frame.id))
            return self._send(frame)
        return not isinstance(frame, Exit)

    def _receive(self, timeout_s: float) -> Optional[Frame]:
        try:
            return self._transport.receive(timeout_s)
        except MalformedRequest as error:
            request = Request("", id=error.id, dialect=error.dialect)
            return _error(request, Failure("malformed_request", f"malformed request: {error}"))

    def _send(self, frame: Frame) -> bool:
        """Send, waiting for room; False if the host asked to leave, and makes none."""
        leave_by: Optional[float] = None
        while not self._try_send(frame):
            if leave_by is None and any(isinstance(waiting, Exit) for waiting in self._received):
                leave_by = time.monotonic() + _LAST_ANSWER_S
            remaining = _RECHECK_S if leave_by is None else leave_by - time.monotonic()
            if remaining <= 0:
                return False
            received = self._receive(remaining)
            if received is not None:
                self._received.append(received)
        self._connection.sent(frame)  # the host reads meanwhile
        return True

    def _try_send(self, frame: Frame) -> bool:
        try:
            return self._transport.try_send(frame)
        except Exception as error:
            if not isinstance(frame, Response) or not (frame.tensors or isinstance(error, ArenaFull)):
                raise
            # A result that cannot travel: the caller hears why.
            request = Request(frame.command, id=frame.id, dialect=frame.dialect)
            failed = _failed(request, error)
            frame.result, frame.tensors, frame.message, frame.error = (
                failed.result,
                (),
                failed.message,
                failed.error,
            )
            return self._transport.try_send(frame)


def _remaining_s(request: Request) -> Optional[float]:
    deadline_ns = request.deadline_ns
    return None if deadline_ns is None else max(0.0, (deadline_ns - time.perf_counter_ns()) / 1e9)


def _error(request: Request, failure: Failure) -> Response:
    return Response(request.command, "error", failure.message, (), failure, request.id, request.dialect)


def _failed(request: Request, error: BaseException) -> Response:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    own_frame = error.__traceback__
    handler = own_frame.tb_next if own_frame and own_frame.tb_next else own_frame
    text = "".join(traceback.format_exception(kind, error, handler))
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be had: __str__ raised)"
    code = "cancelled" if isinstance(error, Cancelled) else "command_failed"
    failure = Failure(code, f"{name}: {message}" if message else name, name, text)
    return _error(request, failure)


def _worker_info() -> Dict[str, Any]:
    return {
        "pid": os.getpid(),
        "interpreter": sys.executable,
        "python": sys.version.partition(" ")[0],
        "tech_renaissance": __version__,
        "protocol": PROTOCOL_VERSION,
        "start_time": time.time(),
    }


def _hear_interrupts() -> None:
    """A host that ignores SIGINT, as one in a shell's background does, has made this process ignore it, too."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def _orderly_signals(on_leave: Callable[[], None]) -> Any:
    """While serving, SIGTERM lets the worker leave in order, native crashes print a stack, prints are not held back."""
    ended_by: List[int] = []

    def leave(number: int, _: Optional[FrameType]) -> None:
        on_leave()
        ended_by.append(number)
        raise SystemExit(128 + number)

    with contextlib.suppress(AttributeError, ValueError, OSError):  # streams that a script replaced
        faulthandler.enable()
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if ended_by:
            sys.stdout.flush()
            os.kill(os.getpid(), ended_by[0])  # whoever waits for this process learns the true reason
