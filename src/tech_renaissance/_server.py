"""The worker: a script's TechRenaissanceServer, which serves one request at a time until it is told to leave.

This file has what a script calls; the serving itself is in _worker/. Contract: spec/protocol.md.
"""

import contextlib
import os
import re
import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Type,
    Union,
)

from ._base.errors import Cancelled, FormatError, LocalProtocolError, ProtocolError
from ._base.names import check_name
from ._base.sendable import check_sendable
from ._base.tensor import Library, choose_library, dtype_named, imported_library
from ._process.lifeline import hold_lifeline
from ._protocol.body import TENSOR, kind_of
from ._protocol.frame import Request, Response
from ._system.forks import in_children
from ._transport.choose import worker_transport
from ._transport.session_directory import session_directory, with_room_for_files
from ._transport.session_place import SessionPlace
from ._transport.transport import WorkerTransport
from ._worker.allocator import keep_freed_memory
from ._worker.child import ChildEnd
from ._worker.command import check_called_methods, marked_attributes
from ._worker.conversation import Conversation
from ._worker.loop import ServingLoop
from ._worker.reply import TASK_REPLY, Refusal, Reply, remaining_seconds
from ._worker.signals import hear_interrupts, orderly_signals
from ._worker.turn import Turn
from ._worker.unhosted import UnhostedSession

if TYPE_CHECKING:
    from ._worker.command_table import Command

if sys.platform == "win32":
    from ._process.interrupt_windows import interruptible
else:
    from ._process.interrupt_posix import interruptible

_PLACE = re.compile("[0-9]{1,9}")


class TechRenaissanceServer(Conversation):
    """Base class of a worker. A script writes ``@command`` above its methods, makes a server,
    and calls ``run(sys.argv[1])``.

    Not thread-safe: call its methods from the handler's thread.
    """

    # On the class, for scripts whose own __init__ does not call this one.
    debug = False
    session_id = ""
    is_leaving = False  # a signal told it to leave; a handler may have swallowed the exception that says so
    _library: Optional[Library] = None
    _transport: Optional[WorkerTransport] = None
    _turn: Union[Turn, Type[Turn]] = Turn  # the class, which has no reply, until the server serves
    _transport_info: Optional[Dict[str, str]] = None
    _unhosted: Optional[UnhostedSession] = None
    _loop: Optional[ServingLoop] = None

    def __init__(self, debug: bool = False, library: Optional[Library] = None) -> None:
        """``debug``: print what ``debug_message`` is given. ``library``: what tensors arrive as, "torch" or
        "numpy"; None means torch if this process has imported it by the time they are asked for, else numpy.
        Raises LocalProtocolError ``bad_option``.
        """
        choose_library(library)
        self.debug = debug
        self._library = library

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request that is for none of the commands. Return True if it is known, False
        otherwise. Overriding this is optional.

        What ``send_tensors`` and ``write_response`` were given is sent when it returns. An exception becomes
        an error reply with its type, message and traceback, and the worker goes on serving.
        """
        del command, parameters
        return False

    def commands(self) -> Iterable[str]:
        """Names of what ``main_logic`` knows, to suggest when a command is unknown.
        Overriding this is optional.
        """
        return ()

    def setup(self) -> None:
        """Called once before the worker is ready: load here what the commands need. If it raises,
        the host gets a LaunchError.
        """

    def teardown(self) -> None:
        """Called once when the worker leaves in an orderly way, if ``setup`` has returned. Not
        called in a process that is ended.
        """

    def run(self, session_id: Optional[str] = None) -> None:
        """Serve the session until its host says ``exit`` or dies, or the process is interrupted.
        ``session_id``: the script's argument, ``sys.argv[1]``.

        Raises TypeError without it, LocalProtocolError for a bad session id, LaunchError ``session_in_use``,
        SessionClosed if the session directory no longer exists, and TypeError for a command that cannot be
        one, for another method that is ``async def``, or if there is neither a command nor a ``main_logic``.
        SystemExit from a handler is raised again once the worker has left in an orderly way; likewise the
        process still ends by SIGTERM.
        """
        if session_id is None:
            raise TypeError("run needs the session's id, which is the script's argument: run(sys.argv[1])")
        self._turn = self._new_turn()
        self.session_id = check_name(session_id, "session id")
        path = with_room_for_files(session_directory(session_id, os.environ))
        # Removed from the environment because they concern this process, not the ones that it starts.
        host_pid, lifeline, offered = (
            os.environ.pop(name, None) for name in ("TR_HOST_PID", "TR_LIFELINE", "TR_SHM")
        )
        with contextlib.ExitStack() as undo:
            undo.enter_context(
                orderly_signals(self._leave)
            )  # entered first, because it may end the process once all else is undone
            if not (host_pid or lifeline):
                self._unhosted = UnhostedSession(path)
                undo.callback(self._unhosted.end)
                self._unhosted.announce()
            place = SessionPlace(path)
            place.check_owned()
            hold_lifeline(lifeline)
            if host_pid:
                hear_interrupts()
            undo.enter_context(interruptible(path, self._interrupt, self._has_cancelled))
            keep_freed_memory(os.environ)
            choice = worker_transport(place, os.environ, offered, is_hosted=self._unhosted is None)
            self._transport_info = {"transport": choice.name, "transport_reason": choice.reason}
            self.serve(choice.end)

    def serve(self, transport: WorkerTransport) -> None:
        """Serve on any transport, and close it at the end. ``run`` does this with the session's own."""
        self._transport = transport
        self._loop = loop = self._new_loop(self._own_turn(), transport)
        loop.library = self._library
        forget = in_children(lambda: self._become_child(loop))
        _current.append(self)
        try:
            self.setup()
            try:
                loop.run(self._transport_info or {}, self._unhosted)
            finally:
                self.teardown()
        finally:
            _current.pop()
            self._loop = None
            forget()
            loop.transport.close()
            self._transport = None

    @property
    def cancelled(self) -> bool:
        """Whether the current call is over: its deadline has passed, or the host has cancelled it. A
        long-running handler should check this now and then, and return. One that does not is interrupted by
        Cancelled, and in the end killed with its process.
        """
        return self.remaining_s == 0 or self._is_cancelled()

    @property
    def remaining_s(self) -> Optional[float]:
        """Seconds until the deadline of the current call, at least 0; None if it has no deadline."""
        return remaining_seconds((self._turn.reply or self._no_reply()).deadline_ns)

    def get_tensors(self, parameters: str, count: Optional[int] = None) -> Optional[List[Any]]:
        """The tensors that ``parameters`` names by their tags, or by their places in this request as ``$0``;
        spaces or commas separate them. ``count``: how many there must be (None: any number).

        Returns a list of torch tensors if the script has imported torch, else of numpy arrays, which the
        handler may modify. Returns None if the count is wrong, or a tensor is missing or broken; the
        reply's message then says why.
        """
        reply = self._turn.reply or self._no_reply()
        names = parameters.replace(",", " ").split()
        if count is not None and len(names) != count:
            reply.reason = f"expected {count} tensor names, got {len(names)}: {parameters!r}"
            return None
        tensors: List[Any] = []
        name = ""
        reply.shielded = True
        try:
            for name in names:
                tensors.append(self._named_tensor(name, reply))
        except KeyError:
            reply.reason = f"there is no tensor {name!r}"
            return None
        except (FormatError, ProtocolError, OSError) as error:
            reply.reason = f"tensor {name!a}: {error}"
            return None
        finally:
            self._unshield(reply)
        return tensors

    def get_tensor(self, parameters: str) -> Optional[Any]:
        """The only tensor that ``parameters`` names, or None as in ``get_tensors``."""
        tensors = self.get_tensors(parameters, 1)
        return tensors[0] if tensors else None

    def empty(self, shape: Sequence[int], dtype: Any = "float32") -> Any:
        """A new, uninitialised tensor that ``send_tensors`` need not copy: over shared memory,
        the host sees this very memory.

        ``dtype``: torch's or numpy's, or a name ("float32", "FP32"). The tensor is of the library that
        tensors arrive as. Make a new one for each result: what you write after it was sent, the host
        sees in what it has got. Raises ArenaFull, FormatError.
        """
        transport, library = self._transport, self._library or imported_library()
        if transport is None:
            raise LocalProtocolError("bad_state", "the server is not running: empty is for use in commands")
        reply = self._turn.reply or self._no_reply()
        reply.shielded = True
        try:
            return transport.empty(dtype_named(dtype), shape, library)
        finally:
            self._unshield(reply)

    def send_tensors(self, *tensors: Any) -> None:
        """Add result tensors to the reply: torch, numpy, or anything with DLPack. What is sent are their
        values when the handler returns.

        Raises FormatError if one cannot be sent, and then adds none.
        """
        reply = self._turn.reply or self._no_reply()
        for tensor in tensors:
            check_sendable(tensor)
        reply.tensors.extend(tensors)

    def write_response(self, command: str, result: str) -> None:
        """Set the reply's text. ``command``: answer under another command's name; normally empty."""
        reply = self._turn.reply or self._no_reply()
        if command:
            reply.command = str(command)
        reply.result = str(result)

    def debug_message(self, *words: object) -> None:
        """Print, if the server was made with ``debug=True``."""
        if self.debug:
            print(*words, flush=True)

    def respond(self, request: Request) -> Response:
        """Run the handler for one request and return its whole reply, whatever it did. SystemExit and
        KeyboardInterrupt become Leave.
        """
        _current.append(self)
        try:
            return self._own_turn().respond(request)
        finally:
            _current.pop()

    def _own_turn(self) -> Turn:
        if not isinstance(self._turn, Turn):
            self._turn = self._new_turn()
        return self._turn

    def _new_turn(self) -> Turn:
        check_called_methods(self)
        has_main_logic = type(
            self
        ).main_logic is not TechRenaissanceServer.main_logic or "main_logic" in vars(self)
        commands = self._command_table()
        if not commands and not has_main_logic:
            raise TypeError(self._answers_nothing())
        return Turn(
            self,
            commands,
            self._attached_values,
            self._find_command,
            make_input=self._make_input,
            has_main_logic=has_main_logic,
        )

    def _command_table(self) -> "Mapping[str, Command]":
        if not marked_attributes(self):
            return {}
        from ._worker.command_table import table_of_server

        return table_of_server(self, TechRenaissanceServer)

    def _find_command(self, name: str) -> "Optional[Command]":
        """A command for typed calls that is not in the table."""
        del name
        return None

    def _answers_nothing(self) -> str:
        """Why this server would know no command."""
        import difflib

        ours, theirs = TechRenaissanceServer, type(self)
        names = [name for name in dir(theirs) if not hasattr(ours, name)]
        near = difflib.get_close_matches("main_logic", names, 1)
        what = f"defines {near[0]}, not main_logic(self, command, parameters)" if near else "no main_logic"
        cure = "" if near else ". Write @command above the methods that hosts may call"
        return f"{theirs.__name__} answers nothing: it has no commands, and {what}{cure}"

    @staticmethod
    def _new_loop(turn: Turn, transport: WorkerTransport) -> ServingLoop:
        if not turn.has_coroutines:
            return ServingLoop(turn, transport)
        from ._worker.async_loop import AsyncServingLoop

        return AsyncServingLoop(turn, transport)

    @staticmethod
    def _no_reply() -> Reply:
        """The reply of the call whose coroutine asks."""
        reply = TASK_REPLY.get(None)
        if reply is not None:
            return reply
        raise LocalProtocolError("bad_state", "there is no request to answer: this is for use in commands")

    def _named_tensor(self, name: str, reply: Reply) -> Any:
        """The tensor in that place of the request, or with that tag. Raises KeyError,
        and what transports raise.
        """
        attachments = reply.attachments
        if attachments and name[:1] == "$" and _PLACE.fullmatch(name, 1) and int(name[1:]) < len(attachments):
            value = attachments[int(name[1:])].value(self._library)
            if kind_of(value) == TENSOR:
                return value
        if self._transport is None:
            raise KeyError(name)
        return self._transport.get_tensor(name, self._library)

    def _attached_values(self, reply: Reply) -> List[Any]:
        """What the attachments of a request hold. Raises Refusal, ArenaFull."""
        reply.shielded = True
        try:
            return [attachment.value(self._library) for attachment in reply.attachments]
        except (FormatError, ProtocolError, OSError) as error:
            raise Refusal("invalid_tensors", f"an argument: {error}") from None
        finally:
            self._unshield(reply)

    def _become_child(self, loop: ServingLoop) -> None:
        """Called in a fork of the worker."""
        self._transport = end = ChildEnd(loop.transport)
        loop.become_child(end)

    def _is_cancelled(self) -> bool:
        """Whether the host has cancelled the current call."""
        reply, transport = self._turn.reply or TASK_REPLY.get(None), self._transport
        if reply is None or transport is None or reply.request_id is None:
            return False
        return transport.is_cancelled(reply.request_id)

    def _has_cancelled(self) -> bool:
        """Whether the host has cancelled the current call, or one whose coroutine waits. In any thread."""
        return self._is_cancelled() or (self._loop is not None and self._loop.has_cancelled())

    def _leave(self) -> None:
        """A signal tells the worker to leave; from then on no interrupt may replace that."""
        self.is_leaving = True
        reply = self._turn.reply
        if reply is not None:
            reply.interrupted = True

    def _interrupt(self) -> None:
        """Raise Cancelled in the handler of a cancelled call, once."""
        if self._loop is not None:
            self._loop.interrupt()
        reply = self._turn.reply
        if reply is None or reply.interrupted:
            return
        if reply.shielded:
            reply.interrupt_is_due = True
        elif self._is_cancelled():
            reply.interrupted = True
            raise Cancelled("the host has ended this call")

    def _unshield(self, reply: Reply) -> None:
        """End a part that must not be interrupted, and carry out an interrupt that came in the meantime."""
        reply.shielded = False
        if reply.interrupt_is_due:
            self._interrupt()


# The servers of this process that serve; the last one is the one whose commands run.
_current: List[TechRenaissanceServer] = []


def current_server() -> TechRenaissanceServer:
    """The server that serves in this process, for functions which are none of its methods:
    ``current_server().cancelled``.

    Raises LocalProtocolError ``bad_state`` if there is none.
    """
    if not _current:
        raise LocalProtocolError("bad_state", "no server runs in this process")
    return _current[-1]
