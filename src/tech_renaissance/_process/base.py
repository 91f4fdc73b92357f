"""What a worker's process has on every platform: an end that its watcher makes public, and output."""

import contextlib
import os
import threading
from typing import Callable, Optional

from .._base.display import path_for_display
from .._base.errors import LaunchError
from .._system.latch import Latch
from .output import OutputFlow

# How long a thread waits before it retries something that failed.
RETRY_S = 0.05
# How long to wait for a killed process, which only takes longer in uninterruptible sleep, and for a
# callback that does not return.
ABANDON_S = 5.0


def not_started(executable: str, directory: Optional[str], error: Exception) -> LaunchError:
    """What to raise when the system refused to start a process."""
    if directory and not os.path.isdir(directory):
        return LaunchError("launch_failed", f"there is no working directory {path_for_display(directory)}")
    where = f" in {path_for_display(directory)}" if directory else ""
    reason = error.strerror if isinstance(error, OSError) else error
    return LaunchError("launch_failed", f"cannot start {path_for_display(executable)}{where}: {reason}")


class BaseProcess:
    """The members that all platforms share. A platform's process sets ``_output``, the two threads that serve
    it, and ``_status`` before ``_ended``.
    """

    _output: OutputFlow
    _watcher: threading.Thread
    _pump: threading.Thread

    def __init__(self, on_end: "Callable[..., None]") -> None:
        self._on_end = on_end
        self._ended = Latch()
        self._status: Optional[int] = None
        self._killed = Latch()
        self._closed = False
        self._is_released = False
        # It was killed and did not end in time: it is in uninterruptible sleep.
        self.is_unkillable = False
        # What the process had of this one's peak of resident memory. Read once it runs: the system only
        # counts exactly when it starts one.
        self.inherited_peak_nbytes = 0

    @property
    def exit_status(self) -> Optional[int]:
        """The exit code, negative for a signal or, on Windows, an exception; None while it
        runs, or if it cannot be known.
        """
        return self._status

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; False if it is still running after the timeout."""
        return self._ended.wait(timeout_s)

    def kill(self) -> None:
        """End the worker and all its children."""
        raise NotImplementedError

    def close(self) -> None:
        """End what is still running, and release threads and descriptors. Bounded: a process that does not
        end although it was killed is abandoned and keeps them until it does end; a callback that does not
        return keeps its thread. Safe to call twice.
        """
        if self._is_released:
            return
        self._closed = True
        self.kill()
        if self._watcher.ident is None:  # its thread could not be started
            self._watch()
        patience_s = 0.0 if self.is_unkillable else ABANDON_S
        for thread in (self._watcher, self._pump):
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(patience_s)
                if thread.is_alive():
                    self.is_unkillable = True
                    return
        self._release()

    def hand_over_output(self) -> OutputFlow:
        """For the start of the next process, which sees to the lines that a callback has not got yet:
        only one process at a time calls it. ``close`` does not wait for it then.
        """
        self._output.leave()
        return self._output

    def finish_output(self) -> None:
        """See OutputFlow.finish."""
        self._output.finish()

    def _watch(self) -> None:
        """What the watcher does."""
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError

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
