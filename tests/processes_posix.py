"""Processes of a test on Linux, from /proc. Elsewhere on POSIX nothing is found."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Dict, List, Set

# How a worker's end by kill(), and by an access to memory that it does not have, shows in its status and in words.
KILLED = -signal.SIGKILL
KILLED_NAME = "SIGKILL"
KILLED_TEXT = "SIGKILL"
ABORTED = -signal.SIGABRT
SEGFAULT = -signal.SIGSEGV
SEGFAULT_NAME = "SIGSEGV"
SEGFAULT_TEXT = "SIGSEGV"
SEGFAULT_STACK = "Fatal Python error: Segmentation fault"


def kill(pid: int) -> None:
    """End a process at once, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def descriptors(pid: str = "self") -> Dict[int, str]:
    """The open descriptors of a process, and what each is of."""
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
    return set(descriptors(str(pid)))


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
