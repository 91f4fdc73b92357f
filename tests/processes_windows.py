"""Processes of a test on Windows: a snapshot of all of them, and the environment that each was started with."""

import contextlib
import ctypes
import os
from ctypes import wintypes
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple

# How a worker's end by kill(), and by an access to memory that it does not have, shows in its status and in words.
KILLED = 9
KILLED_NAME = ""
KILLED_TEXT = "exit status 9"
ABORTED = 3
ABORTED_NAME = ""
SEGFAULT = -1073741819
SEGFAULT_NAME = "access violation"
SEGFAULT_TEXT = "access violation"
SEGFAULT_STACK = "Windows fatal exception: access violation"

_SNAPSHOT_OF_PROCESSES = 0x2
_TERMINATE, _READ_MEMORY, _QUERY, _SYNCHRONIZE = 0x1, 0x10, 0x400, 0x100000
_TIMEOUT = 0x102
_PATIENCE_MS = 10_000
_INVALID_HANDLE = ctypes.c_void_p(-1).value
_PAGE = 4096

# In the process environment block of a 64-bit process, and in the parameters that it points to.
_PARAMETERS_AT = 0x20
_ENVIRONMENT_AT = 0x80

# What wine runs for itself, as children of whoever comes first.
_WINES_OWN = {
    "conhost.exe",
    "explorer.exe",
    "plugplay.exe",
    "rpcss.exe",
    "services.exe",
    "svchost.exe",
    "winedevice.exe",
}

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_ntdll = ctypes.WinDLL("ntdll")


class _Entry(ctypes.Structure):
    """PROCESSENTRY32W."""

    _fields_ = [
        ("nbytes", wintypes.DWORD),
        ("usage", wintypes.DWORD),
        ("pid", wintypes.DWORD),
        ("heap", ctypes.c_size_t),
        ("module", wintypes.DWORD),
        ("threads", wintypes.DWORD),
        ("parent", wintypes.DWORD),
        ("priority", wintypes.LONG),
        ("flags", wintypes.DWORD),
        ("name", wintypes.WCHAR * 260),
    ]


class _Basic(ctypes.Structure):
    """PROCESS_BASIC_INFORMATION. Only block is used."""

    _fields_ = [("status", ctypes.c_size_t), ("block", ctypes.c_size_t), ("others", ctypes.c_size_t * 4)]


class _Memory(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS. Only peak and now are used."""

    _fields_ = [
        ("nbytes", wintypes.DWORD),
        ("faults", wintypes.DWORD),
        ("peak", ctypes.c_size_t),
        ("now", ctypes.c_size_t),
        ("others", ctypes.c_size_t * 6),
    ]


_kernel32.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
_kernel32.CreateToolhelp32Snapshot.argtypes = [wintypes.DWORD, wintypes.DWORD]
_kernel32.Process32FirstW.argtypes = [wintypes.HANDLE, ctypes.POINTER(_Entry)]
_kernel32.Process32NextW.argtypes = [wintypes.HANDLE, ctypes.POINTER(_Entry)]
_kernel32.OpenProcess.restype = wintypes.HANDLE
_kernel32.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel32.TerminateProcess.argtypes = [wintypes.HANDLE, wintypes.UINT]
_kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
_kernel32.K32GetProcessMemoryInfo.argtypes = [wintypes.HANDLE, ctypes.POINTER(_Memory), wintypes.DWORD]
_kernel32.ReadProcessMemory.argtypes = [
    wintypes.HANDLE,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
]
_ntdll.NtQueryInformationProcess.argtypes = [
    wintypes.HANDLE,
    ctypes.c_int,
    ctypes.c_void_p,
    wintypes.ULONG,
    ctypes.c_void_p,
]


def kill(pid: int) -> None:
    """End a process at once, if it is still there. It is gone on return, as it would be after SIGKILL before it runs again."""
    with _opened(pid, _TERMINATE | _SYNCHRONIZE) as process:
        _kernel32.TerminateProcess(process, KILLED)
        _kernel32.WaitForSingleObject(process, _PATIENCE_MS)


def is_alive(pid: int) -> bool:
    """Whether the process runs."""
    with _opened(pid, _SYNCHRONIZE) as process:
        return bool(process) and _kernel32.WaitForSingleObject(process, 0) == _TIMEOUT


def peak_nbytes(pid: int) -> int:
    """The most memory that a process has had."""
    return _memory(pid).peak


def memory_nbytes(pid: int) -> int:
    """The memory that a process has now."""
    return _memory(pid).now


def _memory(pid: int) -> _Memory:
    memory = _Memory(nbytes=ctypes.sizeof(_Memory))
    with _opened(pid, _READ_MEMORY | _QUERY) as process:
        if not _kernel32.K32GetProcessMemoryInfo(process, ctypes.byref(memory), memory.nbytes):
            raise ctypes.WinError(ctypes.get_last_error())
    return memory


def processes() -> Set[int]:
    """All that there are."""
    return set(_snapshot())


def children(pid: int, among: Optional[Set[int]] = None) -> List[int]:
    """The processes that a process has started and that still run."""
    found = [child for child, (parent, _) in _snapshot().items() if parent == pid]
    return [child for child in found if among is None or child in among]


def descendants(pid: int) -> List[int]:
    """Children, their children, and so on."""
    processes = _snapshot()
    found = [pid]
    for above in found:
        found += [child for child, (parent, _) in processes.items() if parent == above]
    return found[1:]


def processes_of(workspace: Path, among: Optional[Set[int]] = None) -> List[int]:
    """All processes whose environment names the workspace: workers, and what they started, whoever is their parent now."""
    wanted = f"TR_WORKSPACE={workspace}\0".encode("utf-16-le")
    others = (processes() if among is None else among) - {os.getpid()}
    return [pid for pid in others if wanted in _environment(pid)]


def describe(pid: int) -> str:
    """A process as a person reads it."""
    return f"{pid}: {_snapshot().get(pid, (0, '(gone)'))[1]}"


def descriptors() -> Dict[int, str]:
    """None: handles have no names to tell them by."""
    return {}


def descriptors_of(pid: int) -> Set[int]:
    """See ``descriptors``."""
    del pid
    return set()


def _snapshot() -> Dict[int, Tuple[int, str]]:
    """Of every process that runs, its parent and its name."""
    found: Dict[int, Tuple[int, str]] = {}
    snapshot = _kernel32.CreateToolhelp32Snapshot(_SNAPSHOT_OF_PROCESSES, 0)
    entry = _Entry(nbytes=ctypes.sizeof(_Entry))
    more = snapshot != _INVALID_HANDLE and _kernel32.Process32FirstW(snapshot, ctypes.byref(entry))
    while more:
        if entry.name.lower() not in _WINES_OWN:
            found[entry.pid] = (entry.parent, entry.name)
        more = _kernel32.Process32NextW(snapshot, ctypes.byref(entry))
    _kernel32.CloseHandle(snapshot)
    return found


@contextlib.contextmanager
def _opened(pid: int, access: int) -> Iterator[int]:
    handle = _kernel32.OpenProcess(access, False, pid) or 0
    try:
        yield handle
    finally:
        if handle:
            _kernel32.CloseHandle(handle)


def _environment(pid: int) -> bytes:
    """The environment block of a process; empty if it has ended or is not ours to read."""
    with _opened(pid, _READ_MEMORY | _QUERY) as process:
        basic = _Basic()
        if not process or _ntdll.NtQueryInformationProcess(
            process, 0, ctypes.byref(basic), ctypes.sizeof(basic), None
        ):
            return b""
        parameters = int.from_bytes(_read(process, basic.block + _PARAMETERS_AT, 8), "little")
        address = int.from_bytes(_read(process, parameters + _ENVIRONMENT_AT, 8), "little")
        block = b""
        while address and not block.endswith(b"\0\0\0\0"):
            piece = _read(process, address, _PAGE - address % _PAGE)
            if not piece:
                break
            block += piece
            address += len(piece)
        return block


def _read(process: int, address: int, nbytes: int) -> bytes:
    buffer = ctypes.create_string_buffer(nbytes)
    done = address and _kernel32.ReadProcessMemory(process, address, buffer, nbytes, None)
    return buffer.raw if done else b""
