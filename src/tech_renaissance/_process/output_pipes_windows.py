"""The reading ends of a worker's stdout and stderr on Windows: named pipes, because others
cannot be read without waiting.
"""

import contextlib
import ctypes
import itertools
import os
import threading
from ctypes import wintypes
from typing import List, Optional, Tuple

from .._system.create_file_windows import INVALID_HANDLE, OPEN_EXISTING, close_handle, create_file

_INBOUND, _OVERLAPPED, _FIRST = 0x1, 0x40000000, 0x80000  # of the pipe's mode
_REJECT_REMOTE = 0x8
_GENERIC_WRITE = 0x40000000
_IO_PENDING, _OPERATION_ABORTED = 997, 995
_FOREVER = 0xFFFFFFFF
_BUFFER_NBYTES = 64 * 1024
# How much is taken at once; what a fast writer adds in the meantime is left for the next time.
_TAKE_NBYTES = 1 << 20


class _Overlapped(ctypes.Structure):
    """OVERLAPPED."""

    _fields_ = [
        ("status", ctypes.c_size_t),
        ("nbytes", ctypes.c_size_t),
        ("offset", ctypes.c_uint64),
        ("event", wintypes.HANDLE),
    ]


_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateNamedPipeW.restype = wintypes.HANDLE
_kernel32.CreateNamedPipeW.argtypes = [wintypes.LPCWSTR, *[wintypes.DWORD] * 6, ctypes.c_void_p]
_kernel32.CreateEventW.restype = wintypes.HANDLE
_kernel32.CreateEventW.argtypes = [ctypes.c_void_p, wintypes.BOOL, wintypes.BOOL, wintypes.LPCWSTR]
_kernel32.CancelIoEx.argtypes = [wintypes.HANDLE, ctypes.POINTER(_Overlapped)]
_kernel32.ReadFile.argtypes = [
    wintypes.HANDLE,
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.c_void_p,
    ctypes.POINTER(_Overlapped),
]
_kernel32.GetOverlappedResult.argtypes = [
    wintypes.HANDLE,
    ctypes.POINTER(_Overlapped),
    ctypes.POINTER(wintypes.DWORD),
    wintypes.BOOL,
]
_kernel32.WaitForMultipleObjects.argtypes = [
    wintypes.DWORD,
    ctypes.POINTER(wintypes.HANDLE),
    wintypes.BOOL,
    wintypes.DWORD,
]

_made = itertools.count()


def _checked(handle: Optional[int]) -> int:
    if not handle or handle == INVALID_HANDLE:
        raise ctypes.WinError(ctypes.get_last_error())
    return handle


class _Pipe:
    """One stream. A read is always under way, because only its completion shows that
    there is something to read.

    An exception between any two steps, such as KeyboardInterrupt, may cost a piece of
    output, but none is read twice.
    """

    def __init__(self, held: contextlib.ExitStack) -> None:
        name = rf"\\.\pipe\tech_renaissance-python-{os.getpid()}-{next(_made)}"
        self.readable = self._hold(held, _kernel32.CreateEventW(None, True, False, None))
        self._reading = self._hold(
            held,
            _kernel32.CreateNamedPipeW(
                name, _INBOUND | _OVERLAPPED | _FIRST, _REJECT_REMOTE, 1, 0, _BUFFER_NBYTES, 0, None
            ),
        )
        self.writing = _checked(create_file(name, _GENERIC_WRITE, 0, None, OPEN_EXISTING, 0, None))
        held.callback(self.close_writing_end)
        self.has_ended = False
        self._buffer = ctypes.create_string_buffer(_BUFFER_NBYTES)
        self._read = _Overlapped(event=self.readable)
        self._is_under_way = False
        self._begin()
        held.callback(self._end)

    @staticmethod
    def _hold(held: contextlib.ExitStack, handle: Optional[int]) -> int:
        handle = _checked(handle)
        held.callback(close_handle, handle)
        return handle

    def close_writing_end(self) -> None:
        """Close it, if it is still open."""
        if self.writing:
            close_handle(self.writing)
        self.writing = 0

    def read(self) -> List[bytes]:
        """What was written so far. A read that is under way is called off and begun again, because its
        completion may be announced late. A thread's reads are called off by the system when it ends,
        such as the one that made this.
        """
        pieces: List[bytes] = []
        taken = 0
        while not self.has_ended and taken < _TAKE_NBYTES:
            was_called_off = False
            if self._is_under_way:
                nbytes, was_called_off = self._call_off()
                if nbytes:
                    pieces.append(ctypes.string_at(self._buffer, nbytes))
                    taken += nbytes
            is_pending = not self.has_ended and self._begin()
            if was_called_off and is_pending:
                break
        return pieces

    def _end(self) -> None:
        """The read has to be over before its buffer and its handles go."""
        if self._is_under_way:
            self._call_off()
        self.has_ended = True

    def _call_off(self) -> Tuple[int, bool]:
        """End the read that is under way. Returns how much it has read, and whether it was in vain."""
        nbytes = wintypes.DWORD()
        _kernel32.CancelIoEx(self._reading, ctypes.byref(self._read))
        done = _kernel32.GetOverlappedResult(
            self._reading, ctypes.byref(self._read), ctypes.byref(nbytes), True
        )
        was_called_off = not done and ctypes.get_last_error() == _OPERATION_ABORTED
        self._is_under_way = False
        self.has_ended = not done and not was_called_off
        return nbytes.value if done else 0, was_called_off

    def _begin(self) -> bool:
        """Begin a read; whether it has to wait."""
        self._read.status = self._read.nbytes = 0
        self._is_under_way = True
        done = _kernel32.ReadFile(self._reading, self._buffer, _BUFFER_NBYTES, None, ctypes.byref(self._read))
        is_pending = not done and ctypes.get_last_error() == _IO_PENDING
        self._is_under_way = bool(done or is_pending)
        self.has_ended = self.has_ended or not self._is_under_way
        return is_pending


class OutputPipes:
    """Both streams. Any thread may read; one at a time may wait. Raises OSError."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant because a signal handler may use the session
        self._is_reading = False
        with contextlib.ExitStack() as held:
            self._pipes = [_Pipe(held) for _ in range(2)]
            self._held = held.pop_all()

    @property
    def writing_ends(self) -> List[int]:
        """The handles for the worker to inherit, until ``close_writing_ends``."""
        return [pipe.writing for pipe in self._pipes]

    def close_writing_ends(self) -> None:
        """Otherwise the host itself would keep the pipes open."""
        for pipe in self._pipes:
            pipe.close_writing_end()

    def wait_readable(self, stop: int) -> None:
        """Wait until there is something to read, a stream has ended, or this event is set."""
        handles = [stop, *(pipe.readable for pipe in self._pipes if not pipe.has_ended)]
        array = (wintypes.HANDLE * len(handles))(*handles)
        _kernel32.WaitForMultipleObjects(len(handles), array, False, _FOREVER)

    def read(self) -> List[Tuple[int, bytes]]:
        """What the streams hold now, in pieces with their streams. Never waits for the worker."""
        with self._lock:
            if self._is_reading:  # by the code that a signal handler has interrupted
                return []
            self._is_reading = True
            try:
                return [(stream, data) for stream, pipe in enumerate(self._pipes) for data in pipe.read()]
            finally:
                self._is_reading = False

    def close(self) -> None:
        """Release the pipes."""
        with self._lock:
            self._held.close()
