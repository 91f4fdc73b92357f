"""What identifies a file or directory on this machine, whatever its name is."""

import os
from typing import Tuple

# Device and inode; on Windows volume and file number.
Identity = Tuple[int, int]


def identity_of(descriptor: int) -> Identity:
    """The identity of an open file."""
    return identity_in(os.fstat(descriptor))


def identity_in(status: os.stat_result) -> Identity:
    """The identity in a status."""
    return status.st_dev, status.st_ino
