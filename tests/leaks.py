"""What a test left behind: processes, files, descriptors, threads. Linux knows all of it; elsewhere, files and threads."""

import gc
import os
import threading
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional, Set

# The kernel takes a moment to end a killed process. No test waits this long unless it is going to fail.
_PATIENCE_S = 10.0

# Of libraries that keep for good what they once opened.
_NOT_OURS = ("/dev/urandom", "/.hypothesis/", "anon_inode:[eventpoll]")


class Footprint:
    """What this process holds now, to be compared with later."""

    def __init__(self) -> None:
        self.descriptors = _descriptors()
        self.threads = set(threading.enumerate())
        self.children = set(children(os.getpid()))

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
        leaks += [f"process {describe(pid)}" for pid in set(children(os.getpid())) - self.children]
        new = {number: target for number, target in _descriptors().items() if number not in self.descriptors}
        leaks += [
            f"descriptor {number}: {target}" for number, target in new.items() if not _is_not_ours(target)
        ]
        if workspace is not None:
            leaks += [f"process {describe(pid)}" for pid in processes_of(workspace)]
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


def _descriptors(pid: str = "self") -> Dict[int, str]:
    found: Dict[int, str] = {}
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        try:
            found[int(name)] = os.readlink(f"{folder}/{name}")
        except OSError:  # that of the listing itself
            continue
    return found


def descriptors_of(pid: int) -> Set[int]:
    """The open descriptors of a process."""
    return set(_descriptors(str(pid)))


def children(pid: int) -> List[int]:
    """The processes that a process has started, zombies too."""
    return [child for child, parent in _parents().items() if parent == pid]


def descendants(pid: int) -> List[int]:
    """Children, their children, and so on."""
    parents = _parents()
    found = [pid]
    for above in found:
        found += [child for child, parent in parents.items() if parent == above]
    return found[1:]


def _parents() -> Dict[int, int]:
    """Of every process. Not from /proc/PID/task/*/children, where a child is missed whose thread ends: it moves to another thread."""
    found: Dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def processes_of(workspace: Path) -> List[int]:
    """All processes whose environment names the workspace: workers, and what they started, whoever is their parent now."""
    wanted = f"TR_WORKSPACE={workspace}".encode()
    found: List[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def describe(pid: int) -> str:
    """A process as a person reads it."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        command = "(gone)"
    return f"{pid}: {command}"
