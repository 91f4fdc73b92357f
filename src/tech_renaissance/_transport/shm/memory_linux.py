"""The memory of segments on Linux: a memfd has no name and cannot outlive its users; once sealed, nobody
can shrink it while others use it.
"""

import fcntl
import os

from ..._system.descriptors_posix import above_standard_streams
from ..._system.forks import close_held, make_held

POPULATE = 23  # MADV_POPULATE_WRITE, since Linux 5.14
REMOVE = 9  # MADV_REMOVE: punches a hole


def make_descriptor(nbytes: int) -> int:
    """A new segment's descriptor. Raises OSError."""
    with above_standard_streams():
        descriptor = make_held(
            lambda: os.memfd_create("tech_renaissance", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        )
    try:
        os.ftruncate(descriptor, nbytes)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        close_held(descriptor)
        raise
    return descriptor


def take_memory(descriptor: int, begin: int, end: int) -> None:
    """Allocate memory for a range of whole pages. Raises OSError."""
    os.posix_fallocate(descriptor, begin, end - begin)
