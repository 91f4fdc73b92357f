"""Segments on Windows: unnamed sections of the paging file. See segment.py.

An arena is only reserved: its pages are committed step by step, and stay so until it is gone. Touching a page
that is not committed is an access violation, so a reader asks ``can_hold`` first.
"""

import contextlib
import ctypes
import os
import weakref
from ctypes import wintypes
from typing import Any, Generator

from .pages import PAGE, largest_possible

# Touching what is not committed is never harmless.
UNCHECKED_NBYTES = 0
_GRANULE = 1 << 16  # where views of a section may begin
_READ_WRITE = 0x4  # PAGE_READWRITE
_RESERVE = 0x4000000  # SEC_RESERVE
_MAP_READ_WRITE = 0x6  # FILE_MAP_READ | FILE_MAP_WRITE
_COMMIT, _RESET = 0x1000, 0x80000  # MEM_COMMIT, which is also a page's state, and MEM_RESET
_LOW = 0xFFFFFFFF

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_ntdll = ctypes.WinDLL("ntdll")


class _Region(ctypes.Structure):
    """MEMORY_BASIC_INFORMATION. Only nbytes and state are used."""

    _fields_ = [
        ("begin", ctypes.c_void_p),
        ("allocation", ctypes.c_void_p),
        ("allocation_protection", wintypes.DWORD),
        ("partition", wintypes.DWORD),
        ("nbytes", ctypes.c_size_t),
        ("state", wintypes.DWORD),
        ("protection", wintypes.DWORD),
        ("kind", wintypes.DWORD),
    ]


class _Section(ctypes.Structure):
    """SECTION_BASIC_INFORMATION. Only nbytes is used."""

    _fields_ = [("begin", ctypes.c_void_p), ("attributes", wintypes.ULONG), ("nbytes", ctypes.c_int64)]


class _Byte(ctypes.Union):
    """A byte whose arrays have a buffer of plain bytes, as memoryview wants them; those of
    c_ubyte name a byte order, too.
    """

    _fields_ = [("value", ctypes.c_ubyte)]


_kernel32.CreateFileMappingW.restype = wintypes.HANDLE
_kernel32.CreateFileMappingW.argtypes = [
    wintypes.HANDLE,
    ctypes.c_void_p,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.LPCWSTR,
]
_kernel32.MapViewOfFile.restype = ctypes.c_void_p
_kernel32.MapViewOfFile.argtypes = [
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.DWORD,
    ctypes.c_size_t,
]
_kernel32.UnmapViewOfFile.argtypes = [ctypes.c_void_p]
_kernel32.VirtualAlloc.restype = ctypes.c_void_p
_kernel32.VirtualAlloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t, wintypes.DWORD, wintypes.DWORD]
_kernel32.VirtualQuery.restype = ctypes.c_size_t
_kernel32.VirtualQuery.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Region), ctypes.c_size_t]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
_ntdll.NtQuerySection.restype = ctypes.c_int32
_ntdll.NtQuerySection.argtypes = [
    wintypes.HANDLE,
    ctypes.c_int,
    ctypes.POINTER(_Section),
    ctypes.c_size_t,
    ctypes.c_void_p,
]


class Segment:
    """A segment. It need not be mapped."""

    def __init__(self, handle: int) -> None:
        """Takes over the handle. Raises OSError if it is not a section's."""
        section = _Section()
        if _ntdll.NtQuerySection(handle, 0, ctypes.byref(section), ctypes.sizeof(section), None):
            raise OSError("this handle is not a section's")
        self.nbytes: int = section.nbytes
        self._handle = handle

    @classmethod
    def create(cls, nbytes: int) -> "Segment":
        """A new segment of exactly this size, with memory. Raises OSError."""
        return cls(_make(nbytes, _READ_WRITE))

    @classmethod
    def create_arena(cls, nbytes: int = 1 << 36) -> "Segment":
        """A segment without memory, of ``nbytes`` or as much as the system allows. Raises
        OSError if that is too little.
        """
        return cls(largest_possible(lambda nbytes: _make(nbytes, _READ_WRITE | _RESERVE), nbytes))

    @classmethod
    def inherit(cls, handle: int) -> "Segment":
        """A segment whose handle was inherited. Raises OSError."""
        os.set_handle_inheritable(handle, False)
        return cls(handle)

    def fileno(self) -> int:
        """The handle."""
        return self._handle

    def commit(self, begin: int, end: int) -> None:
        """Allocate memory for a range of whole pages. Raises OSError if there is none."""
        # Wine forgets what is committed at the very end of a view.
        with self._view(begin, min(end + _GRANULE, self.nbytes)) as address:
            if not _kernel32.VirtualAlloc(address, end - begin, _COMMIT, _READ_WRITE):
                raise ctypes.WinError(ctypes.get_last_error())

    def has_all(self, begin: int, end: int) -> bool:
        """Whether every page of a range has memory. Nobody needs to know it, because
        pages cannot be populated.
        """
        del begin, end
        return False

    def can_hold(self, begin: int, end: int) -> bool:
        """Whether the other side can have written all of a range. If not, it must not
        be touched. Raises OSError.
        """
        with self._view(begin, end) as address:
            return _committed_nbytes(address) >= end - begin

    def read(self, begin: int, nbytes: int) -> bytes:
        """Read bytes, which need not be mapped. Raises OSError."""
        with self._view(begin, begin + nbytes) as address:
            if _committed_nbytes(address) < nbytes:
                raise OSError("a segment has no memory where it should have")
            return ctypes.string_at(address, nbytes)

    def store(self, offset: int, word: int) -> None:
        """Store a word, whose place need not be mapped."""
        with self._view(offset, offset + 8) as address:
            if _committed_nbytes(address):  # else the other side has named a block that it does not have
                ctypes.c_uint64.from_address(address).value = word

    def close(self) -> None:
        """Close the handle."""
        if self._handle:
            _kernel32.CloseHandle(self._handle)
            self._handle = 0

    @contextlib.contextmanager
    def _view(self, begin: int, end: int) -> Generator[int, None, None]:
        """A range, mapped for a moment: its address."""
        first = begin // _GRANULE * _GRANULE
        base = map_view(self, first, end)
        try:
            yield base + begin - first
        finally:
            _kernel32.UnmapViewOfFile(base)


class Mapping:
    """A mapped part of a segment. ``bytes`` and ``words`` (64 bits each) are views of it; ``begin`` is its
    offset in the segment, ``address`` its address in this process.
    """

    def __init__(self, segment: Segment, begin: int, end: int) -> None:
        """Raises OSError."""
        self.begin = begin
        self.nbytes = end - begin
        self.address = map_view(segment, begin, end)
        # All that refers to the memory keeps this object alive, and with it the view.
        memory = (_Byte * self.nbytes).from_address(self.address)
        weakref.finalize(memory, _kernel32.UnmapViewOfFile, self.address).atexit = False
        self.bytes = memoryview(memory)
        self.words = self.bytes.cast("Q")
        self.mapping: Any = _sliceable(memory, self.bytes)
        self.populated_to = 0  # how far a reader has populated it
        self._known = range(0)  # pages that are committed, which they remain

    def can_hold(self, start: int, end: int) -> bool:
        """Whether the other side can have written all of a range. If not, it must not be touched."""
        if start in self._known and end <= self._known.stop:
            return True
        first = start // PAGE * PAGE
        after = first + _committed_nbytes(self.address + first)
        known = self._known
        is_other = first > known.stop or after < known.start
        self._known = (
            range(first, after) if is_other else range(min(first, known.start), max(after, known.stop))
        )
        return end <= after

    def populate(self, start: int, end: int) -> None:
        """Does nothing: Windows makes pages present only as they are touched."""

    def give_back(self, start: int, end: int) -> None:
        """Tell the system that the contents of a range of whole pages are not needed.
        The memory stays committed.
        """
        _kernel32.VirtualAlloc(self.address + start, end - start, _RESET, _READ_WRITE)

    def close(self) -> None:
        """Unmap it if no tensor lives in it, else when the last one dies. Safe to call twice."""
        self.words.release()
        self.bytes.release()
        self.__dict__.pop("mapping", None)


def map_view(segment: Segment, begin: int, end: int) -> int:
    """Map a range that begins at a granule; the address. Raises OSError."""
    address = _kernel32.MapViewOfFile(
        segment.fileno(), _MAP_READ_WRITE, begin >> 32, begin & _LOW, end - begin
    )
    if not address:
        raise ctypes.WinError(ctypes.get_last_error())
    return address


def _make(nbytes: int, protection: int) -> int:
    """A new section's handle. Raises OSError."""
    handle: int = _kernel32.CreateFileMappingW(
        wintypes.HANDLE(-1), None, protection, nbytes >> 32, nbytes & _LOW, None
    )
    if not handle:
        raise ctypes.WinError(ctypes.get_last_error())
    return handle


def _committed_nbytes(address: int) -> int:
    """How many bytes are committed from a mapped address on, as far as its view goes."""
    region = _Region()
    if not _kernel32.VirtualQuery(address, ctypes.byref(region), ctypes.sizeof(region)):
        return 0
    return region.nbytes - (address - region.begin) if region.state == _COMMIT else 0


def _sliceable(memory: Any, writable: memoryview) -> Any:
    """The memory as something whose slices are bytes, and can be assigned, like those of a mmap."""

    def assign(self: Any, where: slice, data: bytes) -> None:
        del self
        writable[where] = data

    kind: Any = type("Sliceable", (ctypes.c_char * len(memory),), {"__setitem__": assign})
    return kind.from_buffer(memory)
