"""Gates on POSIX: a named pipe for each direction."""

import os
import select
from pathlib import Path

_PATIENCE_S = 60.0


class Gate:
    """The test's side of a gate. Workers pass it with ``gate.pass_gate(path)``, see tests/workers/gate.py."""

    def __init__(self, path: Path) -> None:
        """Make the gate, closed; ``path`` names it to the worker."""
        self.path = str(path)
        self._arrived = _make_pipe(f"{path}.arrived")
        self._opened = _make_pipe(f"{path}.opened")

    def wait_for_arrival(self) -> None:
        """Wait until a worker stands before the gate."""
        assert self.has_arrival(_PATIENCE_S), "nobody came to the gate"

    def has_arrival(self, patience_s: float = 0) -> bool:
        """Whether a worker stands before the gate, or comes soon; it is told of once."""
        ready, _, _ = select.select([self._arrived], [], [], patience_s)
        return bool(ready and os.read(self._arrived, 1))

    def open(self, count: int = 1) -> None:
        """Let so many pass, now or later."""
        os.write(self._opened, b"!" * count)

    def close(self) -> None:
        """Take the gate away; who stands before it may pass."""
        self.open(100)
        os.close(self._arrived)
        os.close(self._opened)


def _make_pipe(path: str) -> int:
    os.mkfifo(path)
    # Open for both directions: neither side's opening waits for the other.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)
