"""Segments on other POSIX systems: an unnamed file in the temporary folder, mapped as shared."""

import os
import tempfile

from ..._system.descriptors_posix import above_standard_streams
from ..._system.fork import make_held

POPULATE = 0  # no such advice exists
REMOVE = 0


def make_descriptor(nbytes: int) -> int:
    """A new segment's descriptor. Raises OSError."""
    with above_standard_streams(), tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), nbytes)
        return make_held(lambda: os.dup(file.fileno()))
