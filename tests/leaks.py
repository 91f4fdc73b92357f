"""What a test left behind: processes, files, descriptors, threads. Linux knows all of it, Windows all but descriptors."""

import gc
import os
import threading
import time
from pathlib import Path
from typing import Callable, List, Optional

from processes import children, describe, descriptors, processes, processes_of

# The kernel takes a moment to end a killed process. No test waits this long unless it is going to fail.
_PATIENCE_S = 10.0

# Of libraries that keep for good what they once opened.
_NOT_OURS = ("/dev/urandom", "/.hypothesis/", "anon_inode:[eventpoll]")


class Footprint:
    """What this process holds now, to be compared with later."""

    def __init__(self) -> None:
        self.descriptors = descriptors()
        self.threads = set(threading.enumerate())
        self.processes = processes()

    def left_behind(self, workspace: Optional[Path]) -> List[str]:
        """What is there now that was not, once all that was about to go is gone; in words."""
        leaks: List[str] = []

        def is_clean() -> bool:
            leaks[:] = self._leaks(workspace)
            if leaks:
                gc.collect()
            return not leaks

        wait_until(is_clean, _PATIENCE_S)
        return leaks

    def _leaks(self, workspace: Optional[Path]) -> List[str]:
        leaks = [f"thread {thread.name}" for thread in set(threading.enumerate()) - self.threads]
        begun = processes() - self.processes
        leaks += [f"process {describe(pid)}" for pid in children(os.getpid(), begun)]
        new = {number: target for number, target in descriptors().items() if number not in self.descriptors}
        leaks += [
            f"descriptor {number}: {target}" for number, target in new.items() if not _is_not_ours(target)
        ]
        if workspace is not None:
            leaks += [f"process {describe(pid)}" for pid in processes_of(workspace, begun)]
            leaks += [f"file {path}" for path in workspace.glob("python_session/**/*")]
        return leaks


def wait_until(condition: Callable[[], bool], patience_s: float = 60.0) -> bool:
    """Look again and again until the condition holds; for what nothing announces. False if it does not in the end."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _is_not_ours(target: str) -> bool:
    return any(part in target for part in _NOT_OURS)
