"""Small files, whole or not at all: what the session directory is made of."""

import contextlib
import io
import itertools
import os
import sys
from typing import Optional, Union

if sys.platform == "win32":
    from .files_windows import held, open_plain, patiently
else:
    from .files_posix import held, open_plain, patiently

__all__ = [
    "discard",
    "held",
    "open_plain",
    "read",
    "remove",
    "replace",
    "temporary_path",
    "write",
    "write_new",
]

_counter = itertools.count()


def temporary_path(path: str) -> str:
    """A name beside ``path`` that no other writer uses."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{os.getpid()}.{next(_counter)}.tmp")


def replace(source: str, target: str) -> None:
    """Rename ``source`` to ``target``, over an existing file. Raises OSError."""
    patiently(lambda: os.replace(source, target))


def remove(path: str) -> None:
    """Remove a file; that there is none is no error."""
    with contextlib.suppress(FileNotFoundError):
        patiently(lambda: os.unlink(path))


def write(path: str, data: Union[bytes, memoryview]) -> None:
    """Write a file so that a reader sees the old one or the new one, whole. On failure nothing is left behind."""
    temporary = temporary_path(path)
    write_new(temporary, data)
    try:
        replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def write_new(path: str, data: Union[bytes, memoryview]) -> None:
    """Write a file that is not there yet. On failure nothing is left behind."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        # In one step: an interruption loses no descriptor.
        with io.FileIO(*map(os.open, [path], [flags], [0o600]), mode="wb") as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
    except BaseException:
        remove(path)
        raise


def discard(path: str) -> None:
    """Remove whatever bears this name; that there is nothing is no error."""
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)
    else:
        remove(path)


def read(path: str, most_nbytes: int = -1) -> Optional[bytes]:
    """The file's bytes, or the first so many; None if there is none. Raises OSError, for what is no plain file, too."""
    try:
        return patiently(lambda: _read(path, most_nbytes))
    except FileNotFoundError:
        return None


def _read(path: str, most_nbytes: int) -> bytes:
    with open_plain(path) as file:
        return file.read(most_nbytes)
