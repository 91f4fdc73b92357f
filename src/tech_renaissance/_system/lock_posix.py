"""Locking a file on POSIX: flock, which the kernel releases when the last descriptor of the owner is closed."""

import fcntl

from .fork import close_held
from .open_folder import OpenFolder, identity_of


def try_lock(descriptor: int) -> bool:
    """Lock the file for this process; False if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove_locked(descriptor: int, folder: OpenFolder, name: str) -> None:
    """Remove the file if it still bears this name, then release the lock: nobody can lock the file that goes and believe to own its name."""
    try:
        if folder.identity_at(name) == identity_of(descriptor):
            folder.remove_file(name)
    finally:
        close_held(descriptor)
