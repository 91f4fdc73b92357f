"""Files that another process has open, on Windows: operations on them fail until it closes them, so they try again."""

import contextlib
import errno
import io
import os
import time
from typing import Callable, Generator, Optional, TypeVar

_Result = TypeVar("_Result")

# The other side has a small file open for microseconds; a virus scanner for milliseconds.
_TRIES = 200
_PAUSE_S = 0.005


def patiently(action: Callable[[], _Result]) -> _Result:
    """Run a file operation; while another process is in the way, run it again, for at most a second."""
    for _ in range(_TRIES):
        try:
            return action()
        except PermissionError:
            time.sleep(_PAUSE_S)
    return action()


def open_plain(path: str) -> io.FileIO:
    """Open a file for reading that someone else may have put there. Raises OSError: there is none, or it is a link."""
    if os.path.islink(path):
        raise OSError(errno.EINVAL, "is no regular file", path)
    return io.FileIO(path, "rb")


@contextlib.contextmanager
def held(path: str) -> Generator[Callable[[], Optional[bytes]], None, None]:
    """A function that reads the file; None if there is none. Windows lets no file that is held lose its name, so it reads by that."""

    def read() -> Optional[bytes]:
        try:
            with open_plain(path) as file:
                return file.read()
        except FileNotFoundError:
            return None

    yield lambda: patiently(read)
