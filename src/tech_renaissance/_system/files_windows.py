"""Files that another process may have open, on Windows, where operations on them fail until it closes them and so are retried."""

import contextlib
import errno
import io
import os
import time
from typing import Callable, Generator, Optional, TypeVar

_Result = TypeVar("_Result")

# What a path may have without its extended form, its end included.
_MAX_PATH = 260
_EXTENDED, _EXTENDED_SHARE = "\\\\?\\", "\\\\?\\UNC\\"

# What another process causes by having the file open: access denied, a sharing violation, a lock. None: the C runtime does not say.
_IN_THE_WAY = (None, 5, 32, 33)
# The other side keeps a small file open for microseconds, a virus scanner for milliseconds. 0: let others run.
PAUSES_S = (*[0.0] * 20, *(min(1 << number, 64) / 1000 for number in range(21)))


def patiently(action: Callable[[], _Result]) -> _Result:
    """Run a file operation, and retry it for about a second while another process is in the way."""
    for pause_s in PAUSES_S:
        try:
            return action()
        except PermissionError as error:
            if error.winerror not in _IN_THE_WAY:
                raise
            time.sleep(pause_s)
    return action()


def open_plain(path: str) -> io.FileIO:
    """Open for reading a file that someone else may have put there. Raises OSError if it does not exist, or is a link."""
    if os.path.islink(path):
        raise OSError(errno.EINVAL, "is not a regular file", path)
    return io.FileIO(path, "rb")


@contextlib.contextmanager
def held(path: str) -> Generator[Callable[[], Optional[bytes]], None, None]:
    """A function that reads the file by its name. It returns None if there is no file."""

    def read() -> Optional[bytes]:
        try:
            with open_plain(path) as file:
                return file.read()
        except FileNotFoundError:
            return None

    yield lambda: patiently(read)


def with_room(folder: str, room: int) -> str:
    r"""A folder's absolute path, in the extended form (``\\?\``) if a path with ``room`` more characters would be too long without."""
    if len(folder) + room < _MAX_PATH or folder.startswith(_EXTENDED):
        return folder
    if folder.startswith("\\\\"):
        return _EXTENDED_SHARE + folder[2:]
    return _EXTENDED + folder
