"""The shared-memory transport, worker's end. Contract: spec/transport-shm.md."""

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Set, Union

from ..._base.errors import RemoteProtocolError
from ..._base.tensor import DType, Library, imported_library
from ..._protocol.attachments import read_stored
from ..._protocol.body import TENSOR
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
from ..session_files import write_status, write_worker_info
from ..session_place import SessionPlace
from ..transport import NOTHING, Received, Unopened, Watching, WorkerTransport
from . import call_frame
from . import frame as shm_frame
from .control import (
    CURRENT_ID,
    CURRENT_SINCE_NS,
    FAILED,
    GIVEN_UP,
    HISTOGRAM,
    PARKED_SLOTS,
    SERVED,
    STOP,
    THREADS,
    ControlSide,
    check_magic,
    given_up,
)
from .doorbell import Doorbell
from .frame import (
    FLAG_BODY_IN_BLOCK,
    LARGEST_NBYTES,
    PUT,
    REQUEST,
    Attached,
    decode_put,
    decode_request,
    encode_response,
)
from .lender import Lender
from .lessee import Lessee
from .segment import MappedSegment, Segment
from .sent_blocks import SentBlocks

if TYPE_CHECKING:
    from .lessee import Lease

# A mask, a power of two less 1: the first call, and then each one after this many more, publishes the number of threads and tidies.
OFTEN = 63

# How many frames are read ahead at most.
_INBOX = 256
# What is opened when it is read ahead, because its turn depends on nothing before it.
_AT_ONCE = (shm_frame.CREDIT, shm_frame.INPUT_ITEM, shm_frame.ANSWER)


class _PackedAttachment:
    """An attachment of a request that is no tensor; see Received."""

    __slots__ = ("_kind", "_lease")

    def __init__(self, kind: int, lease: "Lease") -> None:
        self._kind = kind
        self._lease = lease

    def value(self, library: Optional[Library]) -> Any:
        """See Received."""
        return read_stored(self._kind, self._lease.value, library)

    def let_go(self) -> None:
        """See Received."""
        self._lease.let_go()


class ShmWorker(WorkerTransport):
    """Serves over segments that the host made and this process inherited.

    ``control``, ``side``, ``command`` and ``since_ns`` (of the current request), ``settled``, ``lessee``, ``sent_blocks`` and ``served`` are for
    the fast path, which bypasses this class.
    """

    has_rings = True

    def __init__(
        self, place: SessionPlace, descriptors: Sequence[int], look_us: Optional[int] = None
    ) -> None:
        """``descriptors``: from TR_SHM. ``look_us``: see ControlSide. Raises OSError or ValueError if they cannot be used."""
        segment, host_arena, worker_arena = (Segment.inherit(number) for number in descriptors[:3])
        self.control = control = MappedSegment(segment)
        if not check_magic(control):
            raise ValueError("the host's control segment has another layout")
        self._place = place
        self.side = ControlSide(control, Doorbell(*descriptors[3:]), is_host=False, look_us=look_us)
        self._words = control.words
        self.lessee = Lessee(host_arena)
        self._lender = Lender(worker_arena)
        self.sent_blocks = SentBlocks(self._lender)
        self._tags: Dict[str, Lease] = {}
        self._unsent_frame: Optional[Frame] = None  # already encoded as _unsent, waiting for room
        self._unsent = b""
        self._unopened = 0  # how many frames have been read ahead and not opened
        self._read_frame = self.side.reader.read
        self._try_write = self.side.writer.try_write
        self._wake_host = self.side.wake_other
        self.command = ""  # the current request's
        self.since_ns = 0  # when the current request began
        self.served = 0  # how many requests
        self._heard = 0  # how much of the given-up list we have taken in, into:
        self._given_up: Set[int] = set()  # with STOP, what is to stop
        self.settled = 0  # how much of it concerns nothing that may still come
        self._parked: Dict[int, int] = {}  # the slots of requests that have become streams
        self._closed = False

    def is_cancelled(self, request_id: int) -> bool:
        """See WorkerTransport."""
        count = self._words[GIVEN_UP]
        if count != self._heard:
            # Whoever is interrupted here by a signal handler that does the same adds the same ids again.
            self._given_up.update(given_up(self._words, self._heard, count))
            self._heard = count
        return request_id in self._given_up

    def is_stopping(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return self.is_cancelled(request_id | STOP)

    def note_wait(self, request_id: int, what: int) -> None:
        """See WorkerTransport."""
        slot = self._parked.get(request_id, CURRENT_ID)
        if slot:
            self._words[slot + 2] = what

    def park(self, request_id: int) -> None:
        """See WorkerTransport. Its slot is another than that of the request that is served at the time, if one is free."""
        words = self._words
        slot = next((slot for slot in PARKED_SLOTS if not words[slot]), 0)
        if slot:
            words[slot + 1] = self.since_ns
            words[slot + 2] = words[CURRENT_ID + 2]  # it may wait for something already
            words[slot] = request_id
        words[CURRENT_ID + 2] = NOTHING
        self._parked[request_id] = slot
        words[CURRENT_ID] = 0

    def get_tensor(self, tag: str, library: Optional[Library]) -> Any:
        """See WorkerTransport. The tensor is a view of shared memory."""
        lease = self._tags[tag]
        if lease.is_known and lease.library == library:
            return lease.alias(lease.view)
        return self.lessee.tensor(lease, library or imported_library())

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

    def _settle(self) -> None:
        """Everything that was given up has been answered, if there is nothing else to do."""
        if self._parked:
            return
        self._given_up.clear()
        self.settled = self._heard

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
        words[CURRENT_SINCE_NS] = self.since_ns = time.perf_counter_ns()
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

    def hold(self, attached: Sequence[Attached]) -> List[Received]:
        """Hold the attachments of a frame until they are let go. Raises RemoteProtocolError if some are invalid."""
        attachments: List[Received] = []
        hold = self.lessee.hold
        try:
            for kind, (offset, number) in attached:
                lease = hold(offset, number)
                attachments.append(lease if kind == TENSOR else _PackedAttachment(kind, lease))
        except RemoteProtocolError:
            for attachment in attachments:
                attachment.let_go()
            raise
        return attachments

    def hold_encoded(self, encoded: bytes) -> Sequence[Received]:
        """The same for attachments as they are in a frame."""
        is_whole = not len(encoded) % shm_frame.ATTACHMENT.size
        held = self.lessee.hold_again(encoded) if is_whole else None
        return self.hold(shm_frame.decode_attachments(encoded)) if held is None else held

    def take_tag(self, kind: int, data: bytes) -> None:
        """Take in a Put or Drop frame. Raises RemoteProtocolError for others, and broken ones."""
        lessee, tags = self.lessee, self._tags
        if kind == PUT:
            tag, (offset, number) = decode_put(data)
            old = tags.get(tag)
            tags[tag] = lessee.hold(offset, number)
        elif kind == shm_frame.DROP:
            old = tags.pop(shm_frame.decode_drop(data), None)
        else:
            raise RemoteProtocolError("bad_frame", f"a host does not send frames of kind {kind}")
        if old is not None:
            old.let_go()
        # The host may be waiting for room. A response would wake it, but these frames have none.
        if self.side.reader.is_crowded:
            self._wake_host()

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

    def count(self, slot: int, *, is_failure: bool) -> None:
        """Note that the request in a slot has been answered (0: one without a slot). To be done while the host reads."""
        words = self._words
        if slot:
            words[HISTOGRAM + (time.perf_counter_ns() - words[slot + 1]).bit_length() % 64] += 1
            words[slot] = 0
        if is_failure:
            words[FAILED] += 1
        if self.served & OFTEN == 1:
            self.now_and_then()

    def now_and_then(self) -> None:
        """What is to be done once in many requests."""
        self._words[THREADS] = _threads()
        self.tidy()


def _threads() -> int:
    """How many threads torch computes with in this process; 1 if it is not loaded."""
    count = getattr(sys.modules.get("torch"), "get_num_threads", None)
    return count() if count else 1
