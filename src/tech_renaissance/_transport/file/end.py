"""What both ends of the file transport share."""

import os
import time
from typing import List, Optional

from ..._protocol.frame import Frame
from ..session_place import SessionPlace
from .watch import Backoff, watch_directory

# The file with the ids of the requests that the host has given up, or with this word in front, asked to stop.
CANCEL = "cancel.txt"
STOP = "stop "
PROGRESS, ASK, ANSWER = "progress.json", "ask.json", "answer.json"


# How long to wait before retrying what failed because something ran out, such as descriptors.
LACK_S = 0.05


class FileEnd:
    """The directory, and waiting for it to change."""

    lack = ""
    can_stream = False

    def __init__(self, place: SessionPlace, poll_ms: Optional[str]) -> None:
        self._place = place
        self.directory = directory = place.directory
        self._backoff = Backoff.parse(poll_ms) if poll_ms else Backoff()
        self._watch = watch_directory(directory, notify=not poll_ms)
        self._exit_handle: Optional[int] = None
        self._closed = False

    def receive(self, timeout_s: float) -> Optional[Frame]:
        """See Transport."""
        deadline = time.monotonic() + timeout_s
        while True:
            frame = self._look()
            if self.lack:  # no event will tell us when that is over
                deadline = min(deadline, time.monotonic() + LACK_S)
            if frame is not None:
                self._backoff.reset()
                return frame
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            if self._watch.wait(min(self._backoff.next_s(), remaining), self._exit_handle):
                self._backoff.reset()
                return self._look()

    def wake(self) -> None:
        """See Transport."""
        self._watch.wake()

    def close(self) -> None:
        """See Transport."""
        if not self._closed:
            self._closed = True
            self._watch.close()

    def _look(self) -> Optional[Frame]:
        raise NotImplementedError

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _tensor_path(self, tag: str) -> str:
        return self._path(f"{tag}.tsr")


def mark_of(path: str) -> Optional[List[int]]:
    """A value that changes when someone writes the file; None if there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return [status.st_ino, status.st_mtime_ns, status.st_size]


def now_ms() -> int:
    """Milliseconds since 1970, for the timestamps of messages."""
    return time.time_ns() // 1_000_000
