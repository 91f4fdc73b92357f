"""Locks a file on POSIX with flock, which the kernel releases when the owner's last descriptor is closed."""

import fcntl

from .file_identity import identity_of
from .forks import close_held
from .open_folder import OpenFolder


def try_lock(descriptor: int) -> bool:
    """Lock the file for this process; False if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove_locked(descriptor: int, folder: OpenFolder, name: str) -> None:
    """Remove the file if it still has this name, then release the lock. In this order nobody can lock the
    removed file and believe that the name is theirs.
    """
    try:
        if folder.identity_at(name) == identity_of(descriptor):
            folder.remove_file(name)
    finally:
        close_held(descriptor)
