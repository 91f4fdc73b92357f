"""Segments on other POSIX systems: an unnamed file of the temporary folder, mapped shared."""

import os
import tempfile

POPULATE = None
REMOVE = None


def make_descriptor(nbytes: int) -> int:
    """A new segment's descriptor. Raises OSError."""
    with tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), nbytes)
        return os.dup(file.fileno())
