"""The fast path of small requests over shared memory: one function from the ring to the handler and back.

Most calls are alike: a short text that has come in time, and an answer of a few words. In a worker that has
slept, each function on their way costs a microsecond, because its code has to come back into the caches. So
here they take a way of their own, which looks into the rings itself and makes no frames. Whatever is out of
the ordinary is left to the general path in loop.py, which is also the specification: for what this one
serves, both must give the same answers.
"""

import threading
import time
from typing import Any, Callable, Optional, Protocol, Sequence

from .._base.errors import RemoteProtocolError
from .._protocol.body import FORMS
from .._protocol.connection import Connection
from .._protocol.frame import LONG, SHORT, Request, Response
from .._system.clock import clock_ns
from .._transport.shm.control import (
    CURRENT_ID,
    CURRENT_SINCE_NS,
    GIVEN_UP,
    HISTOGRAM,
    HOST_ASLEEP,
    REQUEST_HEAD,
    REQUEST_TAIL,
    REQUESTS,
    RESPONSE_HEAD,
    RESPONSE_TAIL,
    RESPONSES,
    SERVED,
)
from .._transport.shm.frame import (
    ARENA,
    ATTACHMENT,
    DROP,
    FLAG_DEADLINE,
    FLAG_SHORT,
    FLAG_TYPED,
    FORM_SHIFT,
    LARGEST_NBYTES,
    PADDING,
    PUT,
    REQUEST,
    REQUEST_HEADER,
    RESPONSE,
    RESULT_HEADER,
    SURROGATES,
)
from .._transport.shm.ring import NEEDS_FENCES, RING_NBYTES
from .._transport.shm.worker import ShmWorker
from .._transport.shm.worker_slots import OFTEN
from .._transport.transport import Received
from .reply import Reply
from .turn import Turn

# A request with a command, or a Drop; a Put is larger.
_LEAST_NBYTES = 32
_MASK = RING_NBYTES - 1
_REQUESTS_END = REQUESTS + RING_NBYTES
_TAG_FRAMES = (PUT, DROP)
_FORM_MASK = 3
_KNOWN_FLAGS = FLAG_SHORT | FLAG_DEADLINE | FLAG_TYPED | _FORM_MASK << FORM_SHIFT


class Coroutines(Protocol):
    """What runs coroutines; see AsyncServingLoop."""

    def begin(self, reply: Reply) -> Any: ...
    def go_on_later(self, request: Request, reply: Reply, task: Any) -> None: ...
    def conclude(self, request: Request, reply: Reply, error: Optional[BaseException]) -> Response: ...


class FastPath:
    """Serves small requests as long as nothing else comes. ``has_served``: whether it has; ``is_over``: to be
    set in a fork. ``coroutines``: set in a worker that has some. There it serves one request at a time, and
    also returns when anything else has happened.
    """

    coroutines: Optional[Coroutines] = None

    def __init__(self, turn: Turn, end: ShmWorker, connection: Connection) -> None:
        self._turn = turn
        self._end = end
        self._connection = connection
        self._fence = threading.Lock()  # for this thread only: see full_fence
        self.has_served = False
        self.is_over = False

    def serve(self, timeout_s: float) -> Optional[Response]:  # noqa: C901, PLR0912, PLR0915 - one function is the point
        """Serve until the next frame is not for the fast path, or none has come for ``timeout_s``. Returns
        None then, or a response that the general path is to send. Raises Leave.
        """
        turn, end = self._turn, self._end
        server, handle = turn.server, turn.handle
        side, words, mapping = end.side, end.control.words, end.control.mapping
        reader, writer = side.reader, side.writer
        lessee = end.lessee
        unpack, pack, pack_attachment = REQUEST_HEADER.unpack_from, RESULT_HEADER.pack, ATTACHMENT.pack
        look, now_ns = side.look, clock_ns
        acquire, release = self._fence.acquire, self._fence.release
        coroutines = self.coroutines
        wait_until = 0.0
        while not server.is_leaving:
            # ---- The next frame. Until it is taken, the general path can still have it. The host may change
            # it at any moment, so each part is read once.
            tail = reader.tail
            available = words[REQUEST_HEAD] - tail
            if not available:
                if timeout_s > 0 and look():
                    continue
                now = time.monotonic()
                wait_until = wait_until or now + timeout_s
                if side.doorbell.is_cut or now >= wait_until:
                    return None
                if not side.sleep(wait_until - now):
                    end.rest()
                elif coroutines is not None:
                    timeout_s, wait_until = 0.0, now
                continue
            if NEEDS_FENCES:
                acquire(False)
                release()
            start = REQUESTS + (tail & _MASK)
            nbytes, kind, flags, request_id, n_command, n_parameters = unpack(mapping, start)
            if (
                not _LEAST_NBYTES <= nbytes <= available <= RING_NBYTES
                or nbytes & 7
                or start + nbytes > _REQUESTS_END
            ):
                return None
            if kind in _TAG_FRAMES and not flags:
                frame = mapping[start : start + nbytes]
                reader.advance(tail + nbytes)
                end.take_tag(kind, frame)
                continue
            middle = start + 24 + n_command
            stop = middle + n_parameters
            has_deadline = flags & FLAG_DEADLINE
            end_of_text = start + nbytes - 8 if has_deadline else start + nbytes
            form = flags >> FORM_SHIFT
            typed = flags & FLAG_TYPED
            if (
                kind != REQUEST
                or flags & ~_KNOWN_FLAGS
                or form not in FORMS
                or (form and not typed)
                or not n_command
                or stop > end_of_text
                or request_id >> 63
            ):
                return None
            try:
                command = mapping[start + 24 : middle].decode()
                parameters = mapping[middle:stop].decode()
            except UnicodeDecodeError:
                return None
            at_deadline = mapping[end_of_text : end_of_text + 8] if has_deadline else b""
            deadline_ns = int.from_bytes(at_deadline, "little") if has_deadline else None
            if command == "exit" or (deadline_ns is not None and deadline_ns <= now_ns()):
                return None
            if not end.since_ns:  # the first request
                return None
            if words[GIVEN_UP] != end.settled:
                return None
            attachments: Sequence[Received] = ()
            if end_of_text - stop >= 8:
                try:
                    attachments = end.hold_encoded(mapping[stop + 7 & -8 : end_of_text])
                except RemoteProtocolError:
                    return None

            # ---- The handler.
            reader.tail = tail = tail + nbytes
            words[REQUEST_TAIL] = tail
            words[CURRENT_SINCE_NS] = end.since_ns = since_ns = now_ns()
            words[CURRENT_ID] = request_id
            self.has_served = True
            wait_until = 0.0
            reply = Reply(command, request_id or None, deadline_ns, attachments)
            try:
                is_known = (
                    handle(reply, parameters, form, typed=bool(typed)) if typed else handle(reply, parameters)
                )
            except BaseException as error:
                if reply.coroutine is not None:  # made, and then interrupted
                    reply.coroutine.close()
                request = self._request(command, parameters, reply, flags)
                return self._let_go(attachments, turn.excuse, request, reply, error)
            if coroutines is not None and reply.coroutine is not None:
                task = coroutines.begin(reply)
                error = task.result() if task.done() else None
                if error is not None or not task.done():
                    request = self._request(command, parameters, reply, flags)
                    respond = coroutines.go_on_later if error is None else coroutines.conclude
                    return self._let_go(attachments, respond, request, reply, error or task)

            # ---- The response. Until it is published, the general path can still make another.
            result, tensors = reply.result, reply.tensors
            if result is None and (is_known or tensors):
                result = "ok"
            data = b"" if result is None else result.encode("utf-8", SURROGATES)
            n_result = len(data)
            nbytes = 40 + (n_result + 7 & -8) + ATTACHMENT.size * len(tensors)
            head = writer.head
            start = head & _MASK
            if (
                result is None
                or reply.reason
                or reply.command != command
                or reply.talk is not None
                or self.is_over
                or nbytes > LARGEST_NBYTES
                or start + nbytes > RING_NBYTES
                or head + nbytes - words[RESPONSE_TAIL] > RING_NBYTES
            ):
                request = self._request(command, parameters, reply, flags)
                return self._let_go(attachments, turn.conclude, request, reply, is_known)
            flags = flags & FLAG_SHORT | reply.form << FORM_SHIFT
            head_of_frame = pack(nbytes, RESPONSE, flags, request_id, n_result, len(tensors))
            data = head_of_frame + data + PADDING[n_result & 7]
            if tensors:
                try:
                    for kind, (offset, lease) in end.sent_blocks.lend(tensors):
                        data += pack_attachment(kind, ARENA, offset, lease)
                except Exception:  # why will be known when it happens again
                    request = self._request(command, parameters, reply, flags)
                    return self._let_go(attachments, turn.conclude, request, reply, is_known)
            for attachment in attachments:
                attachment.let_go()
            if lessee.used:
                lessee.mark_idle()
            words[SERVED] = end.served = end.served + 1  # at once, because it says that the marks are valid
            start += RESPONSES
            mapping[start : start + nbytes] = data
            if NEEDS_FENCES:
                acquire(False)
                release()
            writer.head = head = head + nbytes
            words[RESPONSE_HEAD] = head

            # ---- The rest, while the host reads.
            acquire(False)
            release()
            if words[HOST_ASLEEP]:
                side.ring()
            side.give_way()
            if tensors:
                end.sent_blocks.release()
                tensors.clear()
            words[HISTOGRAM + (now_ns() - since_ns).bit_length()] += 1
            words[CURRENT_ID] = 0
            if end.served & OFTEN == 1:
                end.now_and_then()
            if coroutines is not None:
                break
        return None

    @staticmethod
    def _let_go(attachments: Sequence[Received], respond: Callable[..., Any], *args: Any) -> Any:
        """A response of the general path, after which the attachments of its
        request are not needed any more.
        """
        try:
            return respond(*args)
        finally:
            for attachment in attachments:
                attachment.let_go()

    def _request(self, command: str, parameters: str, reply: Reply, flags: int) -> Request:
        """A request that has been taken, for the general path to go on with."""
        request = Request(
            command,
            parameters,
            reply.request_id,
            SHORT if flags & FLAG_SHORT else LONG,
            reply.deadline_ns,
            bool(flags & FLAG_TYPED),
            flags >> FORM_SHIFT & _FORM_MASK,
            reply.attachments,
        )
        self._connection.received(request)
        self._end.command = command
        return request
