"""Small files that are either whole or absent; a session directory consists of them."""

import contextlib
import itertools
import os
import sys
from typing import Optional, Union

if sys.platform == "win32":
    from .files_windows import (
        held,
        is_there,
        open_plain,
        patiently,
        read_plain,
        shown,
        unlink,
        with_room,
        write_whole,
    )
else:
    from .files_posix import (
        held,
        is_there,
        open_plain,
        patiently,
        read_plain,
        shown,
        unlink,
        with_room,
        write_whole,
    )

__all__ = [
    "NAME_LENGTH",
    "discard",
    "held",
    "is_there",
    "open_plain",
    "read",
    "remove",
    "replace",
    "shown",
    "temporary_path",
    "with_room",
    "write",
    "write_new",
]

# The longest name of a file in a session directory: a tag of 128 characters, what makes it a
# temporary one, and the separator.
NAME_LENGTH = 170

_ANY_LENGTH = 1 << 15  # of paths in a folder that others may have filled

_counter = itertools.count()


def temporary_path(path: str) -> str:
    """A path beside ``path`` that no other writer uses."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{os.getpid()}.{next(_counter)}.tmp")


def replace(source: str, target: str) -> None:
    """Rename ``source`` to ``target``, over an existing file. Raises OSError."""
    patiently(lambda: os.replace(source, target))


def remove(path: str) -> None:
    """Remove a file, if it exists. Its name is free at once, though others may still have the file open."""
    with contextlib.suppress(FileNotFoundError):
        patiently(lambda: unlink(path))


def write(path: str, data: Union[bytes, memoryview]) -> None:
    """Write a file so that a reader sees either the whole old one or the whole new one.
    Leaves nothing behind if it fails.
    """
    temporary = temporary_path(path)
    write_new(temporary, data)
    try:
        replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def write_new(path: str, data: Union[bytes, memoryview]) -> None:
    """Write a file that does not exist yet. Leaves nothing behind if it fails."""
    try:
        write_whole(path, data)
    except BaseException:
        remove(path)
        raise


def discard(path: str) -> None:
    """Remove whatever has this name, if anything."""
    with contextlib.suppress(OSError):  # it mostly is a file, which this removes without looking at it
        unlink(path)
        return
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(with_room(path, _ANY_LENGTH), ignore_errors=True)
    else:
        remove(path)


def read(path: str, most_nbytes: int = -1) -> Optional[bytes]:
    """The file's bytes, at most ``most_nbytes`` of them; None if there is no file. Raises OSError,
    also if it is not a plain file.
    """
    try:
        return patiently(lambda: read_plain(path, most_nbytes))
    except FileNotFoundError:
        return None
