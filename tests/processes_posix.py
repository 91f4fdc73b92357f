"""Processes of a test on Linux, from /proc. Elsewhere on POSIX nothing is found."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Dict, List, Optional, Set

# How a worker's end by kill(), and by an access to memory that it does not have, shows in its status and in words.
KILLED = -signal.SIGKILL
KILLED_NAME = "SIGKILL"
KILLED_TEXT = "SIGKILL"
ABORTED = -signal.SIGABRT
ABORTED_NAME = "SIGABRT"
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


def processes() -> Set[int]:
    """All that there are."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit()} if os.path.isdir("/proc") else set()


def children(pid: int, among: Optional[Set[int]] = None) -> List[int]:
    """The processes that a process has started, zombies too."""
    return [child for child in (processes() if among is None else among) if _parent(child) == pid]


def descendants(pid: int) -> List[int]:
    """Children, their children, and so on."""
    parents = {child: _parent(child) for child in processes()}
    found = [pid]
    for above in found:
        found += [child for child, parent in parents.items() if parent == above]
    return found[1:]


def _parent(pid: int) -> Optional[int]:
    """None if the process is gone. Not from /proc/PID/task/*/children, where a child is missed whose thread ends: it moves to another one."""
    stat = _read(pid, "stat")
    return int(stat.rpartition(b")")[2].split()[1]) if stat else None


def _read(pid: int, name: str) -> bytes:
    """A file of /proc/PID; empty if the process is gone."""
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def processes_of(workspace: Path, among: Optional[Set[int]] = None) -> List[int]:
    """All processes whose environment names the workspace: workers, and what they started, whoever is their parent now."""
    wanted = f"TR_WORKSPACE={workspace}".encode()
    others = (processes() if among is None else among) - {os.getpid()}
    return [pid for pid in others if wanted in _read(pid, "environ").split(b"\0")]


def peak_nbytes(pid: int) -> int:
    """The most memory that a process has had. 0 where that is not known."""
    return _status_nbytes(pid, b"VmHWM")


def memory_nbytes(pid: int) -> int:
    """The memory that a process has now. 0 where that is not known."""
    return _status_nbytes(pid, b"VmRSS")


def _status_nbytes(pid: int, name: bytes) -> int:
    lines = [line for line in _read(pid, "status").splitlines() if line.startswith(name)]
    return int(lines[0].split()[1]) * 1024 if lines else 0


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
