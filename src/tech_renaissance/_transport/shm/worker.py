"""The shared-memory transport, worker's end. Contract: spec/transport-shm.md."""

import contextlib
import time
from typing import Any, Optional, Sequence, Union

from ..._base.errors import RemoteProtocolError
from ..._base.tensor import DType, Library
from ..._protocol.frame import (
    LONG,
    Answer,
    Ask,
    Credit,
    Exit,
    Exiting,
    Failure,
    Frame,
    Item,
    MalformedRequest,
    Progress,
    Ready,
    Response,
)
from ..._system.clock import clock_ns
from ..session_files import write_status, write_worker_info
from ..session_place import SessionPlace
from ..transport import Unopened, Watching, WorkerTransport
from . import call_frame
from . import frame as shm_frame
from .control import (
    CURRENT_ID,
    CURRENT_SINCE_NS,
    SERVED,
    ControlSide,
    check_magic,
)
from .doorbell import Doorbell
from .frame import (
    FLAG_BODY_IN_BLOCK,
    LARGEST_NBYTES,
    REQUEST,
    Attached,
    decode_request,
    encode_response,
)
from .lender import Lender
from .segment import MappedSegment, Segment
from .sent_blocks import SentBlocks
from .worker_slots import WorkerSlots
from .worker_tensors import WorkerTensors

# How many frames are read ahead at most.
_INBOX = 256
# What is opened when it is read ahead, because its turn depends on nothing before it.
_AT_ONCE = (shm_frame.CREDIT, shm_frame.INPUT_ITEM, shm_frame.ANSWER)


class ShmWorker(WorkerSlots, WorkerTensors, WorkerTransport):
    """Serves over segments that the host made and this process inherited.

    ``control``, ``side``, ``command`` and ``since_ns`` (of the current request), ``settled``, ``lessee``,
    ``sent_blocks`` and ``served`` are for the fast path, which bypasses this class.
    """

    has_rings = True

    def __init__(
        self, place: SessionPlace, descriptors: Sequence[int], look_us: Optional[int] = None
    ) -> None:
        """``descriptors``: from TR_SHM. ``look_us``: see ControlSide. Raises OSError or
        ValueError if they cannot be used.
        """
        segment, host_arena, worker_arena = (Segment.inherit(number) for number in descriptors[:3])
        self.control = control = MappedSegment(segment)
        if not check_magic(control):
            raise ValueError("the host's control segment has another layout")
        self._place = place
        side = ControlSide(control, Doorbell(*descriptors[3:]), is_host=False, look_us=look_us)
        WorkerSlots.__init__(self, control)
        WorkerTensors.__init__(self, side, host_arena)
        self._lender = Lender(worker_arena)
        self.sent_blocks = SentBlocks(self._lender)
        self._unsent_frame: Optional[Frame] = None  # already encoded as _unsent, waiting for room
        self._unsent = b""
        self._unopened = 0  # how many frames have been read ahead and not opened
        self._read_frame = side.reader.read
        self._try_write = side.writer.try_write
        self.command = ""  # the current request's
        self._closed = False

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See WorkerTransport. The tensor lives in shared memory."""
        return self._lender.empty(dtype, shape, library)

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        if isinstance(frame, Progress):
            return self._tell(frame)
        data = self._unsent if frame is self._unsent_frame else self._encode(frame)
        if len(data) > LARGEST_NBYTES:
            data = self.sent_blocks.frame_of(data)
        if self.lessee.used and isinstance(frame, Response):
            self.lessee.mark_idle()
        if not self._try_write(data):
            self._unsent_frame, self._unsent = frame, data
            return False
        self._unsent_frame = None
        self._wake_host()
        self.side.give_way()
        if isinstance(frame, (Response, Item, Ask)):  # do this while the host reads it
            self.sent_blocks.release()
        if isinstance(frame, Response):
            self._note_answer(frame)
        elif isinstance(frame, Exiting):
            self._say("exiting")
        return True

    def receive(self, timeout_s: float) -> Optional[Frame]:
        """See Transport."""
        frame = self._read()
        while frame is None and timeout_s > 0 and self.side.look():  # perhaps only tags came
            frame = self._read()
        if frame is not None:
            return frame
        deadline = time.monotonic() + timeout_s
        while not self.side.doorbell.is_cut:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            happened = self.side.sleep(remaining)
            frame = self._read()
            if frame is not None or happened:
                return frame
            self.rest()
        return Exit()

    def forget_unsent(self, frame: Frame) -> None:
        """See WorkerTransport."""
        if self._unsent_frame is frame:
            self._unsent_frame = None
            self.sent_blocks.take_back()

    def read_ahead(self, timeout_s: float, *, is_bounded: bool = True) -> Union[Frame, Unopened, None]:
        """See WorkerTransport."""
        deadline = time.monotonic() + timeout_s
        while not self.side.doorbell.is_cut:
            is_full = is_bounded and self._unopened >= _INBOX
            data = None if is_full else self._read_frame()
            if data is not None:
                if self.side.reader.is_crowded:
                    self._wake_host()
                if data[4] == shm_frame.EXIT:
                    return Exit()
                if data[4] in _AT_ONCE:
                    return self._open(data)
                self._unopened += 1
                return Unopened(data)
            remaining = deadline - time.monotonic()
            if remaining > 0 and not is_bounded and self.side.look():
                continue
            if remaining <= 0 or self.side.sleep(remaining, for_room=is_full):
                return None
        return Exit()

    def open(self, frame: Union[Frame, Unopened]) -> Optional[Frame]:
        """See WorkerTransport."""
        if not isinstance(frame, Unopened):
            return frame
        self._unopened -= 1
        return self._open(frame.data)

    def wait_in(self, selector: Watching) -> bool:
        """See WorkerTransport."""
        return self.side.doorbell.wait_in(selector)

    def wake(self) -> None:
        """See Transport."""
        self.side.doorbell.wake()

    def close(self) -> None:
        """See Transport. Finally writes ``terminated`` into ``status.txt``."""
        if self._closed:
            return
        self._closed = True
        self._say("terminated")
        self.side.close()
        self.control.close()
        self.lessee.close()
        self._lender.arena.close()

    def _say(self, word: str) -> None:
        """Write a word into status.txt."""
        if not self._place.is_lost():
            with contextlib.suppress(OSError):  # the disk may be full
                write_status(self._place.directory, word)

    def rest(self) -> None:
        """There is nothing to do."""
        self._settle()
        self.tidy()

    def tidy(self) -> None:
        """Return what is no longer in use."""
        self.lessee.collect()
        self.lessee.tidy()
        self._lender.collect()
        self._lender.arena.tidy()

    def _read(self) -> Optional[Frame]:
        """The next frame for the worker; Put and Drop are handled at once."""
        while True:
            data = self._read_frame()
            frame = None if data is None else self._open(data)
            if data is None or frame is not None:
                return frame

    def _open(self, data: bytes) -> Optional[Frame]:
        """Take in a frame's bytes; a request is the current one from now on. None for Put and Drop.

        Raises RemoteProtocolError; MalformedRequest for a request that can be answered.
        """
        kind = data[4]
        if data[6] & FLAG_BODY_IN_BLOCK:
            data = self.lessee.whole_frame(data)
        if kind == shm_frame.EXIT:
            return Exit()
        if kind == shm_frame.CREDIT:
            return shm_frame.decode_credit(data)
        if kind in (shm_frame.INPUT_ITEM, shm_frame.ANSWER):
            return self._open_value(kind, data)
        if kind != REQUEST:
            self.take_tag(kind, data)
            return None
        try:
            request = decode_request(data)
            if request.attachments:
                request.attachments = self.hold(request.attachments)
        except RemoteProtocolError as error:
            raise MalformedRequest(error, int.from_bytes(data[8:16], "little"), LONG) from None
        if not self.since_ns:  # the first request; from now on the file says nothing more specific
            self._say("serving")
        words = self._words
        words[CURRENT_SINCE_NS] = self.since_ns = clock_ns()
        words[CURRENT_ID] = request.id or 0
        self.command = command = request.command
        return request if command != "exit" else Exit()

    def _open_value(self, kind: int, data: bytes) -> Union[Item, Answer]:
        """An item or an Answer; one that cannot be read says why."""
        try:
            frame = (
                shm_frame.decode_item(data)
                if kind == shm_frame.INPUT_ITEM
                else call_frame.decode_answer(data)
            )
            if frame.attachments:
                frame.attachments = self.hold(frame.attachments)
        except RemoteProtocolError as error:
            request_id = shm_frame.id_of(data)
            if kind == shm_frame.INPUT_ITEM:
                return Item(request_id, error=error)
            return Answer(request_id, error=Failure(error.code, str(error)))
        if self.side.reader.is_crowded:
            self._wake_host()
        return frame

    def _note_answer(self, response: Response) -> None:
        self.served += 1
        parked = self._parked.pop(response.id or 0, None) if self._parked else None
        self.count(CURRENT_ID if parked is None else parked, is_failure=response.error is not None)
        self._words[SERVED] = self.served
        if self._heard != self.settled and not self._unopened and not self.side.reader.has_frame:
            self._settle()

    def _encode(self, frame: Frame) -> bytes:
        if isinstance(frame, (Response, Item, Ask)):
            return self._encode_with_attachments(frame) if frame.attachments else self._encode_body(frame, ())
        if isinstance(frame, Credit):
            return shm_frame.encode_credit(frame, shm_frame.INPUT_CREDIT)
        if isinstance(frame, Ready):
            info = {**frame.info, "control": self.control.fileno()}
            self._place.check()
            write_worker_info(self._place.directory, info)
            write_status(self._place.directory, "ready")
            return shm_frame.encode_ready(info)
        if isinstance(frame, Exiting):
            return shm_frame.encode_simple(shm_frame.EXITING)
        raise TypeError(f"a worker does not send {frame!r}")

    def _tell(self, progress: Progress) -> bool:
        """Send a Progress if the ring has plenty of room."""
        data = call_frame.encode_progress(progress)
        if not self.side.writer.has_plenty(len(data)) or not self._try_write(data):
            return False
        self._wake_host()
        return True

    def _encode_body(self, frame: Union[Response, Item, Ask], attached: Sequence[Attached]) -> bytes:
        if isinstance(frame, Item):
            return shm_frame.encode_item(frame, attached)
        if isinstance(frame, Ask):
            return call_frame.encode_ask(frame, attached)
        return encode_response(frame, attached, self.command)

    def _encode_with_attachments(self, frame: Union[Response, Item, Ask]) -> bytes:
        data = self._encode_body(frame, self.sent_blocks.lend(frame.attachments))
        try:
            return data if len(data) <= LARGEST_NBYTES else self.sent_blocks.frame_of(data)
        except BaseException:
            self.sent_blocks.take_back()
            raise
