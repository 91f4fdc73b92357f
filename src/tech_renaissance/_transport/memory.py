"""The memory transport: two ends in one process. It is the contract's reference
implementation, and a test double.

Frames are copied into queues, and tensors into bytes, so that neither end ever
holds an object of the other's.
"""

import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any, Deque, Dict, List, Optional, Sequence, Set, Tuple, Union

from .._base.tensor import DType, Library, allocate, imported_library
from .._protocol.attachments import read_stored
from .._protocol.frame import (
    Answer,
    Ask,
    Credit,
    Exit,
    Exiting,
    Frame,
    Item,
    Posted,
    Progress,
    Ready,
    Request,
    Response,
)
from .._protocol.tsr import decode, encode
from .file.watch import SleepWatch
from .transport import HostTransport, Offer, PlacedBytes, Taken, WorkerTransport, ids_answered_by

# As over files: one request being served and one waiting, and one unconsumed response.
_REQUESTS = 2
_RESPONSES = 1


class _Inbox:
    """The frames sent to one end, and how to wake that end."""

    def __init__(self) -> None:
        self.frames: Deque[Frame] = deque()
        self._watch = SleepWatch()
        self._lock = threading.Lock()
        self.closed = False
        self.given_up: Set[int] = set()  # ids of requests
        self.stopping: Set[int] = set()

    def put(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.wake()

    def take(self) -> Optional[Frame]:
        return self.frames.popleft() if self.frames else None

    def has_response(self) -> bool:
        """Whether there is no room for another."""
        return sum(isinstance(waiting, Response) for waiting in tuple(self.frames)) >= _RESPONSES

    def wait(self, timeout_s: float, exit_handle: Optional[int]) -> bool:
        return self._watch.wait(timeout_s, exit_handle)

    def wake(self) -> None:
        with self._lock:
            if not self.closed:
                self._watch.wake()

    def close(self) -> None:
        with self._lock:
            if not self.closed:
                self.closed = True
                self._watch.close()


class _MemoryEnd:
    """What both ends share."""

    def __init__(self, own: _Inbox, others: _Inbox, tags: Dict[str, bytes]) -> None:
        self._own = own
        self._others = others
        self._tags = tags
        self._exit_handle: Optional[int] = None

    def receive(self, timeout_s: float) -> Optional[Frame]:
        """See Transport."""
        deadline = time.monotonic() + timeout_s
        frame = self._look()
        while frame is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            woken = self._own.wait(remaining, self._exit_handle)
            frame = self._look()
            if woken:
                break
        return frame

    def wake(self) -> None:
        """See Transport."""
        self._own.wake()

    def close(self) -> None:
        """See Transport."""
        self._own.close()
        self._others.wake()

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See HostTransport and WorkerTransport."""
        return allocate(dtype, shape, library)[0]

    def _look(self) -> Optional[Frame]:
        frame = self._own.take()
        if frame is not None:
            self._others.wake()  # there is room again
        return frame


class MemoryHost(_MemoryEnd, HostTransport):
    """The host's end."""

    def __init__(
        self, own: _Inbox, others: _Inbox, tags: Dict[str, bytes], library: Optional[Library]
    ) -> None:
        super().__init__(own, others, tags)
        self._library: Optional[Library] = library
        self._sent: Optional[Frame] = None
        self._taken: Taken = None

    @property
    def taken(self) -> Taken:
        """See HostTransport."""
        return self._taken

    def forget_taken(self) -> None:
        """See HostTransport."""
        self._taken = None

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        if not isinstance(frame, (Request, Exit, Item, Credit, Answer)):
            raise TypeError(f"a host does not send {frame!r}")
        waiting = sum(isinstance(waiting, (Request, Exit)) for waiting in tuple(self._others.frames))
        if isinstance(frame, (Request, Exit)) and waiting >= _REQUESTS:
            return False
        self._others.put(replace(frame))
        self._sent = frame
        return True

    def has_sent(self, frame: Union[Frame, Posted]) -> bool:
        """See HostTransport."""
        return self._sent is frame

    def place(self, attachment: Any) -> PlacedBytes:
        """See HostTransport."""
        return PlacedBytes.of(attachment)

    def put_tensor(self, tag: str, tensor: Any) -> None:
        """See HostTransport."""
        self._tags[tag] = encode(tensor)

    def drop_tensor(self, tag: str) -> None:
        """See HostTransport."""
        self._tags.pop(tag, None)

    def tags(self) -> List[str]:
        """See HostTransport."""
        return list(self._tags)

    def prepare(self) -> Offer:
        """See HostTransport."""
        self._exit_handle = self._taken = None
        self._own.frames.clear()
        self._others.frames.clear()
        return Offer({}, [])

    def ask_to_cancel(self, request_id: int) -> None:
        """See HostTransport."""
        self._others.given_up.add(request_id)
        self._others.wake()

    def ask_to_stop(self, request_id: int) -> None:
        """See HostTransport."""
        self._others.stopping.add(request_id)

    def begun(self, request_ids: Sequence[int]) -> Dict[int, Optional[int]]:
        """See HostTransport."""
        waiting = {getattr(frame, "id", None) for frame in tuple(self._others.frames)}
        return {number: None for number in request_ids if number not in waiting}

    def answered(self) -> Sequence[Optional[int]]:
        """See HostTransport."""
        responses = (frame for frame in tuple(self._own.frames) if isinstance(frame, Response))
        return [*ids_answered_by(self._taken), *(response.id for response in responses)]

    def watch_exit(self, handle: int) -> None:
        """See HostTransport."""
        self._exit_handle = handle

    def _look(self) -> Optional[Frame]:
        frame = super()._look()
        if isinstance(frame, (Response, Item, Ask)):
            library = self._library or imported_library()
            frame.attachments = [_value(placed, library) for placed in frame.attachments]
        if frame is not None:
            self._taken = frame
        return frame


class _Attachment:
    """An attachment of a request; see Received."""

    def __init__(self, placed: PlacedBytes) -> None:
        self._placed = placed

    def value(self, library: Optional[Library]) -> Any:
        """See Received."""
        return _value(self._placed, library)

    def let_go(self) -> None:
        """See Received."""


def _value(placed: PlacedBytes, library: Optional[Library]) -> Any:
    return read_stored(placed.kind, lambda of: decode(placed.data, of), library)


class MemoryWorker(_MemoryEnd, WorkerTransport):
    """The worker's end."""

    def __init__(self, own: _Inbox, others: _Inbox, tags: Dict[str, bytes]) -> None:
        super().__init__(own, others, tags)
        self._told_to_leave = False

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        if not isinstance(frame, (Ready, Response, Exiting, Item, Credit, Progress, Ask)):
            raise TypeError(f"a worker does not send {frame!r}")
        if isinstance(frame, Response) and self._others.has_response():
            return False
        if isinstance(frame, (Response, Item, Ask)):
            frame = replace(frame, attachments=[PlacedBytes.of(one) for one in frame.attachments])
        self._others.put(replace(frame))
        return True

    def is_cancelled(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return request_id in self._own.given_up

    def is_stopping(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return request_id in self._own.stopping

    def get_tensor(self, tag: str, library: Optional[Library]) -> Any:
        """See WorkerTransport."""
        return decode(self._tags[tag], library)

    def _look(self) -> Optional[Frame]:
        frame = super()._look()
        if isinstance(frame, (Request, Item, Answer)) and frame.attachments:
            frame.attachments = [_Attachment(placed) for placed in frame.attachments]
        if frame is None and self._others.closed and not self._told_to_leave:
            self._told_to_leave = True
            return Exit()  # the host has closed its end
        return frame


def memory_pair(library: Optional[Library] = None) -> Tuple[MemoryHost, MemoryWorker]:
    """Two connected ends. ``library``: what tensors the host gets, as for PythonSession."""
    to_host, to_worker = _Inbox(), _Inbox()
    tags: Dict[str, bytes] = {}
    return MemoryHost(to_host, to_worker, tags, library), MemoryWorker(to_worker, to_host, tags)
