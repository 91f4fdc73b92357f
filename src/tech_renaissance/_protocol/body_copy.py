"""Copies of values that are sent later than they were made."""

from typing import Any

from .._base.errors import FormatError, LocalProtocolError
from .._base.tensor import copy_of_tensor
from .body import BYTES, TENSOR, kind_of, type_of
from .body_decoder import decode_result
from .body_encoder import encode_result

_UNCHANGING = frozenset((type(None), bool, int, float, str, bytes))


def copy_of_value(value: Any) -> Any:
    """The value as it is now, whatever its maker does to it afterwards; a record, for example, as the dict
    that is sent of it. What cannot be sent stays as it is, and is refused when it is to be sent.
    """
    if type_of(value) in _UNCHANGING:
        return value
    try:
        form, text, attachments = encode_result(value)
    except (LocalProtocolError, FormatError):
        return value
    return decode_result(form, text, [_copy_of_attachment(one) for one in attachments])


def _copy_of_attachment(attachment: Any) -> Any:
    kind = kind_of(attachment)
    if kind == TENSOR:
        return copy_of_tensor(attachment)
    return bytes(attachment) if kind == BYTES else attachment
