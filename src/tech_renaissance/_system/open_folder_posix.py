"""Open directories on POSIX: each operation is relative to a descriptor and follows no link."""

import contextlib
import fcntl
import os
import stat
from typing import List, Optional

from .._base.display import path_for_display
from .descriptors_posix import above_standard_streams
from .file_identity import Identity, identity_at, identity_in, identity_of
from .forks import close_held, make_held


def is_unmoved(path: str, identity: Identity, *, is_held: bool) -> bool:
    """Whether this path still names what has the identity. ``is_held``: its owner
    holds it open. Raises OSError.
    """
    del is_held  # that keeps nobody from moving it
    return identity_at(path) == identity


class OpenFolderBase:
    """The operations that depend on the platform. ``path`` is for messages."""

    def __init__(self, path: str, parent: "Optional[OpenFolderBase]" = None) -> None:
        """Open a directory by its path, or with ``parent`` by its name in the parent,
        without following a link.
        """
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        if parent is None:
            self.path = path
            self.descriptor = make_held(lambda: os.open(path, flags))
        else:
            self.path = os.path.join(parent.path, path)
            above = parent.descriptor
            self.descriptor = make_held(lambda: os.open(path, flags | os.O_NOFOLLOW, dir_fd=above))
        self.identity = identity_of(self.descriptor)

    def close(self) -> None:
        """Close it. Safe to call twice."""
        if self.descriptor >= 0:
            close_held(self.descriptor)
            self.descriptor = -1

    def is_ours(self) -> bool:
        """Whether it belongs to this process's user."""
        return os.fstat(self.descriptor).st_uid == os.geteuid()

    def distrust(self) -> str:
        """Why others could replace what we make in it; empty if they cannot."""
        for status in (os.lstat(self.path), os.fstat(self.descriptor)):  # the path may be a link
            if status.st_uid not in (os.geteuid(), 0):
                return f"{path_for_display(self.path)} belongs to another user ({status.st_uid}): use a workspace of your own"
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o022 and not mode & stat.S_ISVTX:
            return f"others may write to {path_for_display(self.path)} (mode {mode:o}): 'chmod go-w' it, or use another workspace"
        return ""

    def make_private(self) -> None:
        """Let only its user enter it."""
        os.fchmod(self.descriptor, 0o700)

    def hold_off_cleaners(self) -> None:
        """Lock it, because systemd-tmpfiles leaves a locked folder alone, however old the files in it are."""
        with contextlib.suppress(OSError):  # not every file system supports it
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def make_folder(self, name: str) -> bool:
        """Make a private folder in it; False if something already has this name."""
        try:
            os.mkdir(name, 0o700, dir_fd=self.descriptor)
        except FileExistsError:
            return False
        return True

    def open_lock(self, name: str, *, make: bool = True) -> int:
        """The descriptor of a file that can be locked. ``make``: create the file if it does not exist."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_CREAT if make else 0)
        with above_standard_streams():
            return make_held(lambda: os.open(name, flags, 0o600, dir_fd=self.descriptor))

    def names(self) -> List[str]:
        """The names of everything in it."""
        return os.listdir(self.descriptor)

    def identity_at(self, name: str) -> Optional[Identity]:
        """The identity of what has this name in it now; None if nothing has."""
        status = self._status(name)
        return identity_in(status) if status else None

    def is_folder(self, name: str) -> bool:
        """Whether this name in it belongs to a folder, not to a link to one."""
        status = self._status(name)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def remove_file(self, name: str) -> None:
        """Remove a file, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.descriptor)

    def remove_empty_folder(self, name: str) -> None:
        """Remove an empty folder, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=self.descriptor)

    def _status(self, name: str) -> Optional[os.stat_result]:
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None


def open_new(path: str) -> int:
    """The descriptor of a new file of ours, to read it and to append to it. Raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
