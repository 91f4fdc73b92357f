"""Files that another process may have open, on POSIX, where they can be renamed,
removed and read all the same.
"""

import contextlib
import errno
import io
import os
import stat
from typing import Callable, Generator, List, Optional, TypeVar, Union

_Result = TypeVar("_Result")


def patiently(action: Callable[[], _Result]) -> _Result:
    """Run a file operation."""
    return action()


# Removing a file frees its name at once.
unlink = os.unlink
is_there = os.path.exists

_SHORT_NBYTES = 4096
# A file may be sparse, or compressed by its file system. One that claims to be larger than the space it
# occupies by more than this is refused, because its reader would allocate all that for nothing.
_MOST_UNBACKED_NBYTES = 1 << 30


def open_plain(path: str) -> io.FileIO:
    """Open for reading a file that someone else may have put there. Follows no link, and
    waits for no pipe or device.

    Raises OSError: the file does not exist (FileNotFoundError), is not a regular file (ELOOP, EINVAL), or
    claims to be far larger than the space it occupies (EFBIG).
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    # Each change of who has the descriptor is one step, so that an interruption cannot lose it.
    opened: List[int] = []
    try:
        opened.extend(map(os.open, [path], [flags]))
        status = os.fstat(opened[0])
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", path)
        if status.st_size - 512 * status.st_blocks > _MOST_UNBACKED_NBYTES:
            raise OSError(errno.EFBIG, "claims to be larger than it is", path)
        return io.FileIO(*map(opened.pop, [0]), mode="rb")
    except BaseException:
        for descriptor in opened:
            os.close(descriptor)
        raise


def read_plain(path: str, most_nbytes: int = -1) -> bytes:
    """The bytes of such a file, at most ``most_nbytes`` of them."""
    with open_plain(path) as file:
        return file.read(most_nbytes)


def write_whole(path: str, data: Union[bytes, memoryview]) -> None:
    """Make a file that does not exist yet. It is closed even if that fails."""
    # In one step, so that an interruption cannot lose the descriptor.
    with io.FileIO(*map(os.open, [path], [os.O_WRONLY | os.O_CREAT | os.O_EXCL], [0o600]), mode="wb") as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


@contextlib.contextmanager
def held(path: str) -> Generator[Callable[[], Optional[bytes]], None, None]:
    """A function that reads the (short) file that has this name now, even after another file has taken the
    name. It returns None if there is no file.
    """
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


shown = str  # what is said of a path, or an error that names paths


def with_room(folder: str, room: int) -> str:
    """The path itself; the longest path is the file system's affair."""
    del room
    return folder
