"""What happens to the worker's output, and its last part, kept for the post-mortem."""

import threading
from typing import Callable, Union

# "inherit", "discard", the path of a file to append to, or a function that gets bytes as they come (in a thread of ours).
Output = Union[str, Callable[[bytes], None]]

TAIL_NBYTES = 64 * 1024


class Tail:
    """The last TAIL_NBYTES of a stream. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Append; forgets what is too old."""
        with self._lock:
            self._data += data
            del self._data[:-TAIL_NBYTES]

    def text(self) -> str:
        """What is kept, as text."""
        with self._lock:
            return self._data.decode("utf-8", "replace")
