"""The limit of a worker: all that one does for a text call in Python, but woken by a bare Unix socket, and without rings.

One byte there stands for the request, one back for the response. Inherits one end as descriptor argv[1].
"""

import socket
import sys
from typing import Any, NoReturn, Optional, Sequence

from bench_worker import BenchServer

from tech_renaissance._base.tensor import DType, Library
from tech_renaissance._protocol.frame import Exit, Frame, Request, Response
from tech_renaissance._transport.shm import frame as shm_frame
from tech_renaissance._transport.transport import WorkerTransport

FRAME = shm_frame.encode_request(Request("hello", "world", 1))


class SocketWorker(WorkerTransport):
    """Receives the same request again and again."""

    def __init__(self, descriptor: int) -> None:
        self._end = socket.socket(fileno=descriptor)

    def receive(self, timeout_s: float) -> Optional[Frame]:
        """See Transport; waits for ever."""
        del timeout_s
        return shm_frame.decode_request(FRAME) if self._end.recv(64) else Exit()

    def try_send(self, frame: Frame) -> bool:
        """See Transport; only responses travel."""
        if isinstance(frame, Response):
            self._end.sendall(shm_frame.encode_response(frame, (), "hello")[:1])
        return True

    def wake(self) -> None:
        """See Transport."""

    def disown(self) -> None:
        """It does not fork."""

    def close(self) -> None:
        """See Transport."""
        self._end.close()

    def is_cancelled(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return not request_id

    def is_stopping(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return not request_id

    def get_tensor(self, tag: str, library: Optional[Library]) -> NoReturn:
        """There are none."""
        del library
        raise KeyError(tag)

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See WorkerTransport; there are none."""
        raise NotImplementedError


BenchServer().serve(SocketWorker(int(sys.argv[1])))
