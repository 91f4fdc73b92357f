"""Frames as bytes in a ring. Layout: spec/transport-shm.md, Rings. No I/O.

A decoder gets a private copy of a frame and trusts nothing in it: whatever does not add up is a
RemoteProtocolError ``bad_frame``.
"""

import codecs
import functools
import json
import struct
from typing import Any, Dict, List, Optional, Sequence, Tuple, cast

from ..._base.errors import LocalProtocolError, RemoteProtocolError
from ..._protocol.body import FORMS, KINDS
from ..._protocol.frame import LONG, SHORT, Credit, Failure, Item, Request, Response
from ..._protocol.message import decode_failure, failure_values

PAD, REQUEST, EXIT, PUT, DROP, CREDIT, INPUT_ITEM, ANSWER = range(8)
READY, RESPONSE, EXITING, ITEM, PROGRESS, ASK, INPUT_CREDIT = range(17, 24)

FLAG_SHORT = 1
FLAG_BODY_IN_BLOCK = 2
FLAG_DEADLINE = 4
FLAG_TYPED = 8
FLAG_STREAMS = 64
FLAG_INPUT = 128  # of a Request
FLAG_LAST = 128  # of an item of an input
FLAG_WAITING = 256
# What is not typed does not stream, and has no input.
_STREAMED = FLAG_TYPED | FLAG_STREAMS
_FED = FLAG_TYPED | FLAG_INPUT
FORM_SHIFT = 4  # the form of a body stands in two bits above these flags
_FORM_MASK = 3
PLAIN_FLAGS = FLAG_SHORT | _FORM_MASK << FORM_SHIFT  # all those of a Response that is in the ring
# The body of a larger frame travels in a block, to leave room in the ring for others.
LARGEST_NBYTES = 65536

_HEADER = struct.Struct("<IHHQ")
_TWO = struct.Struct("<II")
REQUEST_HEADER = struct.Struct("<IHHQII")
_PUT = struct.Struct("<IHHQQQII")
_RESPONSE = struct.Struct("<IHHQIIIIII")
PLAIN_HEADER = struct.Struct("<IHHQIIIII4x")  # of a Response or an Item
RESULT_HEADER = struct.Struct("<IHHQ4xI8xI4x")  # a Response whose only text is its result
ATTACHMENT = struct.Struct("<BB6xQQ")
_BODY_IN_BLOCK = struct.Struct("<IHHQQQQ")
HEADER_NBYTES = _HEADER.size
# A Put with the longest name. A frame whose body is in a block is smaller.
LARGEST_TAG_FRAME = 40 + 128
_MOST_DIGITS = 20
PADDING = [b"\0" * (-length & 7) for length in range(8)]
# The error handler for encoding texts: turns each surrogate into U+FFFD, where Python's own
# "replace" writes question marks.
SURROGATES = "tech_renaissance.surrogates"


def _replace_surrogates(error: UnicodeError) -> Tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "\ufffd".encode() * (error.end - error.start), error.end


codecs.register_error(SURROGATES, _replace_surrogates)

# A block that a frame refers to: its offset and its lease number.
Lent = Tuple[int, int]
# An attachment: its kind, and the block that has it.
Attached = Tuple[int, Lent]

# The memory of attachments: an arena of the sender's.
ARENA = 0


def encode_attachments(attached: Sequence[Attached]) -> bytes:
    """The attachments of a frame."""
    return b"".join([ATTACHMENT.pack(kind, ARENA, offset, lease) for kind, (offset, lease) in attached])


def decode_attachments(data: bytes) -> Sequence[Attached]:
    """Raises RemoteProtocolError."""
    if len(data) == ATTACHMENT.size:  # one, as there is most often, in half the time
        kind, memory, offset, lease = ATTACHMENT.unpack(data)
        if kind in KINDS and memory == ARENA:
            return ((kind, (offset, lease)),)
    if len(data) % ATTACHMENT.size:
        raise RemoteProtocolError("bad_frame", "a frame with a part of an attachment")
    attached: List[Attached] = []
    for kind, memory, offset, lease in ATTACHMENT.iter_unpack(data):
        if kind not in KINDS or memory != ARENA:
            raise RemoteProtocolError("bad_frame", f"an attachment of kind {kind} in memory {memory}")
        attached.append((kind, (offset, lease)))
    return tuple(attached)


def form_of(flags: int) -> int:
    """The form of a body. Raises RemoteProtocolError."""
    form = flags >> FORM_SHIFT & _FORM_MASK
    if form not in FORMS:
        raise RemoteProtocolError("bad_frame", f"a body of the form {form}")
    return form


def encode_request(request: Request, attached: Sequence[Attached] = ()) -> bytes:
    """A Request whose attachments are these. Raises LocalProtocolError ``bad_message`` for a
    text that no frame can hold.
    """
    command, parameters = request.command, request.parameters
    text = command + parameters
    n_command, length = len(command), len(text)
    if text.isascii():
        data = text.encode()
    else:
        data = command.encode("utf-8", SURROGATES)
        n_command = len(data)
        data += parameters.encode("utf-8", SURROGATES)
        length = len(data)
    if length >> 32:
        raise LocalProtocolError("bad_message", "a text of 4 GiB or more")
    flags = FLAG_SHORT if request.dialect == SHORT else 0
    end = PADDING[length & 7]
    if request.typed or request.form:
        flags |= (FLAG_TYPED if request.typed else 0) | request.form << FORM_SHIFT
        flags |= (FLAG_STREAMS if request.streams else 0) | (FLAG_INPUT if request.input else 0)
    if attached:
        end += encode_attachments(attached)
    if request.deadline_ns is not None:
        flags |= FLAG_DEADLINE
        end += request.deadline_ns.to_bytes(8, "little")
    head = REQUEST_HEADER.pack(
        24 + length + len(end), REQUEST, flags, request.id or 0, n_command, length - n_command
    )
    return head + data + end


def decode_request(frame: bytes) -> Request:
    """A request whose attachments are ``Attached``. Raises RemoteProtocolError."""
    try:
        _, _, flags, request_id, n_command, n_parameters = REQUEST_HEADER.unpack_from(frame)
        middle = 24 + n_command
        end = middle + n_parameters
        stop = len(frame) - (8 if flags & FLAG_DEADLINE else 0)
        if not n_command or end > stop or request_id >> 63:
            raise RemoteProtocolError("bad_frame", "a request whose parts do not fit")
        return Request(
            frame[24:middle].decode(),
            frame[middle:end].decode(),
            request_id or None,
            SHORT if flags & FLAG_SHORT else LONG,
            int.from_bytes(frame[stop:], "little") if flags & FLAG_DEADLINE else None,
            bool(flags & FLAG_TYPED),
            form_of(flags),
            decode_attachments(frame[end + 7 & -8 : stop]),
            flags & _STREAMED == _STREAMED,
            flags & _FED == _FED,
        )
    except (struct.error, UnicodeDecodeError) as error:
        raise RemoteProtocolError("bad_frame", f"a request that cannot be read: {error}") from None


def encode_credit(credit: Credit, kind: int = CREDIT) -> bytes:
    """Credit. ``kind``: INPUT_CREDIT if a worker sends it."""
    return REQUEST_HEADER.pack(REQUEST_HEADER.size, kind, 0, credit.id, credit.count, 0)


def decode_credit(frame: bytes) -> Credit:
    """Raises RemoteProtocolError."""
    try:
        _, _, _, request_id, count, _ = REQUEST_HEADER.unpack_from(frame)
    except struct.error as error:
        raise RemoteProtocolError("bad_frame", f"a Credit that cannot be read: {error}") from None
    return Credit(request_id, count)


def encode_simple(kind: int) -> bytes:
    """Exit or Exiting."""
    return _HEADER.pack(HEADER_NBYTES, kind, 0, 0)


def encode_ready(info: Dict[str, Any]) -> bytes:
    """Ready, with the contents of worker.json."""
    text = json.dumps(info).encode()
    return _padded(READY, _TWO.pack(len(text), 0) + text)


def decode_ready(frame: bytes) -> Dict[str, Any]:
    """Raises RemoteProtocolError."""
    try:
        nbytes, _ = _TWO.unpack_from(frame, HEADER_NBYTES)
        info: Any = json.loads(_part(frame, HEADER_NBYTES + 8, nbytes), parse_int=_parse_int)
    except (struct.error, ValueError, RecursionError) as error:
        raise RemoteProtocolError("bad_frame", f"a Ready that cannot be read: {error}") from None
    if not isinstance(info, dict):
        raise RemoteProtocolError("bad_frame", "a Ready that is not an object")
    return cast("Dict[str, Any]", info)


def encode_put(tag: str, lent: Lent) -> bytes:
    """Put: this block now has the tensor under a tag."""
    nbytes, text = _tag_text(tag)
    offset, lease = lent
    return _PUT.pack(40 + len(text), PUT, 0, 0, offset, lease, nbytes, 0) + text


@functools.lru_cache(maxsize=4096)  # the same tags come with every call
def _tag_text(tag: str) -> Tuple[int, bytes]:
    """The length of a tag's text, and the text, padded."""
    text = tag.encode()
    return len(text), text + PADDING[len(text) & 7]


def decode_put(frame: bytes) -> Tuple[str, Lent]:
    """Raises RemoteProtocolError."""
    try:
        _, _, _, _, offset, lease, n_tag, _ = _PUT.unpack_from(frame)
    except struct.error as error:
        raise RemoteProtocolError("bad_frame", f"a Put that cannot be read: {error}") from None
    return _tag(frame[40 : 40 + n_tag], n_tag), (offset, lease)


@functools.lru_cache(maxsize=4096)
def _tag(text: bytes, nbytes: int) -> str:
    return _text(text, 0, nbytes)


def encode_drop(tag: str) -> bytes:
    """Drop: the tag no longer has a tensor."""
    text = tag.encode()
    return _padded(DROP, _TWO.pack(len(text), 0) + text)


def decode_drop(frame: bytes) -> str:
    """Raises RemoteProtocolError."""
    try:
        n_tag, _ = _TWO.unpack_from(frame, HEADER_NBYTES)
    except struct.error as error:
        raise RemoteProtocolError("bad_frame", f"a Drop that cannot be read: {error}") from None
    return _text(frame, HEADER_NBYTES + 8, n_tag)


def encode_response(response: Response, attached: Sequence[Attached], request_command: str) -> bytes:
    """A Response whose attachments are these. Its command is left out if it is the request's."""
    flags = (FLAG_SHORT if response.dialect == SHORT else 0) | response.form << FORM_SHIFT
    result = response.result.encode("utf-8", SURROGATES)
    if response.command == request_command and not (response.message or response.error):
        end = PADDING[len(result) & 7] + encode_attachments(attached)
        nbytes = 40 + len(result) + len(end)
        return (
            RESULT_HEADER.pack(nbytes, RESPONSE, flags, response.id or 0, len(result), len(attached))
            + result
            + end
        )
    command = b"" if response.command == request_command else response.command.encode("utf-8", SURROGATES)
    return encode_outcome(
        RESPONSE, flags, response.id, command, result, response.message, response.error, attached
    )


def encode_outcome(
    kind: int,
    flags: int,
    frame_id: Optional[int],
    command: bytes,
    result: bytes,
    message: str,
    error: Optional[Failure],
    attached: Sequence[Attached],
) -> bytes:
    """A frame with all the parts of a Response."""
    message_text = message.encode("utf-8", SURROGATES) if message else b""
    error_text = _encode_failure(error) if error else b""
    texts = command + result + message_text + error_text
    length = len(texts)
    head = _RESPONSE.pack(
        40 + (length + 7 & -8) + ATTACHMENT.size * len(attached),
        kind,
        flags,
        frame_id or 0,
        len(command),
        len(result),
        len(message_text),
        len(error_text),
        len(attached),
        0,
    )
    return head + texts + PADDING[length & 7] + encode_attachments(attached)


def encode_item(item: Item, attached: Sequence[Attached], kind: int = ITEM) -> bytes:
    """An Item whose attachments are these. ``kind``: INPUT_ITEM if a host sends it."""
    if item.last:
        return _HEADER.pack(HEADER_NBYTES, kind, FLAG_LAST, item.id or 0)
    result = item.result.encode("utf-8", SURROGATES)
    end = PADDING[len(result) & 7] + encode_attachments(attached)
    nbytes = 40 + len(result) + len(end)
    flags = item.form << FORM_SHIFT
    return RESULT_HEADER.pack(nbytes, kind, flags, item.id or 0, len(result), len(attached)) + result + end


def decode_item(frame: bytes) -> Item:
    """An item whose attachments are ``Attached``. Raises RemoteProtocolError."""
    if len(frame) >= HEADER_NBYTES and frame[4] == INPUT_ITEM and frame[6] & FLAG_LAST:
        return Item(checked_id(frame), last=True)
    response = decode_response(frame)
    return Item(response.id, response.result, response.form, response.attachments)


def id_of(frame: bytes) -> Optional[int]:
    """The id in a frame's header; None for 0."""
    return int.from_bytes(frame[8:16], "little") or None


def checked_id(frame: bytes) -> Optional[int]:
    """The same. Raises RemoteProtocolError for one that is cut, or has too many bits."""
    if len(frame) < HEADER_NBYTES or frame[HEADER_NBYTES - 1] >> 7:
        raise RemoteProtocolError("bad_frame", "no id of 63 bits")
    return id_of(frame)


def decode_response(frame: bytes) -> Response:
    """A response whose attachments are ``Attached``. Raises RemoteProtocolError."""
    try:
        _, _, flags, request_id, n_command, n_result, n_message, n_error, count, _ = _RESPONSE.unpack_from(
            frame
        )
        result_start = 40 + n_command
        message_start = result_start + n_result
        error_start = message_start + n_message
        error_end = error_start + n_error
        attachments_start = error_end + 7 & -8
        end = attachments_start + ATTACHMENT.size * count
        if end > len(frame) or request_id >> 63:
            raise RemoteProtocolError("bad_frame", "a response whose parts do not fit")
        return Response(
            frame[40:result_start].decode() if n_command else "",
            frame[result_start:message_start].decode(),
            frame[message_start:error_start].decode() if n_message else "",
            decode_attachments(frame[attachments_start:end]) if count else (),
            decode_failure(frame[error_start:error_end].decode()) if n_error else None,
            request_id or None,
            SHORT if flags & FLAG_SHORT else LONG,
            form_of(flags),
        )
    except (struct.error, UnicodeDecodeError) as error:
        raise RemoteProtocolError("bad_frame", f"a response that cannot be read: {error}") from None


def encode_body_in_block(head: bytes, lent: Lent, nbytes: int) -> bytes:
    """The frame to send in place of a large one whose body, of ``nbytes`` bytes, is in a block.
    ``head``: how the large one begins.
    """
    _, kind, flags, frame_id = _HEADER.unpack_from(head)
    return _BODY_IN_BLOCK.pack(40, kind, flags | FLAG_BODY_IN_BLOCK, frame_id, *lent, nbytes)


def decode_body_in_block(frame: bytes) -> Tuple[Lent, int]:
    """The block and the size of the body of a frame with FLAG_BODY_IN_BLOCK. Raises RemoteProtocolError."""
    try:
        _, _, _, _, offset, lease, nbytes = _BODY_IN_BLOCK.unpack_from(frame)
    except struct.error as error:
        raise RemoteProtocolError("bad_frame", f"a frame that cannot be read: {error}") from None
    return (offset, lease), nbytes


def _padded(kind: int, body: bytes) -> bytes:
    nbytes = HEADER_NBYTES + len(body)
    return _HEADER.pack(nbytes + 7 & -8, kind, 0, 0) + body + PADDING[nbytes & 7]


def _part(frame: bytes, start: int, nbytes: int) -> bytes:
    if start + nbytes > len(frame):
        raise RemoteProtocolError("bad_frame", "a frame whose parts do not fit")
    return frame[start : start + nbytes]


def _text(frame: bytes, start: int, nbytes: int) -> str:
    try:
        return _part(frame, start, nbytes).decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("bad_frame", f"a text that is not UTF-8: {error}") from None


def _encode_failure(failure: Failure) -> bytes:
    return json.dumps(failure_values(failure), ensure_ascii=False).encode("utf-8", SURROGATES)


def _parse_int(digits: str) -> int:
    """An int from its digits, if they are not too many: older Pythons take quadratic time."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)
