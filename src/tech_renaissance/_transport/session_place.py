"""Whether a session directory is still the one that it was, for those who read and write in it by its path."""

import os
from typing import Optional, Tuple

from .._base.errors import SessionClosed


class SessionPlace:
    """A session directory, known by the lock file in it; by itself if nobody owns it.

    A lock file that is open somewhere, as its owner has it, is told from all others by its number, also from later ones.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.find()

    def check(self) -> None:
        """Raise SessionClosed if it is lost."""
        if self.is_lost():
            raise self._lost()

    def check_owned(self) -> None:
        """Raise SessionClosed if nobody owned it. A worker's host does, unless it was lost while the worker started."""
        if self._mark == self.directory:
            raise self._lost()

    def find(self) -> None:
        """From now on it is the one that is there now."""
        lock = os.path.join(self.directory, "session.lock")
        self._mark = lock if os.path.lexists(lock) else self.directory
        self._identity = self._look()

    def is_lost(self) -> bool:
        """Whether it is gone, or somebody else's by now: nothing may be written there then, and nothing there is for us."""
        try:
            return self._look() != self._identity
        except OSError:  # it cannot be told
            return False

    def _lost(self) -> SessionClosed:
        text = f"the session directory {self.directory!r} is gone, or somebody else's"
        return SessionClosed("session_closed", text)

    def _look(self) -> Optional[Tuple[int, int]]:
        try:
            status = os.lstat(self._mark)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_dev, status.st_ino
