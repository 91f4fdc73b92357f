"""Open directories on Windows. While one is held open, nobody can rename it, remove it, or replace it with a
link, so its path is safe to use.
"""

import ctypes
import msvcrt
import os
import stat
from typing import List, Optional

from .._base.display import path_for_display
from .create_file_windows import (
    INVALID_HANDLE,
    OPEN_EXISTING,
    OPEN_REPARSE_POINT,
    SHARE_ALL,
    close_handle,
    create_file,
)
from .file_identity import Identity, identity_at, identity_in
from .files_windows import is_there, patiently, shown, unlink, with_room
from .forks import make_held

_LIST_AND_READ_ATTRIBUTES = 0x1 | 0x80  # reading only attributes would ignore the share mode
_SHARE_READ_AND_WRITE = 0x1 | 0x2  # but not deletion, which includes renaming
_OPEN_ALWAYS = 4
_READ_AND_WRITE = 0xC0000000
_CREATE_NEW = 1
_BACKUP_SEMANTICS = 0x02000000  # required for directories

# The longest name that a file system allows, with its separator. Others may put what they like into a folder.
_ANY_NAME_LENGTH = 256


def is_unmoved(path: str, identity: Identity, *, is_held: bool) -> bool:
    """Whether this path still names what has the identity. ``is_held``: its owner holds it and its folder
    open, so it can go, but nothing can take its place. Raises OSError.
    """
    if not is_held:
        return identity_at(path) == identity
    # Without opening it, which is slow; and under wine a file that is locked stays open
    # then until it is unlocked.
    return is_there(path)


class OpenFolderBase:
    """The operations that depend on the platform. ``path`` is also for messages."""

    def __init__(self, path: str, parent: "Optional[OpenFolderBase]" = None) -> None:
        """Open a directory by its path, or with ``parent`` by its name in the parent,
        without following a link.
        """
        path = os.path.join(parent._extended, path) if parent else path  # noqa: SLF001
        self.path = shown(path)
        self._extended = with_room(path, _ANY_NAME_LENGTH)
        flags = _BACKUP_SEMANTICS | (OPEN_REPARSE_POINT if parent else 0)
        self._handle = create_file(
            self._extended, _LIST_AND_READ_ATTRIBUTES, _SHARE_READ_AND_WRITE, None, OPEN_EXISTING, flags, None
        )
        if self._handle == INVALID_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())
        status = os.lstat(self._extended) if parent else os.stat(self._extended)
        if not _is_folder(status):
            self.close()
            raise NotADirectoryError(f"{path_for_display(self.path)} is not a folder")
        self.identity = identity_in(status)

    def close(self) -> None:
        """Close it. Safe to call twice."""
        if self._handle != INVALID_HANDLE:
            close_handle(self._handle)
            self._handle = INVALID_HANDLE

    def is_ours(self) -> bool:
        """Always true here: inherited access control lists decide who may write in it."""
        return True

    def distrust(self) -> str:
        """Always empty here: see ``is_ours``."""
        return ""

    def make_private(self) -> None:
        """Does nothing: access is inherited from its parent."""

    def hold_off_cleaners(self) -> None:
        """Does nothing: nothing on Windows removes files by age."""

    def make_folder(self, name: str) -> bool:
        """Make a folder in it; False if something already has this name."""
        try:
            os.mkdir(os.path.join(self._extended, name))
        except FileExistsError:
            return False
        return True

    def open_lock(self, name: str, *, make: bool = True) -> int:
        """The descriptor of a file that can be locked. ``make``: create the file if it does not exist."""
        path = os.path.join(self._extended, name)
        if os.path.islink(path):
            raise OSError(f"{path_for_display(shown(path))} is a link")
        return make_held(lambda: open_shared(path, _OPEN_ALWAYS if make else OPEN_EXISTING))

    def names(self) -> List[str]:
        """The names of everything in it."""
        return os.listdir(self._extended)

    def identity_at(self, name: str) -> Optional[Identity]:
        """The identity of what has this name in it now; None if nothing has."""
        status = self._status(name)
        return identity_in(status) if status else None

    def is_folder(self, name: str) -> bool:
        """Whether this name in it belongs to a folder, not to a link or junction to one."""
        status = self._status(name)
        return status is not None and _is_folder(status)

    def remove_file(self, name: str) -> None:
        """Remove a file or a link of any kind, if it exists."""
        path = os.path.join(self._extended, name)
        status = self._status(name)
        if status is not None:
            is_folder_link = status.st_file_attributes & stat.FILE_ATTRIBUTE_DIRECTORY
            patiently(lambda: os.rmdir(path) if is_folder_link else unlink(path))

    def remove_empty_folder(self, name: str) -> None:
        """Remove an empty folder, if it exists."""
        path = os.path.join(self._extended, name)
        if os.path.lexists(path):
            patiently(lambda: os.rmdir(path))

    def _status(self, name: str) -> Optional[os.stat_result]:
        try:
            return os.lstat(os.path.join(self._extended, name))
        except FileNotFoundError:
            return None


def open_new(path: str) -> int:
    """The descriptor of a new file that others may remove while it is open. Raises OSError."""
    return open_shared(path, _CREATE_NEW)


def open_shared(path: str, disposition: int) -> int:
    """Open a file so that it can be removed meanwhile, which os.open does not allow."""
    handle = create_file(path, _READ_AND_WRITE, SHARE_ALL, None, disposition, OPEN_REPARSE_POINT, None)
    if handle == INVALID_HANDLE:
        raise ctypes.WinError(ctypes.get_last_error())
    return msvcrt.open_osfhandle(handle, os.O_RDWR | os.O_BINARY | os.O_NOINHERIT)


def _is_folder(status: os.stat_result) -> bool:
    attributes = status.st_file_attributes
    return (
        bool(attributes & stat.FILE_ATTRIBUTE_DIRECTORY)
        and not attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT
    )
