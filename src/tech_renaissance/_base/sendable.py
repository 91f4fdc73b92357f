"""Whether something can be sent as a tensor. Checked as soon as it is
handed over, not only when it is sent.
"""

import sys
from typing import Any, Callable, Dict, Set

from .errors import FormatError
from .tensor import array_dtype, describe, is_array, is_torch, torch_dtype

MOST_DIMS = 8

# What passed the full check once takes the short one from then on: its dtype, and for its exact
# type, how to tell a plain tensor.
_dtypes: Set[Any] = set()
_is_plain: Dict[type, Callable[[Any], bool]] = {}


def check_sendable(tensor: Any) -> None:
    """Raise FormatError ``unsupported_dtype`` or ``too_many_dims`` if ``tensor`` cannot be sent.

    Does not touch the elements of torch tensors and numpy arrays; for the usual ones
    it costs next to nothing.
    """
    is_plain = _is_plain.get(type(tensor))  # pyright: ignore[reportUnknownArgumentType]
    if is_plain is None or tensor.dtype not in _dtypes or not is_plain(tensor):
        _look_closely(tensor)


def _look_closely(tensor: Any) -> None:
    if is_torch(tensor):
        torch_dtype(tensor)
        _check_dims(tensor)
        torch = sys.modules["torch"]
        if type(tensor) is torch.Tensor and hasattr(tensor, "is_cpu"):  # since torch 1.13
            strided = torch.strided
            _is_plain[torch.Tensor] = lambda tensor: (
                tensor.layout is strided
                and tensor.is_cpu
                and not tensor.is_nested
                and tensor.ndim <= MOST_DIMS
            )
            _dtypes.add(tensor.dtype)
    elif is_array(tensor):
        array_dtype(tensor)
        _check_dims(tensor)
        _is_plain[sys.modules["numpy"].ndarray] = lambda array: array.ndim <= MOST_DIMS
        _dtypes.add(tensor.dtype)
    else:
        _check_dims(describe(tensor))


def _check_dims(tensor: Any) -> None:
    if len(tensor.shape) > MOST_DIMS:
        raise FormatError("too_many_dims", f"{len(tensor.shape)} dimensions; TSR holds at most {MOST_DIMS}")
