"""Shared memory on Windows, through copies of a process's handles; see segments.py."""

import _winapi
import contextlib
import ctypes
import json
import os
from ctypes import wintypes
from pathlib import Path
from typing import Any, Dict, Iterator, List, Union

from tech_renaissance._transport.shm.segment_windows import Segment, _Region
from tech_renaissance._transport.shm.window import window_begin, window_number

_DUPLICATE_HANDLE = 0x40  # PROCESS_DUP_HANDLE
_QUERY = 0x400  # PROCESS_QUERY_INFORMATION
_MAPPED = 0x40000  # MEM_MAPPED
_READ_WRITE = 0x4
_COMMIT = 0x1000
_MOST_HANDLES = 4000
_SMALLEST_ARENA = 64 << 20
_FIRST_ADDRESS, _LAST_ADDRESS = 1 << 16, (1 << 47) - (1 << 16)

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.VirtualQueryEx.restype = ctypes.c_size_t
_kernel32.VirtualQueryEx.argtypes = [
    wintypes.HANDLE,
    ctypes.c_void_p,
    ctypes.POINTER(_Region),
    ctypes.c_size_t,
]


class Monitor:
    """Looks at the segments of a session's worker, which has to be ready."""

    def __init__(self, session: Any) -> None:
        self.info: Dict[str, Any] = json.loads(Path(session.session_dir, "worker.json").read_text())

    def word(self, index: int) -> int:
        """A word of the control segment."""
        with self._segment(self.info["control"]) as segment:
            return int.from_bytes(segment.read(8 * index, 8), "little")

    def arenas_nbytes(self) -> List[int]:
        """The memory that the host's arena and the worker's have taken."""
        found: List[int] = []
        for number in range(4, _MOST_HANDLES, 4):
            with contextlib.suppress(OSError), self._segment(number) as segment:  # most are no sections
                if segment.nbytes >= _SMALLEST_ARENA:
                    found.append(sum(_committed(segment)))
        return found  # the host has made its own first

    @contextlib.contextmanager
    def _segment(self, number: int) -> Iterator[Segment]:
        process = _winapi.OpenProcess(_DUPLICATE_HANDLE, False, self.info["pid"])
        try:
            handle = _winapi.DuplicateHandle(
                process, number, _winapi.GetCurrentProcess(), 0, False, _winapi.DUPLICATE_SAME_ACCESS
            )
        finally:
            _winapi.CloseHandle(process)
        try:
            yield Segment(handle)
        finally:
            _winapi.CloseHandle(handle)


def _committed(segment: Segment) -> Iterator[int]:
    """The sizes of all ranges that are committed."""
    for number in range(window_number(segment.nbytes - 1) + 1):
        begin, end = window_begin(number), min(window_begin(number + 1), segment.nbytes)
        with segment._view(begin, end) as address:
            for region in _regions(address, address + end - begin, _winapi.GetCurrentProcess()):
                if region.state == _COMMIT:
                    yield region.nbytes


def mappings(pid: Union[int, str] = "self") -> List[str]:
    """The segments that a process has mapped, this one if no other."""
    process = _winapi.OpenProcess(_QUERY, False, os.getpid() if pid == "self" else int(pid))
    try:
        found = {
            region.allocation
            for region in _regions(_FIRST_ADDRESS, _LAST_ADDRESS, process)
            if region.kind == _MAPPED and region.allocation_protection == _READ_WRITE
        }
    finally:
        _winapi.CloseHandle(process)
    return sorted(map(str, found))


def descriptors(pid: int) -> List[str]:
    """None: handles have no names to tell them by."""
    del pid
    return []


def _regions(address: int, end: int, process: int) -> Iterator[_Region]:
    while address < end:
        region = _Region()
        if not _kernel32.VirtualQueryEx(process, address, ctypes.byref(region), ctypes.sizeof(region)):
            break
        yield region
        address = region.begin + region.nbytes if region.begin else region.nbytes


def duplicate(number: int) -> int:
    """A second handle, for another end in this process."""
    ours = _winapi.GetCurrentProcess()
    return _winapi.DuplicateHandle(ours, number, ours, 0, False, _winapi.DUPLICATE_SAME_ACCESS)
