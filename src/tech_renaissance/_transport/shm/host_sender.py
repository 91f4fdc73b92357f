"""What the host's end of shared memory sends: frames, the blocks that
they lend, and the tensors under tags.
"""

import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from ..._base.tensor import DType, Library
from ..._protocol.frame import Answer, Credit, Exit, Frame, Item, Posted, Request
from ..transport import HostTransport
from . import call_frame
from . import frame as shm_frame
from .arena import Block
from .control import REQUEST_HEAD, REQUEST_TAIL, REQUESTS, WORKER_ASLEEP
from .frame import (
    ARENA,
    ATTACHMENT,
    FLAG_DEADLINE,
    FLAG_TYPED,
    FORM_SHIFT,
    LARGEST_NBYTES,
    PADDING,
    REQUEST,
    REQUEST_HEADER,
)
from .lender import Lender, PlacedBlock, restore, tsr_of
from .ring import NEEDS_FENCES, RING_NBYTES
from .segment import Segment

if TYPE_CHECKING:
    from .worker_side import WorkerSide

_pack_request, _pack_attachment = REQUEST_HEADER.pack_into, ATTACHMENT.pack


class ShmHostSender(HostTransport):
    """The part of ShmHost that writes."""

    def __init__(self, arena: Segment) -> None:
        """Raises OSError if the arena cannot be mapped."""
        self._lender = Lender(arena)
        self._lock = threading.RLock()  # for the lender, the tags and the writing end of the ring
        self._tags: Dict[str, Block] = {}
        self._unannounced: Dict[str, None] = {}  # tags whose changes the worker has not been told, in order
        self._worker: Optional[WorkerSide] = None
        self._is_in_use = False  # whether a worker uses this transport
        # The last frame to send (the id of what was posted, because that would keep its blocks),
        # and the ring's head before it.
        self._sending: Optional[Tuple[Union[Frame, int, None], int]] = None
        self._fence = threading.Lock()  # under the other lock: see full_fence

    def place(self, attachment: Any) -> PlacedBlock:
        """See HostTransport. A tensor made by ``empty`` is not copied."""
        with self._lock:
            # Assigned within the block: an interrupt between a call and the block's end
            # would leave the lock taken.
            (placed,) = self._lender.place_all([attachment])
        return placed

    def place_all(self, attachments: Sequence[Any]) -> Sequence[PlacedBlock]:
        """See HostTransport."""
        with self._lock:
            placed = self._lender.place_all(attachments)
        return placed  # noqa: RET504

    def put_tensor(self, tag: str, tensor: Any) -> None:
        """See HostTransport. A tensor made by ``empty`` is not copied; any other is copied once, into the
        same block as before if nobody else uses that.
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

    def hand_over(self, put: Callable[[str, memoryview], None], done: Callable[[], None]) -> None:
        """Hand the worker over to another transport: ``put`` gets all tags, with their tensors as the bytes
        of TSR files. No tag can change between the last of them and ``done()``.
        """
        with self._lock:
            for tag, block in self._tags.items():
                put(tag, tsr_of(block))
            self._is_in_use = False
            self._unannounced.clear()
            done()

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


def _encoded(frame: Union[Request, Item, Answer], attached: Sequence[shm_frame.Attached]) -> bytes:
    if isinstance(frame, Request):
        return shm_frame.encode_request(frame, attached)
    if isinstance(frame, Item):
        return shm_frame.encode_item(frame, attached, shm_frame.INPUT_ITEM)
    return call_frame.encode_answer(frame, attached)
