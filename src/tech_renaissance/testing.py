"""For tests: call a worker's handler without a process, and check a transport against the contract.

A handler runs in the test's own process, with debugger and coverage, through the same
serving loop as in a worker:

    from tech_renaissance.testing import call
    from my_worker import MatrixMathServer

    def test_matmul():
        response = call(MatrixMathServer(), "matmul a b", a=numpy.ones((4, 3)), b=numpy.ones((3, 5)))
        assert response.attachments[0].shape == (4, 5)
"""

from contextlib import closing
from typing import Any, Optional

from ._base.errors import LocalProtocolError
from ._base.tensor import Library
from ._host.answer import check_response
from ._protocol.frame import Exit, Response
from ._protocol.user_message import parse_message
from ._server import TechRenaissanceServer
from ._transport.conformance import Pair, check_transport
from ._transport.memory import memory_pair

__all__ = ["Pair", "Response", "call", "check_transport"]


def call(
    server: TechRenaissanceServer, message: str, *, library: Optional[Library] = None, **tensors: Any
) -> Response:
    """Let a server answer one message, in this thread.

    ``message``: as for ``PythonSession.send_request``. ``tensors``: tensors by tag. ``library``: what the
    result tensors are, "torch" or "numpy"; by default torch if it is imported, else numpy. Returns the
    response, with ``result``, ``message`` and ``attachments``: the tensors.

    Raises CommandError if the command failed, as a session does; LocalProtocolError ``bad_message``;
    SystemExit if the handler raised it.
    """
    request = parse_message(message)
    if isinstance(request, Exit):
        raise LocalProtocolError("bad_message", "'exit' has no answer")
    host, worker = memory_pair(library)
    with closing(host):
        for tag, tensor in tensors.items():
            host.put_tensor(tag, tensor)
        host.try_send(request)
        host.try_send(Exit())
        server.serve(worker)
        response = host.receive(0)
        while not isinstance(response, Response):
            response = host.receive(0)
    check_response(response)
    return response
