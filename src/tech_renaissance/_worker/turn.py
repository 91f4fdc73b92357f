"""Running a server's handlers, one request after another. Contract: spec/protocol.md, Typed calls,
and How a handler's reply is made.
"""

from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Protocol,
    Union,
)

from .._protocol.body import JSON, TEXT
from .._protocol.frame import Failure, Request, Response
from .reply import Leave, Reply, error_response, failure_response, remaining_seconds

if TYPE_CHECKING:
    from .calls import Calls
    from .command_table import Command
    from .streams import OutStream

_BUILT_IN = ("describe", "help")


class Server(Protocol):
    """What is needed of a TechRenaissanceServer, whose methods say more."""

    is_leaving: bool

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request that is for no command."""
        ...

    def commands(self) -> Iterable[str]:
        """Names to suggest when a command is unknown."""
        ...

    def get_tensor(self, parameters: str) -> Optional[Any]:
        """The tensor of a tag; None if there is none, and the reply then says why."""
        ...


class AsyncCall(NamedTuple):
    """A call whose command is a coroutine, which the reply has."""

    request: Request
    reply: Reply


class Turn:
    """Has a server respond to requests. ``reply``: that of the request whose turn it is, None between two.

    ``commands``: the server's. ``values``: what the attachments of a request hold. ``find``: a command
    for typed calls that is not among ``commands``. ``make_input``: see Conversation.
    ``has_main_logic``: whether the script has one.
    """

    reply: Optional[Reply] = None

    def __init__(
        self,
        server: Server,
        commands: "Optional[Mapping[str, Command]]" = None,
        values: Callable[[Reply], List[Any]] = lambda _: [],
        find: "Callable[[str], Optional[Command]]" = lambda _: None,
        *,
        make_input: Callable[..., Any] = lambda *_, **__: None,
        has_main_logic: bool = True,
    ) -> None:
        self.server = server
        self._commands: Mapping[str, Command] = commands or {}
        self._values = values
        self._find = find
        self._make_input = make_input
        self._has_main_logic = has_main_logic
        self._calls: Optional[Calls] = None

    @property
    def has_coroutines(self) -> bool:
        """Whether one of the commands is a coroutine."""
        return any(command.is_async for command in self._commands.values())

    def respond(self, request: Request) -> Response:
        """Run the handler for one request and return its whole reply, whatever it did. SystemExit and
        KeyboardInterrupt become Leave.
        """
        answer = self.begin(request, can_stream=False)
        if isinstance(answer, AsyncCall):
            from .async_loop import run_alone

            return run_alone(self, answer)
        assert isinstance(answer, Response)
        return answer

    def begin(self, request: Request, *, can_stream: bool) -> "Union[Response, OutStream, AsyncCall]":
        """The same; or if the request streams, and items can travel, the stream that the handler has
        returned; or the call of a coroutine.
        """
        if remaining_seconds(request.deadline_ns) == 0:
            return error_response(request, Failure("cancelled", "its deadline passed before its turn"))
        what = _defect_of(request)
        if what:
            return error_response(request, Failure("malformed_request", f"malformed request: {what}"))
        reply = Reply(request.command, request.id, request.deadline_ns, request.attachments)
        reply.streams, reply.takes_items = request.streams, request.streams and can_stream
        reply.has_input = request.input
        try:
            is_known = self.handle(reply, request.parameters, request.form, typed=request.typed)
        except BaseException as error:
            if reply.coroutine is not None:  # made, and then interrupted
                reply.coroutine.close()
            return self.excuse(request, reply, error)
        if reply.finish is not None:
            return AsyncCall(request, reply)
        if reply.generator is not None:
            from .streams import OutStream

            return OutStream(self, request, reply, reply.generator)
        return self.conclude(request, reply, is_known)

    def handle(self, reply: Reply, parameters: str, form: int = TEXT, *, typed: bool = False) -> bool:
        """Run the handler, which fills ``reply``. It may be interrupted by Cancelled until it has
        returned, and not afterwards.
        """
        self.reply = reply
        try:
            command = self._commands.get(reply.command)
            if typed:
                calls = self._calls or self._load_calls()
                if command is None:
                    command = self._find(reply.command)
                if command is None:
                    return self._has_main_logic and calls.main_logic(reply, form, parameters)
                calls.typed(reply, command, form, parameters)
                return True
            if command is None:
                return self.server.main_logic(reply.command, parameters)
            (self._calls or self._load_calls()).text(reply, command, parameters)
            return True
        finally:
            self.reply = None

    def conclude(self, request: Request, reply: Reply, is_known: bool) -> Response:
        """The response after the handler has returned."""
        try:
            if is_known or reply.said_something:
                return reply.response(request)
            if request.command in _BUILT_IN:
                return self._built_in(request, reply)
            return self._unknown(request, reply.refusal)
        except BaseException as error:
            return self.excuse(request, reply, error)

    def excuse(self, request: Request, reply: Reply, error: BaseException) -> Response:
        """The response after the handler has raised; SystemExit and KeyboardInterrupt become Leave."""
        if reply.talk is not None:
            reply.talk.finish()
        response = failure_response(request, error, reply.reason)
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise Leave(response, error) from error
        return response

    def _load_calls(self) -> "Calls":
        from .calls import Calls

        self._calls = calls = Calls(
            self.server.main_logic, self._values, self.server.get_tensor, self._make_input
        )
        return calls

    def _built_in(self, request: Request, reply: Reply) -> Response:
        from .built_in import built_in

        command = built_in(request.command, self._commands, list(self.server.commands()), self._find)
        calls = self._calls or self._load_calls()
        if request.typed:
            calls.typed(reply, command, request.form, request.parameters)
        else:
            calls.text(reply, command, request.parameters)
        return reply.response(request)

    def _unknown(self, request: Request, reason: str) -> Response:
        from .unknown import unknown_command

        names = [*self._commands, *self.server.commands()]
        return error_response(request, unknown_command(self.server, request.command, names, reason))


def _defect_of(request: Request) -> str:
    """What is wrong with the kind of a request's body, if anything is."""
    if request.form != TEXT and not request.typed:
        return f"a text call has a body of form {request.form}"
    if request.input and request.form != JSON:
        return f"a call with an input has a body of form {request.form}"
    return ""
