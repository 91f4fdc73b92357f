"""Frames about a request that is being handled, as bytes in a ring: how far it is, what it
asks, and the answers. As frame.py.
"""

import struct
from typing import Sequence

from ..._base.errors import LocalProtocolError, RemoteProtocolError
from ..._protocol.frame import Answer, Ask, Progress
from .frame import (
    ANSWER,
    ASK,
    FLAG_WAITING,
    FORM_SHIFT,
    PADDING,
    PROGRESS,
    REQUEST_HEADER,
    SURROGATES,
    Attached,
    checked_id,
    decode_attachments,
    decode_response,
    encode_attachments,
    encode_outcome,
    form_of,
)

_PROGRESS = struct.Struct("<IHHQddII")


def encode_progress(progress: Progress) -> bytes:
    """Progress."""
    text = progress.message.encode("utf-8", SURROGATES)
    end = text + PADDING[len(text) & 7]
    head = _PROGRESS.pack(
        _PROGRESS.size + len(end), PROGRESS, 0, progress.id or 0, progress.done, progress.total, len(text), 0
    )
    return head + end


def decode_progress(frame: bytes) -> Progress:
    """Raises RemoteProtocolError."""
    try:
        _, _, _, _, done, total, nbytes, _ = _PROGRESS.unpack_from(frame)
        if _PROGRESS.size + nbytes > len(frame):
            raise RemoteProtocolError("bad_frame", "a Progress whose message does not fit")
        text = frame[_PROGRESS.size : _PROGRESS.size + nbytes].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise RemoteProtocolError("bad_frame", f"a Progress that cannot be read: {error}") from None
    return Progress(checked_id(frame), done, total, text)


def encode_ask(ask: Ask, attached: Sequence[Attached]) -> bytes:
    """An Ask whose attachments are these. Raises LocalProtocolError for a text that no frame can hold."""
    name, parameters = ask.command.encode("utf-8", SURROGATES), ask.parameters.encode("utf-8", SURROGATES)
    length = len(name) + len(parameters)
    if length >> 32:
        raise LocalProtocolError("bad_value", "a text of 4 GiB or more")
    flags = ask.form << FORM_SHIFT | (FLAG_WAITING if ask.waiting else 0)
    end = PADDING[length & 7] + encode_attachments(attached)
    nbytes = REQUEST_HEADER.size + length + len(end)
    head = REQUEST_HEADER.pack(nbytes, ASK, flags, ask.id or 0, len(name), len(parameters))
    return head + name + parameters + end


def decode_ask(frame: bytes) -> Ask:
    """An Ask whose attachments are ``Attached``. Raises RemoteProtocolError."""
    try:
        _, _, flags, _, n_name, n_parameters = REQUEST_HEADER.unpack_from(frame)
        middle = REQUEST_HEADER.size + n_name
        end = middle + n_parameters
        if not n_name or end > len(frame):
            raise RemoteProtocolError("bad_frame", "an Ask whose parts do not fit")
        return Ask(
            checked_id(frame),
            frame[REQUEST_HEADER.size : middle].decode(),
            frame[middle:end].decode(),
            form_of(flags),
            decode_attachments(frame[end + 7 & -8 :]),
            bool(flags & FLAG_WAITING),
        )
    except (struct.error, UnicodeDecodeError) as error:
        raise RemoteProtocolError("bad_frame", f"an Ask that cannot be read: {error}") from None


def encode_answer(answer: Answer, attached: Sequence[Attached]) -> bytes:
    """An Answer whose attachments are these."""
    result = answer.result.encode("utf-8", SURROGATES)
    flags = answer.form << FORM_SHIFT
    return encode_outcome(ANSWER, flags, answer.id, b"", result, answer.message, answer.error, attached)


def decode_answer(frame: bytes) -> Answer:
    """An Answer whose attachments are ``Attached``. Raises RemoteProtocolError."""
    read = decode_response(frame)
    return Answer(read.id, read.result, read.form, read.attachments, read.message, read.error)
