"""Where session directories are, and who owns one. Contract: spec/transport-file.md, Ownership."""

import contextlib
import os
import sys
from typing import Mapping, Optional

from ._errors import LaunchError
from ._names import check_name

if sys.platform == "win32":
    from ._lock_windows import remove_locked, try_lock
else:
    from ._lock_posix import remove_locked, try_lock

_LOCK = "session.lock"


def session_directory(
    session_id: str, environment: Mapping[str, str], workspace: Optional[str] = None
) -> str:
    """Absolute path of a session's directory. Raises LocalProtocolError ``bad_name``."""
    check_name(session_id, "session id")
    root = workspace or environment.get("TR_WORKSPACE") or "workspace"
    return os.path.join(os.path.abspath(root), "python_session", f"tr_session_{session_id}")


class SessionDirectory:
    """A session's directory and the lock that says who owns it: made when it is claimed, kept until ``release`` or ``remove``.

    Raises LaunchError: ``session_in_use`` if a living process owns it, ``launch_failed`` if it cannot be made.
    """

    def __init__(self, path: str, *, empty: bool) -> None:
        """Claim the directory. ``empty``: make it private, and remove what a dead owner left."""
        self.path = path
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._lock = self._claim()
        except OSError as error:
            raise self._failed(error) from error
        try:
            self._write_pid()
            if empty:
                os.chmod(path, 0o700)
                self._remove_files()
        except OSError as error:
            os.close(self._lock)
            raise self._failed(error) from error

    def release(self) -> None:
        """Give up the lock; the files stay."""
        os.close(self._lock)

    def remove(self) -> None:
        """Remove the directory with all files, and give up the lock; that even if something cannot be removed (OSError)."""
        try:
            self._remove_files()
        finally:
            remove_locked(self._lock, os.path.join(self.path, _LOCK))
        os.rmdir(self.path)

    def _failed(self, error: OSError) -> LaunchError:
        return LaunchError("launch_failed", f"cannot make the session directory {self.path!r}: {error}")

    def _claim(self) -> int:
        while True:
            self._make()
            path = os.path.join(self.path, _LOCK)
            try:
                lock = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            except FileNotFoundError:
                continue  # the last owner has just removed the directory
            if not try_lock(lock):
                pid = os.read(lock, 32).decode("ascii", "replace").strip() or "unknown"
                os.close(lock)
                raise LaunchError(
                    "session_in_use",
                    f"process {pid} holds the session {os.path.basename(self.path)[11:]!r} ({self.path})",
                )
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(path)):
                    return lock
            os.close(lock)

    def _make(self) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, 0o700)
        if os.path.islink(self.path):  # emptying it would empty a directory that is none of ours
            raise FileExistsError(f"{self.path!r} is a link")

    def _write_pid(self) -> None:
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())

    def _remove_files(self) -> None:
        """All but the lock: until that goes, the directory has an owner."""
        for entry in os.scandir(self.path):
            if entry.is_dir(follow_symlinks=False):
                import shutil

                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name != _LOCK:
                os.unlink(entry.path)
