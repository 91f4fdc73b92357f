"""Bodies: what carries a value and its attachments. Contract: spec/values.md.

A body is a tuple of its form, its text and its attachments. body_encoder.py makes bodies of values,
body_decoder.py values of bodies; where the bytes of attachments are is up to the transport. Attachments are
objects, and their types say of what kind they are.
"""

import json
import re
from array import array
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union, cast

from .._base.errors import LocalProtocolError

Body = Tuple[int, str, List[Any]]
# One that was received.
ReadBody = Tuple[int, str, Sequence[Any]]

# ``type`` that type checkers do not follow: what a value is made of is unknown.
type_of = cast("Callable[[Any], Any]", type)

# Forms.
TEXT = 0
ATTACHMENTS = 1
JSON = 2
FORMS = (TEXT, ATTACHMENTS, JSON)

# Kinds of attachments.
TENSOR = 0
BYTES = 1
INT64_LIST = 2
FLOAT64_LIST = 3
KINDS = (TENSOR, BYTES, INT64_LIST, FLOAT64_LIST)

MAX_TEXT_NBYTES = 64 << 20
MAX_DEPTH = 64
MIN_INT = -(2**63)
MAX_INT = 2**63 - 1

# How deep an argument of a call lies in its body.
ARGUMENT_DEPTH = 2

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_SHOWN_STEPS = 8


class Input:
    """Stands for the input of a call among its arguments. ``values``: all of them, if they travel in the
    body; None if they come as Items.
    """

    def __init__(self, values: Optional[Sequence[Any]] = None) -> None:
        self.values = values


def kind_of(attachment: Any) -> int:
    """The kind of an attachment: an ``array`` of the type code "q" or "d" is a list of numbers, what has
    bytes is bytes, the rest tensors.
    """
    if isinstance(attachment, array):
        return INT64_LIST if attachment.typecode == "q" else FLOAT64_LIST
    return BYTES if isinstance(attachment, (bytes, bytearray, memoryview)) else TENSOR


def check_depth(depth: int) -> None:
    """Raise LocalProtocolError if a value has so many brackets around it that it may have none of its own."""
    if depth >= MAX_DEPTH:
        raise bad_value(f"is nested deeper than {MAX_DEPTH} levels: does it contain itself?")


def bad_value(message: str) -> LocalProtocolError:
    """The error for what cannot be sent. The message is about the part whose path will stand before it."""
    return LocalProtocolError("bad_value", message)


def path_text(steps: Sequence[Union[str, int]]) -> str:
    """A path to a part of a value, such as ``layers[2].width``."""
    text = ""
    for step in steps[:_MAX_SHOWN_STEPS]:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            text += f".{step}"
        else:
            text += f"[{json.dumps(step)}]"
    return text.lstrip(".") + ("..." if len(steps) > _MAX_SHOWN_STEPS else "")
