"""Values that cannot be sent as tensors: why not, and what to send instead. Every
refusal is ``unsupported_dtype``.
"""

from typing import Any

from .errors import FormatError

# By numpy's dtype kind; "f" and "c" get here only with more than 64 bits per number.
_CURE_OF_KIND = {
    "O": "convert it to numbers first, as in array.astype(numpy.float32)",
    "S": "text and bytes travel in messages; numpy.frombuffer(data, numpy.uint8) makes a tensor of bytes",
    "U": "text travels in messages",
    "M": "send array.view(numpy.int64)",
    "m": "send array.view(numpy.int64)",
    "V": "send each field by itself",
    "f": "send array.astype(numpy.float64)",
    "c": "send array.astype(numpy.complex128)",
}


def unsupported(message: str) -> FormatError:
    """A FormatError ``unsupported_dtype``."""
    return FormatError("unsupported_dtype", message)


def check_torch(tensor: Any) -> None:
    """Raise FormatError for a torch tensor that is not a plain block of elements. Its
    dtype is checked elsewhere.
    """
    kind = type(tensor).__name__
    if hasattr(tensor, "get_mask"):
        raise unsupported(
            f"a {kind} has no elements under its mask: send tensor.to_tensor(value), and its mask as a tensor"
        )
    if getattr(tensor, "is_nested", False):
        raise unsupported(
            "a nested tensor has rows of different lengths: send tensor.to_padded_tensor(value), or its parts"
        )
    if tensor.is_quantized:
        raise unsupported(
            "a quantized tensor is more than its elements: send tensor.dequantize(), or tensor.int_repr()"
        )
    if tensor.is_meta:
        raise unsupported("a tensor on the device meta has no elements")
    if str(tensor.layout) != "torch.strided":
        raise unsupported(
            f"a tensor of layout {tensor.layout} is not a block of elements: send tensor.to_dense()"
        )


def check_array(array: Any) -> None:
    """Raise FormatError for a numpy array that is more than its elements."""
    if hasattr(array, "mask") and hasattr(array, "filled"):
        raise unsupported(
            "a masked array has no elements under its mask: send array.filled(value), and array.mask as a tensor of its own"
        )


def no_dtype(dtype: Any) -> FormatError:
    """The error for a torch or numpy dtype that TSR does not have."""
    cure = _CURE_OF_KIND.get(getattr(dtype, "kind", ""), "convert it first, as in tensor.to(torch.float32)")
    return unsupported(f"TSR has no dtype for {str(dtype).replace('torch.', '')}: {cure}")


def check_value(value: Any, array: Any) -> None:
    """Raise FormatError if the array that numpy made of a value has no
    numbers because of what the value is.
    """
    if array.dtype.kind not in "OSU":
        return
    kind = type(value).__name__
    if value is None:
        raise unsupported(
            "None is not a tensor: leave it out (a function that forgets to return its result gives None)"
        )
    if isinstance(value, bytes):
        raise unsupported("bytes are not a tensor: send numpy.frombuffer(data, numpy.uint8)")
    if isinstance(value, str):
        raise unsupported("a str is not a tensor: text travels in messages")
    if hasattr(value, "to_numpy"):
        raise unsupported(
            f"a {kind} with columns that are not numbers is not a tensor: send its to_numpy(numpy.float32), or only the columns of numbers"
        )
    if array.dtype.kind == "O":
        cure = (
            "send each of its tensors under a tag of its own, or the whole as an argument of call"
            if isinstance(value, dict)
            else "send the numbers in it, as in numpy.array(numbers, numpy.float32)"
        )
        raise unsupported(f"{kind} is not a tensor: numpy can only turn it into Python objects; {cure}")
