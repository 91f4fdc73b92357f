"""Starts a program with CreateProcessW: in a job from its first instruction, and with no handles
of the host but the given ones.
"""

import ctypes
import os
import subprocess
from ctypes import wintypes
from typing import Mapping, NamedTuple, Optional, Sequence

_ATTRIBUTE_HANDLES = 0x20002  # PROC_THREAD_ATTRIBUTE_HANDLE_LIST
_ATTRIBUTE_JOBS = 0x2000D  # PROC_THREAD_ATTRIBUTE_JOB_LIST
_USE_STANDARD_HANDLES = 0x100
_UNICODE_ENVIRONMENT = 0x400
_EXTENDED_STARTUP_INFORMATION = 0x80000
_EXTENDED_LIMIT_INFORMATION = 9
_KILL_ON_JOB_CLOSE = 0x2000

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION. Only limit_flags is used."""

    _fields_ = [
        ("times", ctypes.c_int64 * 2),
        ("limit_flags", wintypes.DWORD),
        ("working_set", ctypes.c_size_t * 2),
        ("active_process_limit", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("classes", wintypes.DWORD * 2),
        ("io_counters", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    ]


class _Startup(ctypes.Structure):
    """STARTUPINFOEXW. Only the size, the flags, the standard handles and the attributes are used."""

    _fields_ = [
        ("nbytes", wintypes.DWORD),
        ("names", ctypes.c_void_p * 3),
        ("window", wintypes.DWORD * 7),
        ("flags", wintypes.DWORD),
        ("show", wintypes.WORD),
        ("reserved_nbytes", wintypes.WORD),
        ("reserved", ctypes.c_void_p),
        ("standard", wintypes.HANDLE * 3),
        ("attributes", ctypes.c_void_p),
    ]


class _Started(ctypes.Structure):
    """PROCESS_INFORMATION."""

    _fields_ = [
        ("process", wintypes.HANDLE),
        ("thread", wintypes.HANDLE),
        ("pid", wintypes.DWORD),
        ("thread_id", wintypes.DWORD),
    ]


_kernel32.CreateJobObjectW.restype = wintypes.HANDLE
_kernel32.CreateJobObjectW.argtypes = [ctypes.c_void_p, wintypes.LPCWSTR]
_kernel32.SetInformationJobObject.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel32.InitializeProcThreadAttributeList.argtypes = [
    ctypes.c_void_p,
    wintypes.DWORD,
    wintypes.DWORD,
    ctypes.POINTER(ctypes.c_size_t),
]
_kernel32.UpdateProcThreadAttribute.argtypes = [
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
]
_kernel32.DeleteProcThreadAttributeList.argtypes = [ctypes.c_void_p]
_kernel32.DeleteProcThreadAttributeList.restype = None
_kernel32.CreateProcessW.argtypes = [
    wintypes.LPCWSTR,
    wintypes.LPWSTR,
    ctypes.c_void_p,
    ctypes.c_void_p,
    wintypes.BOOL,
    wintypes.DWORD,
    ctypes.c_void_p,
    wintypes.LPCWSTR,
    ctypes.POINTER(_Startup),
    ctypes.POINTER(_Started),
]


class Spawned(NamedTuple):
    """A process that was started. ``handle`` is the caller's to close."""

    handle: int
    pid: int


def create_job() -> int:
    """A job whose processes end when its last handle closes, and so also
    when the host dies. Raises OSError.
    """
    job: int = _kernel32.CreateJobObjectW(None, None)
    limits = _ExtendedLimits(limit_flags=_KILL_ON_JOB_CLOSE)
    if not job or not _kernel32.SetInformationJobObject(
        job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
    ):
        raise ctypes.WinError(ctypes.get_last_error())
    return job


def spawn(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    directory: Optional[str],
    job: int,
    streams: Sequence[int],
    inherited: Sequence[int] = (),
) -> Spawned:
    """Start a program. ``streams``: the handles that become its stdin, stdout and stderr; ``inherited``:
    others that it gets. Raises OSError, and ValueError for what cannot be passed to a process.
    """
    line = subprocess.list2cmdline(arguments)
    variables = "".join(
        f"{name}={value}\0" for name, value in sorted(environment.items(), key=lambda item: item[0].upper())
    )
    if "\0" in line or variables.count("\0") != len(environment):
        raise ValueError("embedded null character")
    handles = (wintypes.HANDLE * (len(streams) + len(inherited)))(*streams, *inherited)
    jobs = (wintypes.HANDLE * 1)(job)
    attributes = _attributes({_ATTRIBUTE_HANDLES: handles, _ATTRIBUTE_JOBS: jobs})
    startup = _Startup(
        nbytes=ctypes.sizeof(_Startup),
        flags=_USE_STANDARD_HANDLES,
        standard=(wintypes.HANDLE * 3)(*streams),
        attributes=ctypes.addressof(attributes),
    )
    started = _Started()
    flags = (
        subprocess.CREATE_NEW_PROCESS_GROUP
        | subprocess.CREATE_NO_WINDOW
        | _UNICODE_ENVIRONMENT
        | _EXTENDED_STARTUP_INFORMATION
    )
    try:
        # Inheritable no longer than now, because other processes that this one starts
        # may inherit whatever is.
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        if not _kernel32.CreateProcessW(
            None,
            ctypes.create_unicode_buffer(line),
            None,
            None,
            True,
            flags,
            ctypes.create_unicode_buffer(variables + "\0"),
            directory and os.fspath(directory),
            ctypes.byref(startup),
            ctypes.byref(started),
        ):
            raise ctypes.WinError(ctypes.get_last_error())
    finally:
        for handle in handles:
            os.set_handle_inheritable(handle, False)
        _kernel32.DeleteProcThreadAttributeList(attributes)
    _kernel32.CloseHandle(started.thread)
    return Spawned(started.process, started.pid)


def _attributes(values: "Mapping[int, ctypes.Array[wintypes.HANDLE]]") -> "ctypes.Array[ctypes.c_char]":
    """A list of attributes. The values must live as long as it."""
    nbytes = ctypes.c_size_t()
    _kernel32.InitializeProcThreadAttributeList(None, len(values), 0, ctypes.byref(nbytes))
    attributes = ctypes.create_string_buffer(nbytes.value)
    done = _kernel32.InitializeProcThreadAttributeList(attributes, len(values), 0, ctypes.byref(nbytes))
    for key, value in values.items():
        done = done and _kernel32.UpdateProcThreadAttribute(
            attributes, 0, key, value, ctypes.sizeof(value), None, None
        )
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
    return attributes
