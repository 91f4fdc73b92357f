"""A session whose worker was not started by a host of this project: it takes its directory from the usual
place, where its host may never come.

Contract: spec/transport-file.md, A worker without a host of this project.
"""

import contextlib
import os
import time
from typing import Optional

from .._transport.session_directory import SessionDirectory
from .._version import __version__
from .standard_streams import say

# How long a host may take to appear: as long as a host of this project gives a worker to become ready.
PATIENCE_S = 30.0

_OWN_FILES = ("status.txt", "worker.json", "stack.txt", "session.lock")


class UnhostedSession:
    """Owns the directory until ``end``. The host counts as present once the directory contains
    anything that is not the worker's.

    If the host made the directory it knows the place, and the worker waits for as long as it takes. Raises
    LaunchError as SessionDirectory does.
    """

    def __init__(self, path: str) -> None:
        self._directory = SessionDirectory(path, empty=False)
        self._host_is_there = not self._directory.is_new
        self._until: Optional[float] = None

    def announce(self) -> None:
        """Say on stderr where the worker waits and which package it uses, for people who
        expect either to be elsewhere.
        """
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        say(f"tech_renaissance {__version__} ({package}): the worker waits in {self._directory.path}")

    def remaining_s(self) -> Optional[float]:
        """How long the host may still take to appear, counted from the
        first call; None once it is present.
        """
        if self._host_is_there:
            return None
        if self._until is None:
            self._until = time.monotonic() + PATIENCE_S
        return max(0.0, self._until - time.monotonic())

    def host_came(self) -> None:
        """The host has sent something."""
        self._host_is_there = True

    def is_in_vain(self) -> bool:
        """Whether the time is up and the host has not appeared; if so, says so on stderr."""
        self._host_is_there = self._host_is_there or self._has_visitors()
        if self.remaining_s() != 0.0:
            return False
        say(
            f"tech_renaissance: nobody came to {self._directory.path} within {PATIENCE_S:g} s, so the worker leaves; "
            "TR_WORKSPACE names the workspace of a host that looks elsewhere"
        )
        return True

    def end(self) -> None:
        """Leave the directory to the host; remove it if there is no host."""
        if self._host_is_there or self._has_visitors():
            self._directory.release()
            return
        with contextlib.suppress(OSError):  # already removed, or a host has just come
            self._directory.remove()

    def _has_visitors(self) -> bool:
        try:
            names = os.listdir(self._directory.path)
        except OSError:
            return False
        return any(name not in _OWN_FILES for name in names)
