"""What identifies a file or directory on this machine, whatever its name is."""

import os
from typing import Optional, Tuple

# Device and inode; on Windows volume and file number.
Identity = Tuple[int, int]


def identity_of(descriptor: int) -> Identity:
    """The identity of an open file."""
    return identity_in(os.fstat(descriptor))


def identity_at(path: str) -> Optional[Identity]:
    """The identity of what has this path now, which may be a link; None if there is nothing. Raises
    OSError if that cannot be known.
    """
    try:
        return identity_in(os.lstat(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def identity_in(status: os.stat_result) -> Identity:
    """The identity in a status."""
    return status.st_dev, status.st_ino
