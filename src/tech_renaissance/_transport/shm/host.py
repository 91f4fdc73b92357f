"""The shared-memory transport, host's end. Contract: spec/transport-shm.md.

Each worker gets a new control segment, worker arena and doorbell. The host arena stays, and with it the tensors under tags.
"""

import contextlib
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar, Union

from ..._base.errors import LaunchError
from ..._base.tensor import DType, Library, imported_library
from ..._protocol.body import FORMS
from ..._protocol.frame import (
    Answer,
    Credit,
    Exit,
    Frame,
    Item,
    Plain,
    Posted,
    Request,
)
from ..._system.wait_handle import WaitHandle
from ..firing import Firing
from ..transport import (
    HostTransport,
    Offer,
    Several,
    Taken,
)
from . import call_frame
from . import frame as shm_frame
from .arena import Block
from .control import (
    REQUEST_HEAD,
    REQUEST_TAIL,
    REQUESTS,
    RESPONSE_HEAD,
    RESPONSE_TAIL,
    RESPONSES,
    SLEEP_S,
    STOP,
    WORKER_ASLEEP,
    give_up,
    in_work,
    waits_in_work,
)
from .frame import (
    ARENA,
    ATTACHMENT,
    FLAG_DEADLINE,
    FLAG_TYPED,
    FORM_SHIFT,
    LARGEST_NBYTES,
    PADDING,
    PLAIN_FLAGS,
    PLAIN_HEADER,
    REQUEST,
    REQUEST_HEADER,
    RESPONSE,
)
from .lender import Lender, PlacedBlock, restore, tsr_of
from .ring import NEEDS_FENCES, RING_NBYTES, full_fence
from .segment import Segment
from .worker_side import WorkerSide

_Read = TypeVar("_Read")
_RESPONSES_END = RESPONSES + RING_NBYTES
_pack_request, _unpack_plain = REQUEST_HEADER.pack_into, PLAIN_HEADER.unpack_from
_pack_attachment = ATTACHMENT.pack


class ShmHost(HostTransport):
    """Offers shared memory to each worker."""

    def __init__(self, library: Optional[Library] = None, look_us: Optional[int] = None) -> None:
        """``look_us``: see ControlSide. Raises OSError if shared memory is not available."""
        self._look_us = look_us
        self._library: Optional[Library] = library
        with contextlib.ExitStack() as undo:
            self._arena = Segment.create_arena()
            undo.callback(self._arena.close)
            self._lender = Lender(self._arena)
            undo.pop_all()
        self._lock = threading.RLock()  # for the lender, the tags and the writing end of the ring
        self._tags: Dict[str, Block] = {}
        self._unannounced: Dict[str, None] = {}  # tags whose changes the worker has not been told, in order
        self._worker: Optional[WorkerSide] = None
        self._is_in_use = False  # whether a worker uses this transport
        # The last frame to send (the id of what was posted, because that would keep its blocks), and the ring's head before it.
        self._sending: Optional[Tuple[Union[Frame, int, None], int]] = None
        self._fence = threading.Lock()  # under the other lock: see full_fence
        self._firing = Firing()  # the worker's doorbell and end

    def prepare(self) -> Offer:
        """See HostTransport."""
        with self._lock:
            self._hang_up()
            self._lender.arena.forget_leases()
            for block in self._tags.values():
                restore(block)
            self._unannounced = dict.fromkeys(self._tags)
            try:
                self._worker = worker = WorkerSide(self._look_us)
                self._is_in_use = True
            except OSError as error:
                raise LaunchError("launch_failed", f"no shared memory for a worker: {error}") from error
        numbers = [
            worker.control.fileno(),
            self._arena.fileno(),
            worker.arena.fileno(),
            *worker.their_doorbell,
        ]
        return Offer({"TR_SHM": ",".join(map(str, numbers))}, numbers)

    def watch_exit(self, handle: int) -> None:
        """See HostTransport."""
        assert self._worker is not None
        doorbell = self._worker.side.doorbell
        doorbell.watch_exit(handle)
        self._firing.follow(doorbell.hears, handle)

    def fire(self, handle: Optional[WaitHandle]) -> None:
        """See HostTransport."""
        self._firing.use(handle)

    def arm(self) -> float:
        """See HostTransport."""
        worker = self._worker
        return 0.0 if worker and not worker.side.arm() else SLEEP_S

    def disarm(self, *, has_fired: bool) -> None:
        """See HostTransport."""
        worker = self._worker
        if worker is None:
            return
        worker.side.disarm(has_fired=has_fired)
        if worker.side.doorbell.is_cut:
            self._firing.forget(worker.side.doorbell.hears)

    def stop_firing(self) -> None:
        """See HostTransport."""
        self._firing.follow()

    def give_up(self, request_id: int) -> None:
        """See HostTransport."""
        with self._lock:
            if self._worker:
                give_up(self._worker.control.words, request_id)
                self._worker.side.wake_other()  # it may be waiting for something

    def ask_to_stop(self, request_id: int) -> None:
        """See HostTransport."""
        self.give_up(request_id | STOP)

    def waits_for(self, request_ids: Sequence[int]) -> Dict[int, int]:
        """See HostTransport."""
        with self._lock:
            waits = waits_in_work(self._worker.control.words) if self._worker else {}
        return {number: waits[number] for number in request_ids if number in waits}

    def begun(self, request_ids: Sequence[int]) -> "Dict[int, Optional[int]]":
        """See HostTransport."""
        with self._lock:
            since_ns = in_work(self._worker.control.words) if self._worker else {}
        return {number: since_ns[number] for number in request_ids if number in since_ns}

    def place(self, attachment: Any) -> PlacedBlock:
        """See HostTransport. A tensor made by ``empty`` is not copied."""
        with self._lock:
            # Assigned within the block: an interrupt between a call and the block's end would leave the lock taken.
            (placed,) = self._lender.place_all([attachment])
        return placed

    def place_all(self, attachments: Sequence[Any]) -> Sequence[PlacedBlock]:
        """See HostTransport."""
        with self._lock:
            placed = self._lender.place_all(attachments)
        return placed  # noqa: RET504

    def put_tensor(self, tag: str, tensor: Any) -> None:
        """See HostTransport. A tensor made by ``empty`` is not copied; any other is copied once, into the same block as before if nobody
        else uses that.
        """
        with self._lock:
            worker = self._worker
            old = self._tags.get(tag)
            if old is not None and not (worker and worker.is_done_with(old)):
                old = None
            if old is not None and self._lender.try_rewrite(old, tensor):
                if self._is_in_use:
                    self._unannounced[tag] = None
            else:
                block = self._lender.place(tensor, old)
                self._replace(tag, block, is_rewritten=block is old)
            if worker and worker.is_ready and worker.side.other_is_awake:
                if self._sending and self._sending[1] == worker.side.writer.head:
                    self._sending = None  # it was not sent, which the head will no longer show
                self._announce()  # so that the worker handles it while the next tensor is being copied

    def drop_tensor(self, tag: str) -> None:
        """See HostTransport."""
        with self._lock:
            self._replace(tag, None)

    def tags(self) -> List[str]:
        """See HostTransport."""
        with self._lock:
            tags = list(self._tags)
        return tags  # noqa: RET504

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See HostTransport. The tensor lives in shared memory."""
        with self._lock:
            tensor = self._lender.empty(dtype, shape, library)
        return tensor  # noqa: RET504

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        worker = self._worker
        assert worker is not None
        side = worker.side
        with self._lock:
            if isinstance(frame, Request):
                if worker.lessee.dead:
                    worker.collect()
                sent = (not self._unannounced or self._announce()) and self._send_request(worker, frame)
            elif isinstance(frame, (Item, Answer)):
                sent = self._send_with_attachments(frame)
            elif isinstance(frame, (Exit, Credit)):
                self._sending = (frame, side.writer.head)
                is_exit = isinstance(frame, Exit)
                data = shm_frame.encode_simple(shm_frame.EXIT) if is_exit else shm_frame.encode_credit(frame)
                sent = side.writer.try_write(data)
            else:
                raise TypeError(f"a host does not send {frame!r}")
            side.wake_other()  # even if there was only room for tags
            if worker.lessee.kept:
                worker.let_go_of_dead()
            return sent

    def post(self, posted: Posted) -> bool:  # noqa: C901, PLR0912, PLR0915 - one function is the point
        """See HostTransport. All at once, because it is on the way of each call."""
        number, command, parameters, typed, form, attachments, deadline_ns = posted
        worker = self._worker
        assert worker is not None
        text = command + parameters
        if text.isascii():
            n_command = len(command)
            data = text.encode()
        else:
            data = command.encode("utf-8", shm_frame.SURROGATES)
            n_command = len(data)
            data += parameters.encode("utf-8", shm_frame.SURROGATES)
        length = len(data)
        data += PADDING[length & 7]
        nbytes = 24 + len(data) + ATTACHMENT.size * len(attachments)
        flags = form << FORM_SHIFT | FLAG_TYPED if typed else 0
        if deadline_ns is not None:
            nbytes += 8
            flags |= FLAG_DEADLINE
        with self._lock:
            if self._unannounced and not self._announce():
                return False
            if worker.lessee.dead:
                worker.collect()
            writer, words = worker.side.writer, worker.control.words
            head = writer.head
            start = head & RING_NBYTES - 1
            if (
                nbytes > LARGEST_NBYTES
                or start + nbytes > RING_NBYTES
                or head + nbytes - words[REQUEST_TAIL] > RING_NBYTES
            ):
                return False
            worker.requests += 1
            self._sending = (number, head)
            acquire, release = self._fence.acquire, self._fence.release
            lend = self._lender.arena.lend
            lent: List[Tuple[Block, int]] = []  # with their previous leases
            try:
                for placed in attachments:  # as _lend
                    block = placed.block
                    if placed.was_sent:
                        restore(block)
                    placed.was_sent = True
                    lent.append((block, block.lease))
                    data += _pack_attachment(placed.kind, ARENA, block.offset, lend(block))
                if deadline_ns is not None:
                    data += deadline_ns.to_bytes(8, "little")
                start += REQUESTS
                mapping = worker.control.mapping
                _pack_request(
                    mapping, start, nbytes, REQUEST, flags, number or 0, n_command, length - n_command
                )
                mapping[start + 24 : start + nbytes] = data
                if NEEDS_FENCES:
                    acquire(False)
                    release()
                # Our own head first, so that a signal between the two cannot lose a published frame.
                writer.head = end = head + nbytes
                words[REQUEST_HEAD] = end
            except BaseException:
                if writer.head == head:
                    self._take_back(lent)
                raise
            acquire(False)
            release()
            if words[WORKER_ASLEEP]:
                worker.side.ring()
            # What can wait is done while the worker is at work.
            if self._lender.unplaced:
                self._lender.collect()
            if worker.lessee.kept:
                worker.let_go_of_dead()
        return True

    def take_plain(self, request: Request) -> Optional[Plain]:
        """See HostTransport. All at once, because it is on the way of each call."""
        worker = self._worker
        assert worker is not None
        side = worker.side
        if not side.look():
            return None
        if NEEDS_FENCES:
            full_fence()
        reader, words = side.reader, worker.control.words
        tail = reader.tail
        start = RESPONSES + (tail & RING_NBYTES - 1)
        nbytes = reader.sizes[start >> 2]
        end = start + nbytes
        if (
            words[RESPONSE_HEAD] != tail + nbytes  # something else is behind it
            or nbytes < PLAIN_HEADER.size
            or end > _RESPONSES_END
            or tail < worker.last[1]  # an exception interrupted the taking of the one before
        ):
            return None
        frame = worker.control.mapping[start:end]
        _, kind, flags, number, n_command, n_result, n_message, n_error, count = _unpack_plain(frame)
        stop = 40 + n_result
        form = flags >> FORM_SHIFT
        if (
            kind != RESPONSE
            or number != request.id
            or n_command
            or n_message
            or n_error
            or stop + count * ATTACHMENT.size > nbytes
            or flags & ~PLAIN_FLAGS
            or form not in FORMS
        ):
            return None
        attachments: Sequence[Any] = ()
        try:
            result = frame[40:stop].decode()
            if count:
                stop = stop + 7 & -8
                attached = shm_frame.decode_attachments(frame[stop : stop + count * ATTACHMENT.size])
                attachments = worker.values(attached, self._library or imported_library())
        except Exception:  # why will be known when it happens again
            return None
        worker.last = (request, tail + nbytes)
        reader.tail = tail = tail + nbytes
        words[RESPONSE_TAIL] = tail
        reader.is_crowded = False
        if worker.held:
            worker.let_go_held()
        return form, result, attachments

    def has_sent(self, frame: Union[Frame, Posted]) -> bool:
        """See HostTransport."""
        with self._lock:
            worker = self._worker
            if worker is None or self._sending is None:
                return False
            sending, head = self._sending
            is_it = sending == frame[0] if isinstance(frame, tuple) else sending is frame
            if not is_it or worker.side.writer.head == head:
                return False
            worker.side.writer.publish()
            worker.side.wake_other()
            return True

    @property
    def taken(self) -> Taken:
        """See HostTransport."""
        return self._worker.last[0] if self._worker else None

    def forget_taken(self) -> None:
        """See HostTransport."""
        if self._worker:
            self._worker.last = (None, self._worker.last[1])

    def receive(self, timeout_s: float) -> Optional[Frame]:
        """See Transport."""
        worker = self._worker
        assert worker is not None
        if not timeout_s or worker.side.look():
            frame = worker.read(self._library)
            if frame is not None:
                return frame
        return self._wait(timeout_s, worker.read)

    def receive_some(self, timeout_s: float, *, looks: bool) -> Union[Frame, Several, None]:
        """See HostTransport."""
        worker = self._worker
        assert worker is not None
        if not (timeout_s and looks) or worker.side.look():
            frame = worker.read_some(self._library)
            if frame is not None:
                return frame
        return self._wait(timeout_s, worker.read_some)

    def wake(self) -> None:
        """See Transport."""
        worker = self._worker
        if worker:
            worker.side.doorbell.wake()

    def is_ready(self) -> bool:
        """Whether the worker has said over shared memory that it is ready."""
        return self._worker is not None and self._worker.is_ready

    def hand_over(self, put: Callable[[str, memoryview], None], done: Callable[[], None]) -> None:
        """Hand the worker over to another transport: ``put`` gets all tags, with their tensors as the bytes of TSR files. No tag can
        change between the last of them and ``done()``.
        """
        with self._lock:
            for tag, block in self._tags.items():
                put(tag, tsr_of(block))
            self._is_in_use = False
            self._unannounced.clear()
            done()

    def close(self) -> None:
        """See Transport. Tensors that live in shared memory stay readable."""
        with self._lock:
            self._hang_up()
            self._lender.arena.close()

    def _wait(
        self, timeout_s: float, read: Callable[[Optional[Library]], Optional[_Read]]
    ) -> Optional[_Read]:
        worker = self._worker
        assert worker is not None
        deadline = time.monotonic() + timeout_s
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            happened = worker.side.sleep(remaining)
            frame = read(self._library)
            if frame is not None or happened:
                return frame
            with self._lock:
                self._lender.collect()
                self._lender.arena.tidy()
            worker.tidy()

    def _replace(self, tag: str, block: Optional[Block], *, is_rewritten: bool = False) -> None:
        arena = self._lender.arena
        old = self._tags.get(tag)
        if not is_rewritten:
            self._tags.pop(tag, None)
            if old is not None:
                arena.release(old)
            if block is not None:
                self._tags[tag] = block
        if (is_rewritten or block is not old) and self._is_in_use:
            self._unannounced[tag] = None
        arena.tidy()

    def _announce(self) -> bool:
        """Tell the worker about all changed tags; False if there is not enough room."""
        assert self._worker is not None
        try_write, unannounced = self._worker.side.writer.try_write, self._unannounced
        while unannounced:
            tag = next(iter(unannounced))
            block = self._tags.get(tag)
            if block is None:
                if not try_write(shm_frame.encode_drop(tag)):
                    return False
            else:
                lease_before = block.lease
                lease = self._lender.arena.lend(block)
                if not try_write(shm_frame.encode_put(tag, (block.offset, lease))):
                    block.lease = lease_before  # the worker will not learn of the new one
                    return False
            del unannounced[tag]
        return True

    def _send_request(self, worker: "WorkerSide", request: Request) -> bool:
        worker.requests += 1
        if request.attachments:
            sent = self._send_with_attachments(request)
        else:
            data = shm_frame.encode_request(request)
            writer = worker.side.writer
            self._sending = (request, writer.head)
            sent = writer.try_write(data) if len(data) <= LARGEST_NBYTES else self._write_whole(data)
        if not sent:
            worker.requests -= 1
        return sent

    def _send_with_attachments(self, frame: Union[Request, Item, Answer]) -> bool:
        worker = self._worker
        assert worker is not None
        writer = worker.side.writer
        head = writer.head
        lent: List[Tuple[Block, int]] = []  # with their previous leases
        try:
            data = _encoded(frame, self._lend(frame.attachments, lent))
            self._sending = (frame, head)
            return self._write_whole(data)
        finally:
            if lent and writer.head == head:
                self._take_back(lent)

    @staticmethod
    def _take_back(lent: Sequence[Tuple[Block, int]]) -> None:
        """The worker will not learn of the new leases of these blocks."""
        for block, lease in reversed(lent):
            block.lease = lease

    def _lend(
        self, attachments: Sequence[PlacedBlock], lent: List[Tuple[Block, int]]
    ) -> Sequence[shm_frame.Attached]:
        """Lend the blocks of a frame's attachments to the worker."""
        if not attachments:
            return ()
        attached: List[shm_frame.Attached] = []
        for placed in attachments:
            block = placed.block
            if placed.was_sent:
                restore(block)
            placed.was_sent = True
            lent.append((block, block.lease))
            attached.append((placed.kind, (block.offset, self._lender.arena.lend(block))))
        return attached

    def _write_whole(self, data: bytes) -> bool:
        assert self._worker is not None
        writer = self._worker.side.writer
        if len(data) <= LARGEST_NBYTES:
            return writer.try_write(data)
        if not writer.has_room(shm_frame.LARGEST_TAG_FRAME):
            return False
        arena = self._lender.arena
        body = data[shm_frame.HEADER_NBYTES :]
        block = self._lender.place_bytes(body)
        lent = (block.offset, arena.lend(block))
        arena.release(block)
        return writer.try_write(shm_frame.encode_body_in_block(data, lent, len(body)))

    def _hang_up(self) -> None:
        if self._worker:
            self.stop_firing()
            self._worker.close()
            self._worker = None


def _encoded(frame: Union[Request, Item, Answer], attached: Sequence[shm_frame.Attached]) -> bytes:
    if isinstance(frame, Request):
        return shm_frame.encode_request(frame, attached)
    if isinstance(frame, Item):
        return shm_frame.encode_item(frame, attached, shm_frame.INPUT_ITEM)
    return call_frame.encode_answer(frame, attached)
