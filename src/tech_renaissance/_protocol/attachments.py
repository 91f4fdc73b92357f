"""How attachments are stored as tensors, and read again. Contract: spec/values.md, Attachments."""

from array import array
from typing import Any, Callable, Optional

from .._base.errors import RemoteProtocolError
from .._base.tensor import Library
from .body import BYTES, FLOAT64_LIST, INT64_LIST, TENSOR, kind_of

# Makes the stored tensor, of a library, or of the one that tensors arrive as.
ReadTensor = Callable[[Optional[Library]], Any]

_DTYPES = {BYTES: "uint8", INT64_LIST: "int64", FLOAT64_LIST: "float64"}


def stored(attachment: Any) -> Any:
    """The tensor that holds an attachment: for bytes and lists of numbers, a view of them as an array."""
    kind = kind_of(attachment)
    if kind == TENSOR:
        return attachment
    import numpy as np

    is_empty = not memoryview(attachment).nbytes
    return np.empty(0, _DTYPES[kind]) if is_empty else np.frombuffer(attachment, _DTYPES[kind])


def read_stored(kind: int, read: ReadTensor, library: Optional[Library]) -> Any:
    """An attachment of a kind, from the tensor that holds it. What is not a tensor is a copy. Raises
    RemoteProtocolError ``bad_frame``.
    """
    if kind == TENSOR:
        return read(library)
    elements = read("numpy")
    if elements.ndim != 1 or elements.dtype.name != _DTYPES[kind]:
        raise RemoteProtocolError(
            "bad_frame",
            f"an attachment of kind {kind} in a tensor of {elements.ndim} dimensions of {elements.dtype}",
        )
    data: bytes = elements.tobytes()
    if kind == BYTES:
        return data
    return array("q" if kind == INT64_LIST else "d", data)
