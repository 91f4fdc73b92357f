"""A server that serves in a thread of the test's own process, and a host's end to talk to it frame by frame."""

import os
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Tuple, Type, TypeVar

from tech_renaissance import TechRenaissanceServer
from tech_renaissance._protocol.body import JSON
from tech_renaissance._protocol.body_decoder import decode_result
from tech_renaissance._protocol.body_encoder import encode_call, encode_result
from tech_renaissance._protocol.frame import (
    Answer,
    Ask,
    Exit,
    Exiting,
    Failure,
    Frame,
    Item,
    Ready,
    Request,
    Response,
)
from tech_renaissance._transport.memory import memory_pair
from tech_renaissance._transport.shm.segment import UNAVAILABLE
from tech_renaissance._transport.transport import HostTransport, WorkerTransport

# Longer than anything may take; a test that gets here has failed.
_PATIENCE_S = 20.0

One = TypeVar("One")
Pair = Tuple[HostTransport, WorkerTransport]


def _shm_pair(folder: Path) -> Pair:
    from tech_renaissance._transport.session_place import SessionPlace
    from tech_renaissance._transport.shm.host import ShmHost
    from tech_renaissance._transport.shm.worker import ShmWorker

    host = ShmHost("numpy")
    numbers = [int(number) for number in host.prepare().environment["TR_SHM"].split(",")]
    return host, ShmWorker(SessionPlace(str(folder)), [os.dup(number) for number in numbers])


def _file_pair(folder: Path) -> Pair:
    from tech_renaissance._transport.file.host import FileHost
    from tech_renaissance._transport.file.worker import FileWorker
    from tech_renaissance._transport.session_place import SessionPlace

    host = FileHost(str(folder), None, "numpy")
    host.prepare()
    return host, FileWorker(SessionPlace(str(folder)))


# Transports whose ends are in one process.
PAIRS: Dict[str, Callable[[Path], Pair]] = {"memory": lambda _: memory_pair("numpy"), "file": _file_pair}
if not UNAVAILABLE and sys.platform != "win32":
    PAIRS["shm"] = _shm_pair


class Host:
    """Sends and receives frames."""

    def __init__(self, end: HostTransport, ready: Ready) -> None:
        self.end = end
        self.ready = ready
        self._ids = 0
        self._came: Deque[Frame] = deque()  # while there was no room

    def begin(
        self, command: str, *args: Any, has_input: bool = False, streams: bool = False, **kwargs: Any
    ) -> int:
        """Send a typed request; its id."""
        self._ids += 1
        form, text, attachments = encode_call(args, kwargs)
        request = Request(command, text, self._ids, typed=True, form=form, streams=streams, input=has_input)
        request.attachments = [self.end.place(one) for one in attachments]
        self.send(request)
        return self._ids

    def begin_until(self, deadline_ns: int, command: str) -> int:
        """One without arguments that has a deadline."""
        self._ids += 1
        self.send(Request(command, "[[]]", self._ids, deadline_ns=deadline_ns, typed=True, form=JSON))
        return self._ids

    def send(self, frame: Frame) -> None:
        """Send a frame, for which there is room soon."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self.end.try_send(frame):
            assert time.monotonic() < deadline
            came = self.end.receive(0.001)
            if came is not None:
                self._came.append(came)

    def answer(self, request_id: int, value: Any = None, error: Optional[Failure] = None) -> None:
        """Answer an Ask."""
        form, text, attachments = encode_result(value)
        placed = [self.end.place(one) for one in attachments]
        self.send(Answer(request_id, text, form, placed, error=error))

    def item(self, request_id: int, value: Any) -> None:
        """Send one."""
        form, text, attachments = encode_result(value)
        self.send(Item(request_id, text, form, [self.end.place(one) for one in attachments]))

    def next(self, kind: Type[One]) -> One:
        """The next frame, which must be of a kind."""
        frame = self.any()
        assert isinstance(frame, kind), f"{frame!r} came, no {kind.__name__}"
        return frame

    def any(self, timeout_s: Optional[float] = None) -> Any:
        """The next frame; None if it has not come in time."""
        if self._came:
            return self._came.popleft()
        if timeout_s is not None:
            return self.end.receive(timeout_s)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            frame = self.end.receive(1.0)
            if frame is not None:
                return frame
        raise AssertionError("nothing came")

    def result(self) -> Any:
        """The value of the next frame, a Response."""
        response = self.next(Response)
        assert response.error is None, response.error
        return decode_result(response.form, response.result, response.attachments)

    def failure(self) -> Failure:
        """That of the next frame, a Response."""
        error = self.next(Response).error
        assert error is not None
        return error

    def asked(self) -> Tuple[str, Any]:
        """The name and the arguments of the next frame, an Ask."""
        from tech_renaissance._protocol.body_decoder import decode_call

        ask = self.next(Ask)
        return ask.command, decode_call(ask.form, ask.parameters, ask.attachments)


@contextmanager
def served(
    server: TechRenaissanceServer, folder: Optional[Path] = None, transport: str = "memory"
) -> Iterator[Host]:
    """Serve in a thread until the block ends; raises what the server raised. ``folder``: for the files of a transport."""
    end, worker = PAIRS[transport](folder or Path())
    raised: List[BaseException] = []

    def serve() -> None:
        try:
            server.serve(worker)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    host = Host(end, Ready({}))
    host.ready = host.next(Ready)
    try:
        yield host
        host.send(Exit())
        while not isinstance(host.any(), Exiting):
            pass
    finally:
        end.close()
        thread.join(_PATIENCE_S)
    assert not thread.is_alive()
    assert not raised, raised


def values_of(frames: Sequence[Any]) -> List[Any]:
    """Those of items."""
    return [decode_result(frame.form, frame.result, frame.attachments) for frame in frames]
