"""Many small items at once, as a Python host needs them. frame.py is the specification: whatever is out of the ordinary is left to it. No I/O."""

from typing import List, Optional, Tuple

from ..._protocol.body import FORMS, ReadBody
from .frame import FORM_SHIFT, ITEM, PLAIN_HEADER


def plain_items(frames: bytes) -> Tuple[Optional[int], List[ReadBody], int]:
    """The id and the bodies of the items that these frames begin with, and where they end. Counts only items of one request that are texts
    alone.
    """
    bodies: List[ReadBody] = []
    unpack = PLAIN_HEADER.unpack_from
    whose = start = 0
    last = len(frames) - PLAIN_HEADER.size
    while start <= last:
        nbytes, kind, flags, request_id, n_command, n_text, n_message, n_error, n_attachments = unpack(
            frames, start
        )
        begin = start + 40
        end = begin + n_text
        after = end + 7 & -8
        form = flags >> FORM_SHIFT
        if (
            kind != ITEM
            or nbytes != after - start
            or after > len(frames)
            or n_command
            or n_message
            or n_error
            or n_attachments
            or form not in FORMS
            or flags != form << FORM_SHIFT
            or (request_id != whose and bodies)
            or request_id >> 63
        ):
            break
        try:
            bodies.append((form, frames[begin:end].decode(), []))
        except UnicodeDecodeError:
            break
        whose = request_id
        start = after
    return whose or None, bodies, start
