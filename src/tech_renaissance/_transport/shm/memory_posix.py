"""The memory of segments on other POSIX systems: an unnamed file in the
temporary folder, mapped as shared.
"""

import os
import tempfile

from ..._system.descriptors_posix import above_standard_streams
from ..._system.forks import make_held

POPULATE = 0  # no such advice exists
REMOVE = 0


def make_descriptor(nbytes: int) -> int:
    """A new segment's descriptor. Raises OSError."""
    with above_standard_streams(), tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), nbytes)
        return make_held(lambda: os.dup(file.fileno()))


def take_memory(descriptor: int, begin: int, end: int) -> None:
    """Allocate memory for a range of whole pages, whose contents are lost. Raises OSError."""
    os.pwrite(descriptor, bytes(end - begin), begin)  # not every system has a call for it
