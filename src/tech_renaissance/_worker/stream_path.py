"""The fast path of a stream over shared memory: from the generator to the ring, item by item,
while nothing else is to be done.

As in fast_path.py: whatever is out of the ordinary is left to the general path in loop.py,
which is also the specification.
"""

import threading
import time
from typing import Optional, Union

from .._protocol.frame import Item, Response
from .._transport.shm.control import (
    GIVEN_UP,
    HOST_ASLEEP,
    REQUEST_HEAD,
    RESPONSE_HEAD,
    RESPONSE_TAIL,
    RESPONSES,
)
from .._transport.shm.frame import (
    CREDIT,
    FORM_SHIFT,
    ITEM,
    LARGEST_NBYTES,
    PADDING,
    RESULT_HEADER,
    SURROGATES,
    decode_credit,
)
from .._transport.shm.ring import NEEDS_FENCES, RING_NBYTES
from .._transport.shm.worker import ShmWorker
from .._transport.transport import NOTHING
from .streams import OutStream
from .turn import Server

_MASK = RING_NBYTES - 1
# The kind of a frame is in its second word.
_KIND = 4
# A generator that yields faster than that has more to say before its host, which was just
# woken, needs our processor.
_SOON_NS = 50_000


class StreamPath:
    """Runs the only stream of a worker as long as nothing but credit
    comes. ``is_over``: to be set in a fork.
    """

    def __init__(self, server: Server, end: ShmWorker) -> None:
        self._server = server
        self._end = end
        self._fence = threading.Lock()  # for this thread only: see full_fence
        self.is_over = False

    def run(self, stream: OutStream) -> Optional[Union[Item, Response]]:  # noqa: C901 - one function is the point
        """Send items until there is something else to do. Returns what the general path is to send, if
        there is anything. Raises Leave.
        """
        server, end = self._server, self._end
        side, words, mapping = end.side, end.control.words, end.control.mapping
        reader, writer = side.reader, side.writer
        request_id, produce, pack = stream.request.id or 0, stream.produce, RESULT_HEADER.pack
        acquire, release = self._fence.acquire, self._fence.release
        end.note_wait(request_id, NOTHING)
        given_up = words[GIVEN_UP]
        if end.is_cancelled(request_id):
            return None
        rung_ns = 0
        while words[GIVEN_UP] == given_up and not (server.is_leaving or stream.is_over()):
            if words[REQUEST_HEAD] != reader.tail:
                if not self._take_credit(stream):
                    return None
                continue
            if stream.credit <= 0:
                if not side.look():
                    return None
                continue

            # ---- The next item.
            made = produce()
            if isinstance(made, Response):
                return made
            form, text, attachments = made
            data = text.encode("utf-8", SURROGATES)
            n_text = len(data)
            nbytes = 40 + (n_text + 7 & -8)
            head = writer.head
            start = head & _MASK
            if (
                attachments
                or self.is_over
                or stream.reply.talk is not None
                or nbytes > LARGEST_NBYTES
                or start + nbytes > RING_NBYTES
                or head + nbytes - words[RESPONSE_TAIL] > RING_NBYTES
            ):
                return Item(request_id, text, form, attachments)
            start += RESPONSES
            head_of_frame = pack(nbytes, ITEM, form << FORM_SHIFT, request_id, n_text, 0)
            mapping[start : start + nbytes] = head_of_frame + data + PADDING[n_text & 7]
            if NEEDS_FENCES:
                acquire(False)
                release()
            writer.head = head = head + nbytes
            words[RESPONSE_HEAD] = head
            acquire(False)
            release()
            if words[HOST_ASLEEP]:
                side.ring()
                now_ns = time.monotonic_ns()
                if now_ns - rung_ns > _SOON_NS:
                    side.give_way()
                rung_ns = now_ns
        return None

    def _take_credit(self, stream: OutStream) -> bool:
        """Take the next frame if it is credit for this stream."""
        reader = self._end.side.reader
        frame = reader.peek()
        if frame is None or frame[_KIND] != CREDIT:
            return False
        credit = decode_credit(frame)
        if credit.id != stream.request.id:
            return False
        reader.advance(reader.tail + len(frame))
        stream.credit += credit.count
        if reader.is_crowded:
            self._end.side.wake_other()
        return True
