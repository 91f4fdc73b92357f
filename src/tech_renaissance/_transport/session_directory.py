"""Where session directories are, and who owns one. Contract: spec/transport-file.md, Ownership."""

import contextlib
import os
import sys
import time
from typing import List, Mapping, Optional

from .._base.display import path_for_display
from .._base.errors import LaunchError
from .._base.names import check_name
from .._system import files
from .._system.file_identity import identity_of
from .._system.forks import close_held
from .._system.open_folder import OpenFolder

if sys.platform == "win32":
    from .._system.lock_windows import remove_locked, try_lock
else:
    from .._system.lock_posix import remove_locked, try_lock

_LOCK = "session.lock"
_PREFIX = "tr_session_"
# Whoever removes a dead owner's leftovers also holds the lock, but only briefly.
_SWEEP_S = 0.2
# An empty lock file of this age was left by a process that died while creating it.
_UNSIGNED_S = 60.0


def session_directory(
    session_id: str, environment: Mapping[str, str], workspace: Optional[str] = None
) -> str:
    """Absolute path of a session's directory. Raises LocalProtocolError ``bad_name``."""
    check_name(session_id, "session id")
    return os.path.join(sessions_folder(environment, workspace), _PREFIX + session_id)


def with_room_for_files(path: str) -> str:
    """The path of a session directory in a form in which each of its files
    can be reached, whatever its name.
    """
    return files.with_room(path, files.NAME_LENGTH)


def sessions_folder(environment: Mapping[str, str], workspace: Optional[str] = None) -> str:
    """Absolute path of the folder that has all session directories of a workspace."""
    root = workspace or environment.get("TR_WORKSPACE") or "workspace"
    return os.path.join(os.path.abspath(root), "python_session")


class SessionDirectory:
    """A session's directory and the lock that says who owns it. Made when it is claimed, kept
    until ``release`` or ``remove``.

    ``is_new``: it did not exist before. Raises LaunchError: ``session_in_use`` if a living process owns it,
    ``launch_failed`` if it cannot be made, or if others could replace it.
    """

    def __init__(self, path: str, *, empty: bool) -> None:
        """Claim the directory. ``empty``: make it private, and remove what a dead owner left behind."""
        self.path = path
        self.is_new = False
        patience_until = time.monotonic() + _SWEEP_S
        while True:
            try:
                self._held = self._claim(empty=empty)
            except LaunchError as error:
                if error.code != "session_in_use" or time.monotonic() >= patience_until:
                    raise
            except OSError as error:
                # It may have been removed just before we locked it.
                if not isinstance(error, FileNotFoundError) or time.monotonic() >= patience_until:
                    text = f"cannot make the session directory {path_for_display(files.shown(path))}: {files.shown(error)}"
                    raise LaunchError("launch_failed", text) from error
            else:
                return
            time.sleep(_SWEEP_S / 20)

    def is_in_place(self) -> bool:
        """Whether the path still names this directory, and the lock in it is still ours."""
        with contextlib.suppress(OSError), OpenFolder(os.path.dirname(self.path)) as parent:
            return self._held.is_in_place(parent)
        return False

    def release(self) -> None:
        """Give up the directory. Its files stay, except for the lock file, so that nobody
        takes them for leftovers.
        """
        self._held.release()

    def remove(self) -> None:
        """Remove the directory with all its files, and release the lock even if something cannot be removed
        (OSError). What is no longer ours stays.
        """
        try:
            parent = OpenFolder(os.path.dirname(self.path))
        except OSError:
            self._held.close()
            raise
        with parent:
            self._held.remove(parent)

    def _claim(self, *, empty: bool) -> "_Held":
        name = os.path.basename(self.path)
        with _made_sessions_folder(os.path.dirname(self.path)) as parent:
            if empty:
                _check_trust(parent)
            is_new = parent.make_folder(name)
            self.is_new = self.is_new or is_new
            try:
                return self._take(parent, name, empty=empty, is_new=is_new)
            except BaseException:  # without a lock file nobody would ever take it for left over
                if is_new:
                    with contextlib.suppress(OSError):  # somebody else may have it by now
                        parent.remove_empty_folder(name)
                raise

    def _take(self, parent: OpenFolder, name: str, *, empty: bool, is_new: bool) -> "_Held":
        held = _Held(parent, name, ours_only=empty)
        try:
            if empty:
                held.take_over(is_empty=is_new)
            held.sign()
        except BaseException:  # a full disk, for example: leave nothing of ours behind
            with contextlib.suppress(OSError):
                if empty or self.is_new:
                    held.remove(parent)
                else:
                    held.release()
            raise
        return held


class _Held:
    """A session directory that is held open, with its lock. The lock is ours until
    ``close``, or until this object dies.
    """

    _lock = -1

    def __init__(
        self, parent: OpenFolder, name: str, *, ours_only: bool = True, make_lock: bool = True
    ) -> None:
        """``ours_only``: refuse another user's directory. Raises LaunchError ``session_in_use``, and OSError:
        FileNotFoundError if it does not exist or is being removed.
        """
        with contextlib.ExitStack() as undo:
            self._name = name
            self._folder = OpenFolder(name, parent)
            undo.callback(self.close)
            if ours_only and not self._folder.is_ours():
                raise PermissionError("it belongs to another user")
            self._lock = self._folder.open_lock(_LOCK, make=make_lock)
            if not try_lock(self._lock):
                raise self._in_use()
            if not self.is_in_place(parent):
                raise FileNotFoundError("it was moved or removed")
            undo.pop_all()

    def __del__(self) -> None:
        """Closes it if an interrupt came between making it and handing it to its owner."""
        if self._lock >= 0:
            self.close()

    def is_in_place(self, parent: OpenFolder) -> bool:
        """Whether its name still belongs to this directory, and the lock file's name to this lock."""
        return self._is_named(parent) and self._folder.identity_at(_LOCK) == identity_of(self._lock)

    def take_over(self, *, is_empty: bool) -> None:
        """Make it private, and remove what a dead owner left behind, if anything. Raises OSError."""
        os.ftruncate(self._lock, 0)  # it names the dead owner
        self._folder.make_private()
        if not is_empty:  # looking through it takes a descriptor
            self._folder.empty(keep=_LOCK)

    def is_being_made(self) -> bool:
        """Whether someone has just created the lock file and is about to lock it."""
        status = os.fstat(self._lock)
        return not status.st_size and time.time() - status.st_mtime < _UNSIGNED_S

    def sign(self) -> None:
        """Write this process's id into the lock file, and protect the directory from
        cleaners. Raises OSError.
        """
        self._folder.hold_off_cleaners()
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())

    def remove(self, parent: OpenFolder) -> None:
        """Remove it, unless it or its lock has been replaced, and release the lock in any case. Raises
        OSError if something cannot be removed; then the lock file stays, too, so that someone can try again.
        """
        try:
            is_named = self._is_named(parent)
            if is_named and self._folder.identity_at(_LOCK) in (None, identity_of(self._lock)):
                self._folder.empty(
                    keep=_LOCK
                )  # the lock file goes last, so that the directory has an owner until then
        except OSError:
            self.close()
            raise
        self.release()
        if is_named:
            parent.remove_empty_folder(self._name)

    def release(self) -> None:
        """Release the lock, and remove only the lock file."""
        with self._folder:
            lock, self._lock = self._lock, -1
            remove_locked(lock, self._folder, _LOCK)

    def close(self) -> None:
        """Release the lock, and remove nothing."""
        self._folder.close()
        lock, self._lock = self._lock, -1
        close_held(lock)

    def _is_named(self, parent: OpenFolder) -> bool:
        return parent.identity_at(self._name) == self._folder.identity

    def _in_use(self) -> LaunchError:
        pid = os.read(self._lock, 32).decode("ascii", "replace").strip()
        owner = f"process {pid}" if pid.isdecimal() else "another process"
        if pid == str(os.getpid()):
            owner = "this program"
        return LaunchError(
            "session_in_use",
            f"{owner} holds the session in {path_for_display(self._folder.path)}: end it, or give this one another session id",
        )


def remove_leftovers(path: str) -> List[str]:
    """Remove those session directories in a folder whose owners are dead, and return their paths.
    What cannot be removed stays.

    A directory without a lock file is not ours and stays, and so does another user's. Raises OSError or
    LaunchError if the folder itself cannot be listed, or cannot be trusted.
    """
    removed: List[str] = []
    with OpenFolder(path) as folder:
        _check_trust(folder)
        for name in folder.names():
            if name.startswith(_PREFIX):
                with contextlib.suppress(OSError, LaunchError):
                    held = _Held(folder, name, make_lock=False)
                    if held.is_being_made():
                        held.close()
                        continue
                    held.remove(folder)
                    removed.append(os.path.join(path, name))
    return removed


def _made_sessions_folder(path: str) -> OpenFolder:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    return OpenFolder(path)


def _check_trust(folder: OpenFolder) -> None:
    reason = folder.distrust()
    if reason:
        raise LaunchError("launch_failed", reason)
