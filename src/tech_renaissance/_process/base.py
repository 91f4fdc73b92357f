"""What a worker's process has on every platform: an end that its watcher makes public, and output."""

import contextlib
from typing import Callable, Optional

from .._system.latch import Latch
from .output import OutputFlow

# How long a thread waits before it retries something that failed.
RETRY_S = 0.05


class BaseProcess:
    """The members that all platforms share. A platform's process sets ``_output``, and sets ``_status`` before ``_ended``."""

    _output: OutputFlow

    def __init__(self, on_end: "Callable[..., None]") -> None:
        self._on_end = on_end
        self._ended = Latch()
        self._status: Optional[int] = None
        # It was killed and did not end in time: it is in uninterruptible sleep.
        self.is_unkillable = False

    @property
    def exit_status(self) -> Optional[int]:
        """The exit code, negative for a signal or, on Windows, an exception; None while it runs, or if it cannot be known."""
        return self._status

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; False if it is still running after the timeout."""
        return self._ended.wait(timeout_s)

    def _tell_end(self, status: Optional[int]) -> None:
        """Make the end public, even if writing its record fails."""
        self._status = status
        with contextlib.suppress(Exception):
            self._on_end(self, status)
        self._ended.set()

    def output_tail(self) -> str:
        """The last 64 KiB of stdout and stderr."""
        return self._output.tail.text()

    def stderr_tail(self) -> str:
        """The last 64 KiB of stderr."""
        return self._output.stderr_tail.text()
