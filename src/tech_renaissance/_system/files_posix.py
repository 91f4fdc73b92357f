"""Files that another process has open, on POSIX: they can be renamed, removed and read all the same."""

import contextlib
import errno
import io
import os
import stat
from typing import Callable, Generator, Optional, TypeVar

_Result = TypeVar("_Result")


def patiently(action: Callable[[], _Result]) -> _Result:
    """Run a file operation."""
    return action()


_SHORT_NBYTES = 4096
# A file may be sparse, or compressed by its file system; one that claims more than this beyond what it occupies would have
# its reader allocate that for nothing.
_MOST_UNBACKED_NBYTES = 1 << 30


def open_plain(path: str) -> io.FileIO:
    """Open a file for reading that someone else may have put there: no link is followed, no pipe or device waited for.

    Raises OSError: there is none (FileNotFoundError), it is no regular file (ELOOP, EISDIR, EINVAL), or far larger than the disk holds of it
    (EFBIG).
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    file = io.FileIO(
        *map(os.open, [path], [flags]), mode="rb"
    )  # in one step: an interruption loses no descriptor
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no regular file", path)
        if status.st_size - 512 * status.st_blocks > _MOST_UNBACKED_NBYTES:
            raise OSError(errno.EFBIG, "claims to be larger than it is", path)
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def held(path: str) -> Generator[Callable[[], Optional[bytes]], None, None]:
    """A function that reads the (short) file that is there now, also once another has taken its name; None if there is none."""
    try:
        file = open_plain(path)
    except OSError:
        yield lambda: None
        return
    with file:

        def read() -> bytes:
            file.seek(0)
            return file.read(_SHORT_NBYTES)

        yield read
