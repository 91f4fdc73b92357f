"""What Linux knows about a worker's memory: its peak, and whether the kernel killed the
worker because memory ran out.

Everything here is best effort: what the system does not report is None or an empty dict.
"""

import contextlib
import platform
import resource
from typing import Dict, Optional

# The system call behind waitid(2). It has a fifth argument that the C library leaves out: the resources used.
_WAITID = {"x86_64": 247, "aarch64": 95, "riscv64": 95}
_P_PID, _WEXITED, _WNOWAIT = 1, 4, 0x01000000
# struct rusage as an array of longs; the one at index 4 is ru_maxrss, in KiB.
_RUSAGE_LONGS, _MAXRSS = 18, 4


def own_peak_nbytes() -> int:
    """This process's own peak of resident memory, which a new process inherits."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_nbytes(pid: int) -> Optional[int]:
    """The peak resident memory of a child that has ended but has not been reaped."""
    number = _WAITID.get(platform.machine())
    if number is None:
        return None
    import ctypes  # imported only when a worker ends, to keep starting fast

    usage = (ctypes.c_long * _RUSAGE_LONGS)()
    information = ctypes.create_string_buffer(128)
    syscall = ctypes.CDLL(None).syscall
    result = syscall(
        ctypes.c_long(number),
        ctypes.c_long(_P_PID),
        ctypes.c_long(pid),
        ctypes.byref(information),
        ctypes.c_long(_WEXITED | _WNOWAIT),
        ctypes.byref(usage),
    )
    return usage[_MAXRSS] * 1024 if result == 0 else None


def out_of_memory_kills(pid: int) -> Dict[str, int]:
    """How many processes the kernel has killed because memory ran out: in all, and in the
    control group of a living process.
    """
    found: Dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError):
        with open(f"/proc/{pid}/cgroup", encoding="ascii", errors="replace") as file:
            (group,) = (line.strip()[3:] for line in file if line.startswith("0::"))
        path = f"/sys/fs/cgroup{group}/memory.events"
        found[path] = _count(path)
    with contextlib.suppress(OSError, ValueError):
        found["/proc/vmstat"] = _count("/proc/vmstat")
    return found


def have_grown(before: Dict[str, int]) -> bool:
    """Whether one of these counts is larger now."""
    for path, count in before.items():
        with contextlib.suppress(OSError, ValueError):
            if _count(path) > count:
                return True
    return False


def process_state(pid: int) -> str:
    """The letter for the process's state, as in proc(5): T for stopped, D for uninterruptible sleep."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _count(path: str) -> int:
    with open(path, encoding="ascii", errors="replace") as file:
        (value,) = (line.split()[1] for line in file if line.startswith("oom_kill "))
    return int(value)
