"""Whether a session directory is still the same one, for code that reads and writes in it by its path."""

import os

from .._base.display import path_for_display
from .._base.errors import SessionClosed
from .._system.file_identity import identity_at
from .._system.files import shown
from .._system.open_folder import is_unmoved


class SessionPlace:
    """A session directory, identified by its lock file, or by itself if nobody owns it.

    The owner keeps the lock file open, so its inode number cannot be reused, and identifies it for good.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.find()

    def check(self) -> None:
        """Raise SessionClosed if it is lost."""
        if self.is_lost():
            raise self._lost()

    def check_owned(self) -> None:
        """Raise SessionClosed if nobody owned it. A worker's host owns it, unless it was lost
        while the worker was starting.
        """
        if self._mark == self.directory:
            raise self._lost()

    def find(self) -> None:
        """From now on, identify it as the directory that is there now."""
        self._mark = os.path.join(self.directory, "session.lock")
        self._identity = identity_at(self._mark)
        if self._identity is None:  # asked only once: a lock file may vanish between two questions
            self._mark = self.directory
            self._identity = identity_at(self._mark)

    def is_lost(self) -> bool:
        """Whether it has been removed or replaced. If so, nothing may be written there, and
        nothing there is meant for us.
        """
        if self._identity is None:
            return True
        try:
            return not is_unmoved(self._mark, self._identity, is_held=self._mark != self.directory)
        except OSError:  # unknown
            return False

    def _lost(self) -> SessionClosed:
        text = f"the session directory {path_for_display(shown(self.directory))} was removed or replaced"
        return SessionClosed("session_closed", text)
