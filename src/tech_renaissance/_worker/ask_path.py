"""The fast path of a question to the host over shared memory: from the ring and back,
while the host looks for it.

As in fast_path.py: whatever is out of the ordinary is left to the general path in talk.py,
which is also the specification.
"""

import struct
from typing import Optional, Tuple

from .._protocol.body import FORMS
from .._transport.shm.control import HOST_ASLEEP, REQUEST_HEAD, RESPONSE_HEAD, RESPONSE_TAIL, RESPONSES
from .._transport.shm.frame import (
    ANSWER,
    ASK,
    FLAG_WAITING,
    FORM_SHIFT,
    LARGEST_NBYTES,
    PADDING,
    REQUEST_HEADER,
    SURROGATES,
)
from .._transport.shm.ring import NEEDS_FENCES, RING_NBYTES, full_fence
from .._transport.shm.worker import ShmWorker

_MASK = RING_NBYTES - 1
_ANSWER = struct.Struct("<IHHQIIIIII")
# Where the kind of a frame stands, and the smallest Answer.
_KIND, _LEAST_NBYTES = 4, 40


def send(end: ShmWorker, request_id: int, name: str, form: int, text: str) -> bool:
    """Send an Ask without attachments for whose Answer the handler waits. False if there is no room for it
    here, or the call was given up.
    """
    words, side = end.control.words, end.side
    name_data, data = name.encode("utf-8", SURROGATES), text.encode("utf-8", SURROGATES)
    length = len(name_data) + len(data)
    nbytes = 24 + (length + 7 & -8)
    writer = side.writer
    head = writer.head
    start = head & _MASK
    if (
        nbytes > LARGEST_NBYTES
        or start + nbytes > RING_NBYTES
        or head + nbytes - words[RESPONSE_TAIL] > RING_NBYTES
        or end.is_cancelled(request_id)
    ):
        return False
    flags = FLAG_WAITING | form << FORM_SHIFT
    head_of_frame = REQUEST_HEADER.pack(nbytes, ASK, flags, request_id, len(name_data), len(data))
    start += RESPONSES
    end.control.mapping[start : start + nbytes] = head_of_frame + name_data + data + PADDING[length & 7]
    if NEEDS_FENCES:
        full_fence()
    writer.head = head = head + nbytes
    words[RESPONSE_HEAD] = head
    full_fence()
    if words[HOST_ASLEEP]:
        side.ring()
        side.give_way()
    return True


def look(end: ShmWorker, request_id: int) -> Optional[Tuple[int, str]]:
    """Look for the Answer for a while: the form and the text of its value. None if it is not here yet, is
    not plain, or something else came.
    """
    side = end.side
    reader = side.reader
    if end.control.words[REQUEST_HEAD] == reader.tail and not side.look():
        return None
    frame = reader.peek()
    if frame is None or frame[_KIND] != ANSWER or len(frame) < _LEAST_NBYTES:
        return None
    _, _, flags, frame_id, n_command, n_result, n_message, n_error, count, _ = _ANSWER.unpack_from(frame)
    form = flags >> FORM_SHIFT
    if frame_id != request_id or form not in FORMS or n_command or n_message or n_error or count:
        return None
    stop = _LEAST_NBYTES + n_result
    try:
        text = frame[_LEAST_NBYTES:stop].decode()
    except UnicodeDecodeError:
        return None
    if stop > len(frame) or flags & (1 << FORM_SHIFT) - 1:
        return None
    reader.advance(reader.tail + len(frame))
    if reader.is_crowded:
        side.wake_other()
    return form, text
