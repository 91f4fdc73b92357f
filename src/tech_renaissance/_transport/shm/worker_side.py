"""What a host's end of shared memory has for one worker, from its start to its end: control segment, worker
arena and doorbell, and what it reads there.
"""

import contextlib
import threading
from typing import Any, List, Optional, Sequence, Tuple, Union

from ..._base.errors import FormatError, RemoteProtocolError
from ..._base.tensor import Library, imported_library
from ..._protocol.attachments import read_stored
from ..._protocol.body import TENSOR
from ..._protocol.frame import (
    LONG,
    SHORT,
    Ask,
    Exiting,
    Frame,
    Item,
    Ready,
    Response,
)
from ..transport import (
    Answers,
    Items,
    Several,
    Taken,
    Unreadable,
    ask_not_taken_in,
    ids_answered_by,
    item_not_taken_in,
    lacks_dtype,
    not_taken_in,
)
from . import call_frame
from . import frame as shm_frame
from .arena import Block
from .control import (
    CONTROL_NBYTES,
    SERVED,
    ControlSide,
    GivenUpList,
    write_magic,
)
from .doorbell import Doorbell
from .lessee import Lease, Lessee
from .plain import plain_frames
from .segment import MappedSegment, Segment

# What often comes several at a time, and how much to look at in search of it.
_OFTEN_SEVERAL = (shm_frame.ITEM, shm_frame.RESPONSE)
_MOST_NBYTES = 16384
# How often to look through a ring while another thread reads it.
_TRIES = 10


class WorkerSide:
    """One thread at a time reads; the rest is thread-safe where it says so."""

    def __init__(self, look_us: Optional[int]) -> None:
        with contextlib.ExitStack() as undo:
            self.control = MappedSegment(Segment.create(CONTROL_NBYTES))
            undo.callback(self.control.close)
            write_magic(self.control)
            self.arena = Segment.create_arena()
            undo.callback(self.arena.close)
            self.lessee = Lessee(self.arena)
            undo.callback(self.lessee.close)
            doorbell, self.their_doorbell = Doorbell.pair()
            undo.pop_all()
        self.side = ControlSide(self.control, doorbell, is_host=True, look_us=look_us)
        self.given_up = GivenUpList(self.control.words)
        self.is_ready = False
        # How many it was sent. Too many if an exception interrupted that; then no
        # block is written into again.
        self.requests = 0
        self.last: Tuple[Taken, int] = (None, 0)  # the last frame taken, and where it ends in the ring
        # Blocks of the frame being read, held until it is taken, because it may have to be read again.
        self.held: List[Lease] = []
        self._collecting = threading.Lock()  # for the lessee's leases, once there are results

    def is_done_with(self, block: Block) -> bool:
        """Whether this worker, which has the block under a tag, has no request in work and no tensor of it,
        and only the tag uses it here.
        """
        return (
            self.control.words[SERVED] == self.requests
            and block.holders == 1
            and block.window.words[block.word + 1] == block.lease
        )

    def answered(self) -> Optional[Sequence[Optional[int]]]:
        """The requests whose responses have come and have not been dealt with; None if that cannot be known.
        Another thread may be reading.
        """
        reader = self.side.reader
        for _ in range(_TRIES):
            frames = reader.headers()
            if frames is not None:
                break
        else:
            return None
        # Only now, because what has left the ring was noted as taken before.
        return [number for kind, number in frames if kind == shm_frame.RESPONSE] + ids_answered_by(
            self.last[0]
        )

    def collect(self) -> None:
        """Return the results that have died. Another thread may be reading."""
        with self._collecting:
            self.lessee.collect()

    def read(self, library: Optional[Library]) -> Optional[Frame]:
        """The next frame, if there is one. Raises RemoteProtocolError."""
        reader = self.side.reader
        if reader.tail < self.last[1]:  # an exception interrupted the last _take
            reader.advance(self.last[1])
        data = reader.peek()
        if data is None:
            return None
        if self.lessee.dead:
            self.collect()
        end = reader.tail + len(data)
        try:
            if data[4] == shm_frame.RESPONSE and not data[6] & shm_frame.FLAG_BODY_IN_BLOCK:
                frame: Frame = shm_frame.decode_response(data)
                if frame.attachments:
                    frame = self._with_values(frame, library)
            else:
                frame = self._decode(data, library)
        except Exception as error:
            frame = self._in_place_of(data, end, error)
        self.last = (frame, end)
        reader.advance(end)
        if self.held:
            self.let_go_held()
        if reader.is_crowded:
            self.side.wake_other()
        return frame

    def read_some(self, library: Optional[Library]) -> Union[Frame, Several, None]:
        """The same, or several frames."""
        reader = self.side.reader
        if reader.tail < self.last[1]:
            reader.advance(self.last[1])
        kind = reader.next_kind()
        if kind in _OFTEN_SEVERAL:
            numbers, bodies, nbytes = plain_frames(kind, reader.peek_many(_MOST_NBYTES))
            if bodies:
                several = (
                    Items(numbers[0] or None, bodies)
                    if kind == shm_frame.ITEM
                    else Answers([number or None for number in numbers], bodies)
                )
                self._take(several, reader.tail + nbytes)
                return several
        return self.read(library)

    def _in_place_of(self, data: bytes, end: int, error: Exception) -> Frame:
        """What stands for a frame that could not be decoded. Raises Unreadable, after taking the
        frame, for one that says nothing.
        """
        if data[4] == shm_frame.ITEM:
            return item_not_taken_in(shm_frame.id_of(data), error)
        if data[4] == shm_frame.ASK:
            return ask_not_taken_in(shm_frame.id_of(data), error)
        if isinstance(error, RemoteProtocolError):
            unreadable = Unreadable(error, shm_frame.id_of(data))
            self._take(unreadable, end)
            raise unreadable from error
        if data[4] != shm_frame.RESPONSE:
            raise error
        is_short = data[6] & shm_frame.FLAG_SHORT
        return not_taken_in(shm_frame.id_of(data), SHORT if is_short else LONG, error)

    def _take(self, taken: Taken, end: int) -> None:
        self.last = (taken, end)
        reader = self.side.reader
        reader.advance(end)
        if self.held:
            self.let_go_held()
        if reader.is_crowded:
            self.side.wake_other()

    def tidy(self) -> None:
        """See Lessee."""
        with self._collecting:
            self.lessee.tidy()

    def let_go_of_dead(self) -> None:
        """Return small results that have died. Another thread may be reading."""
        with self._collecting:
            self.lessee.let_go_of_dead()

    def let_go_held(self) -> None:
        """Return the blocks of a frame that has been taken."""
        with self._collecting:
            while self.held:
                lease = self.held.pop()
                if lease.is_small:
                    lease.is_small = False
                    self.lessee.let_go_later(lease)
                else:
                    lease.let_go()

    def _hold(self, blocks: Sequence[shm_frame.Lent]) -> List[Lease]:
        """Hold all valid blocks, so that they are returned later. Raises
        RemoteProtocolError if some are invalid.
        """
        hold = self.lessee.hold
        leases: List[Lease] = []
        failure: Optional[RemoteProtocolError] = None
        with self._collecting:
            for offset, number in blocks:
                try:
                    lease = hold(offset, number)
                except RemoteProtocolError as error:
                    failure = error
                else:
                    self.held.append(lease)
                    leases.append(lease)
        if failure is not None:
            raise failure
        return leases

    def _decode(self, data: bytes, library: Optional[Library]) -> Frame:
        kind = data[4]
        if data[6] & shm_frame.FLAG_BODY_IN_BLOCK:
            self._hold([shm_frame.decode_body_in_block(data)[0]])
            data = self.lessee.whole_frame(data)
        if kind == shm_frame.RESPONSE:
            return self._with_values(shm_frame.decode_response(data), library)
        if kind == shm_frame.ITEM:
            return self._with_values(shm_frame.decode_item(data), library)
        if kind == shm_frame.PROGRESS:
            return call_frame.decode_progress(data)
        if kind == shm_frame.ASK:
            return self._with_values(call_frame.decode_ask(data), library)
        if kind == shm_frame.INPUT_CREDIT:
            return shm_frame.decode_credit(data)
        if kind == shm_frame.READY:
            self.is_ready = True
            return Ready(shm_frame.decode_ready(data))
        if kind == shm_frame.EXITING:
            return Exiting()
        raise RemoteProtocolError("bad_frame", f"a worker does not send frames of kind {kind}")

    def close(self) -> None:
        """Hang up. Tensors in the worker's arena remain readable."""
        self.side.close()
        self.control.close()
        self.lessee.close()

    def _with_values(
        self, frame: Union[Response, Item, Ask], library: Optional[Library]
    ) -> Union[Response, Item, Ask]:
        """The frame, with its attachments read."""
        if frame.attachments:
            frame.attachments = self.values(frame.attachments, library or imported_library())
        return frame

    def values(self, attached: Sequence[shm_frame.Attached], library: Library) -> Sequence[Any]:
        """The attachments of a frame. Raises RemoteProtocolError, FormatError ``unsupported_dtype``,
        ArenaFull, OSError.
        """
        again = self.lessee.again
        values: List[Any] = []
        with self._collecting:
            for kind, (offset, number) in attached:
                value = again(offset, number, library) if kind == TENSOR else None
                if value is None:
                    break
                values.append(value)
        if len(values) == len(attached):
            return values
        # It does no harm that some of the blocks are held already.
        leases = self._hold([lent for _, lent in attached])
        try:
            return [self._read(kind, lease, library) for (kind, _), lease in zip(attached, leases)]
        except FormatError as error:
            if lacks_dtype(error):
                raise
            raise RemoteProtocolError("bad_frame", f"an attachment cannot be read: {error}") from error

    def _read(self, kind: int, lease: Lease, library: Library) -> Any:
        if kind == TENSOR:
            return self.lessee.tensor_once(lease, library)
        return read_stored(kind, lambda of: self.lessee.tensor_once(lease, of or library), library)
