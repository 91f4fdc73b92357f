"""Running a server's handler, one request after another. Contract: spec/protocol.md, How a handler's reply is made."""

from typing import Iterable, Optional, Protocol

from .._protocol.frame import Failure, Request, Response
from .reply import Leave, Reply, error_response, failure_response, remaining_seconds


class Server(Protocol):
    """What is needed of a TechRenaissanceServer, whose methods say more."""

    is_leaving: bool

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        ...

    def commands(self) -> Iterable[str]:
        """Names to suggest when a command is unknown."""
        ...


class Turn:
    """Has a server respond to requests. ``reply``: that of the request whose turn it is, None between two."""

    reply: Optional[Reply] = None

    def __init__(self, server: Server) -> None:
        self.server = server

    def respond(self, request: Request) -> Response:
        """Run the handler for one request and return its whole reply, whatever it did. SystemExit and KeyboardInterrupt become Leave."""
        if remaining_seconds(request.deadline_ns) == 0:
            return error_response(request, Failure("cancelled", "its deadline passed before its turn"))
        reply = Reply(request.command, request.id, request.deadline_ns, request.attachments)
        try:
            is_known = self.handle(reply, request.parameters)
        except BaseException as error:
            return self.excuse(request, reply, error)
        return self.conclude(request, reply, is_known)

    def handle(self, reply: Reply, parameters: str) -> bool:
        """Run the handler, which fills ``reply``. It may be interrupted by Cancelled until it has returned, and not afterwards."""
        self.reply = reply
        try:
            return self.server.main_logic(reply.command, parameters)
        finally:
            self.reply = None

    def conclude(self, request: Request, reply: Reply, is_known: bool) -> Response:
        """The response after the handler has returned."""
        try:
            return reply.response(request) if is_known or reply.said_something else self._unknown(request)
        except BaseException as error:
            return self.excuse(request, reply, error)

    def excuse(self, request: Request, reply: Reply, error: BaseException) -> Response:
        """The response after the handler has raised; SystemExit and KeyboardInterrupt become Leave."""
        response = failure_response(request, error, reply.reason)
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise Leave(response, error) from error
        return response

    def _unknown(self, request: Request) -> Response:
        import difflib

        message = f"unknown command {request.command!r}"
        near = difflib.get_close_matches(request.command, list(self.server.commands()), 3)
        if near:
            message += "; did you mean " + " or ".join(repr(name) for name in near) + "?"
        return error_response(request, Failure("unknown_command", message))
