"""Where session directories are, and who owns one. Contract: spec/transport-file.md, Ownership."""

import contextlib
import os
import sys
import time
from typing import List, Mapping, Optional

from .._base.errors import LaunchError
from .._base.names import check_name

if sys.platform == "win32":
    from .._system.lock_windows import remove_locked, try_lock
else:
    from .._system.lock_posix import remove_locked, try_lock

_LOCK = "session.lock"
_PREFIX = "tr_session_"
# Who removes what a dead owner left holds its lock, too, but not for long.
_SWEEP_S = 0.2


def session_directory(
    session_id: str, environment: Mapping[str, str], workspace: Optional[str] = None
) -> str:
    """Absolute path of a session's directory. Raises LocalProtocolError ``bad_name``."""
    check_name(session_id, "session id")
    return os.path.join(sessions_folder(environment, workspace), _PREFIX + session_id)


def sessions_folder(environment: Mapping[str, str], workspace: Optional[str] = None) -> str:
    """Absolute path of the folder of all session directories of a workspace."""
    root = workspace or environment.get("TR_WORKSPACE") or "workspace"
    return os.path.join(os.path.abspath(root), "python_session")


class SessionDirectory:
    """A session's directory and the lock that says who owns it: made when it is claimed, kept until ``release`` or ``remove``.

    ``is_new``: it was not there before. Raises LaunchError: ``session_in_use`` if a living process owns it, ``launch_failed`` if it
    cannot be made.
    """

    def __init__(self, path: str, *, empty: bool) -> None:
        """Claim the directory. ``empty``: make it private, and remove what a dead owner left."""
        self.path = path
        self.is_new = False
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._lock = self._claim()
        except OSError as error:
            raise self._failed(error) from error
        try:
            self._write_pid()
            if empty:
                os.chmod(path, 0o700)
                _remove_files(path)
        except OSError as error:
            os.close(self._lock)
            raise self._failed(error) from error

    def release(self) -> None:
        """Give up the directory; the files stay, but for the lock: nobody has left them behind."""
        remove_locked(self._lock, os.path.join(self.path, _LOCK))

    def disown(self) -> None:
        """This process is a fork of the owner: let go of the lock, which is the owner's. No other method may be called afterwards."""
        os.close(self._lock)

    def remove(self) -> None:
        """Remove the directory with all files, and give up the lock; that even if something cannot be removed (OSError)."""
        _remove(self.path, self._lock)

    def _failed(self, error: OSError) -> LaunchError:
        return LaunchError("launch_failed", f"cannot make the session directory {self.path!r}: {error}")

    def _claim(self) -> int:
        patience_until = time.monotonic() + _SWEEP_S
        while True:
            self._make()
            path = os.path.join(self.path, _LOCK)
            try:
                lock = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            except FileNotFoundError:
                continue  # the last owner has just removed the directory
            if not try_lock(lock):
                if time.monotonic() < patience_until:
                    os.close(lock)
                    time.sleep(_SWEEP_S / 20)
                    continue
                pid = os.read(lock, 32).decode("ascii", "replace").strip() or "unknown"
                os.close(lock)
                raise LaunchError(
                    "session_in_use",
                    f"process {pid} holds the session {os.path.basename(self.path)[len(_PREFIX) :]!r} ({self.path})",
                )
            if _names(path, lock):
                return lock
            os.close(lock)

    def _make(self) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, 0o700)
            self.is_new = True
        if os.path.islink(self.path):  # emptying it would empty a directory that is none of ours
            raise FileExistsError(f"{self.path!r} is a link")

    def _write_pid(self) -> None:
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())


def remove_leftovers(folder: str) -> List[str]:
    """Remove the session directories in a folder whose owners are dead; returns their paths. What cannot be removed stays.

    A directory without a lock file is none of ours, and stays.
    """
    removed: List[str] = []
    with contextlib.suppress(FileNotFoundError):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError, LaunchError):
                    if _remove_leftover(entry.path):
                        removed.append(entry.path)
    return removed


def _remove_leftover(path: str) -> bool:
    lock_path = os.path.join(path, _LOCK)
    if not os.path.lexists(lock_path):
        return False
    lock = os.open(lock_path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    # An empty one was made just now, and is about to be locked.
    if not (try_lock(lock) and _names(lock_path, lock) and os.fstat(lock).st_size):
        os.close(lock)
        return False
    _remove(path, lock)
    return True


def _remove(path: str, lock: int) -> None:
    """Remove the directory of the owner that has this lock, which is given up in any case. Raises OSError."""
    try:
        _remove_files(path)
    finally:
        remove_locked(lock, os.path.join(path, _LOCK))
    os.rmdir(path)


def _remove_files(path: str) -> None:
    """All but the lock: until that goes, the directory has an owner."""
    for entry in list(os.scandir(path)):
        if entry.is_dir(follow_symlinks=False):
            import shutil

            shutil.rmtree(entry.path, ignore_errors=True)
        elif entry.name != _LOCK:
            os.unlink(entry.path)


def _names(path: str, descriptor: int) -> bool:
    """Whether the path is the name of this open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
