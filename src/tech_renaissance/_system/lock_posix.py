"""Locking a file on POSIX: flock, which the kernel gives up when the last descriptor of the owner is closed."""

import contextlib
import fcntl
import os


def try_lock(descriptor: int) -> bool:
    """Lock the file for this process; False if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove_locked(descriptor: int, path: str) -> None:
    """Remove the file, then give up the lock: nobody can lock the file that goes and believe to own its name."""
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    finally:
        os.close(descriptor)
