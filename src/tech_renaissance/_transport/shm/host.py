"""The shared-memory transport, host's end. Contract: spec/transport-shm.md.

Each worker gets a new control segment, worker arena and doorbell. The host arena stays, and
with it the tensors under tags.
"""

import contextlib
import time
from typing import Any, Callable, Dict, Optional, Sequence, TypeVar, Union

from ..._base.errors import LaunchError
from ..._base.tensor import Library, imported_library
from ..._protocol.body import FORMS
from ..._protocol.frame import (
    Frame,
    Plain,
    Request,
)
from ..._system.wait_handle import WaitHandle
from ..firing import Firing
from ..transport import (
    Offer,
    Several,
    Taken,
)
from . import frame as shm_frame
from .control import (
    RESPONSE_HEAD,
    RESPONSE_TAIL,
    RESPONSES,
    SLEEP_S,
    STOP,
    awaits_item,
    in_work,
    is_suspended,
)
from .frame import (
    ATTACHMENT,
    FORM_SHIFT,
    PLAIN_FLAGS,
    PLAIN_HEADER,
    RESPONSE,
)
from .host_sender import ShmHostSender
from .lender import restore
from .ring import NEEDS_FENCES, RING_NBYTES, full_fence
from .segment import Segment
from .worker_side import WorkerSide

_Read = TypeVar("_Read")
_RESPONSES_END = RESPONSES + RING_NBYTES
_unpack_plain = PLAIN_HEADER.unpack_from


class ShmHost(ShmHostSender):
    """Offers shared memory to each worker."""

    def __init__(self, library: Optional[Library] = None, look_us: Optional[int] = None) -> None:
        """``look_us``: see ControlSide. Raises OSError if shared memory is not available."""
        self._look_us = look_us
        self._library: Optional[Library] = library
        with contextlib.ExitStack() as undo:
            self._arena = Segment.create_arena()
            undo.callback(self._arena.close)
            super().__init__(self._arena)
            undo.pop_all()
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

    def ask_to_cancel(self, request_id: int) -> None:
        """See HostTransport."""
        self._list(request_id)

    def ask_to_stop(self, request_id: int) -> None:
        """See HostTransport."""
        self._list(request_id | STOP)

    def _list(self, entry: int) -> None:
        with self._lock:
            if self._worker:
                self._worker.given_up.add(entry)
                self._worker.side.wake_other()  # it may be waiting for something

    def awaits_item(self, request_id: int) -> bool:
        """See HostTransport."""
        with self._lock:
            return self._worker is not None and awaits_item(self._worker.control.words, request_id)

    def is_suspended(self, request_id: int) -> bool:
        """See HostTransport."""
        with self._lock:
            return self._worker is not None and is_suspended(self._worker.control.words, request_id)

    def begun(self, request_ids: Sequence[int]) -> "Dict[int, Optional[int]]":
        """See HostTransport."""
        with self._lock:
            worker = self._worker
            if worker is None:
                return {}
            # The slots come first, because a worker empties one after its response is in the ring.
            begun: Dict[Optional[int], Optional[int]] = {**in_work(worker.control.words)}
            answered = worker.answered()
            for number in request_ids if answered is None else answered:
                begun.setdefault(number, None)
        return {number: begun[number] for number in request_ids if number in begun}

    def answered(self) -> Sequence[Optional[int]]:
        """See HostTransport."""
        with self._lock:
            return (self._worker and self._worker.answered()) or ()

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

    def _hang_up(self) -> None:
        if self._worker:
            self.stop_firing()
            self._worker.close()
            self._worker = None
