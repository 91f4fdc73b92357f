"""Many small frames at once, as a Python host needs them. frame.py is the specification: whatever is out of
the ordinary is left to it. No I/O.
"""

from typing import List, Tuple

from ..._protocol.body import FORMS, ReadBody
from .frame import FORM_SHIFT, ITEM, PLAIN_HEADER


def plain_frames(kind: int, frames: bytes) -> Tuple[List[int], List[ReadBody], int]:
    """The ids and the bodies of the items, or responses, that these frames begin with, and where they end.
    Counts only those that are texts alone, and items of one request.
    """
    numbers: List[int] = []
    bodies: List[ReadBody] = []
    unpack = PLAIN_HEADER.unpack_from
    start = 0
    last = len(frames) - PLAIN_HEADER.size
    while start <= last:
        nbytes, of_kind, flags, number, n_command, n_text, n_message, n_error, n_attachments = unpack(
            frames, start
        )
        begin = start + 40
        end = begin + n_text
        after = end + 7 & -8
        form = flags >> FORM_SHIFT
        if (
            of_kind != kind
            or nbytes != after - start
            or after > len(frames)
            or n_command
            or n_message
            or n_error
            or n_attachments
            or form not in FORMS
            or flags != form << FORM_SHIFT
            or (kind == ITEM and numbers and number != numbers[0])
            or number >> 63
        ):
            break
        try:
            bodies.append((form, frames[begin:end].decode(), ()))
        except UnicodeDecodeError:
            break
        numbers.append(number)
        start = after
    return numbers, bodies, start
