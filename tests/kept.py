"""Tensors that live in a host, alike for both hosts: read, written and let go of where they are."""

from typing import Any

import numpy as np
from driver_session import KeptTensor

from tech_renaissance import PythonSession


def keep(session: Any, message: str, timeout_ms: int = 10_000) -> Any:
    """As ``fetch_tensor``, for a tensor that stays where its host has it."""
    if isinstance(session, PythonSession):
        return session.fetch_tensor(message, timeout_ms)
    return session.keep(message, timeout_ms)


def read(tensor: Any) -> Any:
    """What it holds now: a copy, as a numpy array."""
    return tensor.read() if isinstance(tensor, KeptTensor) else np.array(tensor)


def write(tensor: Any, value: Any) -> None:
    """Have it hold this value, or these elements."""
    if isinstance(tensor, KeptTensor):
        old = tensor.read()
        tensor.write(np.broadcast_to(np.asarray(value, old.dtype), old.shape))
    else:
        tensor[...] = value
