"""Files that another process may have open, on Windows, where operations on them fail until it
closes them and so are retried.
"""

import contextlib
import ctypes
import errno
import io
import os
import time
from ctypes import wintypes
from typing import Callable, Generator, List, Optional, TypeVar, Union

from .create_file_windows import (
    INVALID_HANDLE,
    OPEN_EXISTING,
    OPEN_REPARSE_POINT,
    SHARE_ALL,
    close_handle,
    create_file,
)

_Result = TypeVar("_Result")

_CHUNK_NBYTES = 1 << 16

_DIRECTORY, _REPARSE_POINT = 0x10, 0x400
_INVALID_ATTRIBUTES = 0xFFFFFFFF
_NOTHING_THERE = (2, 3)  # ERROR_FILE_NOT_FOUND, _PATH_NOT_FOUND

_READ, _WRITE, _DELETE = 0x80000000, 0x40000000, 0x10000
_CREATE_NEW = 1
_DISPOSITION_EX = 21  # FileDispositionInfoEx
_DELETE_AT_ONCE = wintypes.DWORD(0x1 | 0x2)  # FILE_DISPOSITION_DELETE, _POSIX_SEMANTICS

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.GetFileAttributesW.restype = wintypes.DWORD
_kernel32.GetFileAttributesW.argtypes = [wintypes.LPCWSTR]
_kernel32.ReadFile.argtypes = [
    wintypes.HANDLE,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.LPVOID,
]
_kernel32.WriteFile.argtypes = [
    wintypes.HANDLE,
    wintypes.LPCVOID,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.LPVOID,
]
_kernel32.SetFileInformationByHandle.argtypes = [
    wintypes.HANDLE,
    ctypes.c_int,
    wintypes.LPVOID,
    wintypes.DWORD,
]

# What a path may have without its extended form, its end included.
_MAX_PATH = 260
_EXTENDED, _EXTENDED_SHARE, _SHARE = "\\\\?\\", "\\\\?\\UNC\\", "\\\\"

# What another process causes by having the file open: access denied, a sharing violation, a lock.
# None: the C runtime does not say.
_IN_THE_WAY = (None, 5, 32, 33)
# The other side keeps a small file open for microseconds, a virus scanner for
# milliseconds. 0: let others run.
PAUSES_S = (*[0.0] * 20, *(min(1 << number, 64) / 1000 for number in range(21)))


def patiently(action: Callable[[], _Result]) -> _Result:
    """Run a file operation, and retry it for about a second while another process is in the way."""
    for pause_s in PAUSES_S:
        try:
            return action()
        except PermissionError as error:
            if error.winerror not in _IN_THE_WAY:
                raise
            time.sleep(pause_s)
    return action()


class _Opened(List[int]):
    """A handle while it is open. Others may remove and replace the file meanwhile.

    Opening and closing are one step each, so that an interruption cannot lose it. But it may come between the
    two, so who opens one also closes it in ``except BaseException``.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def open(self, access: int, disposition: int, flags: int = 0) -> None:
        """Raises OSError."""
        arguments = (self._path, access, SHARE_ALL, None, disposition, flags, None)
        self.extend(map(create_file, *([argument] for argument in arguments)))
        self._check(self[0] != INVALID_HANDLE)

    def close(self) -> None:
        """Safe to call twice."""
        for _ in map(close_handle, map(self.pop, [0] * len(self))):
            pass

    __del__ = close

    def read(self, most_nbytes: int) -> bytes:
        """From its beginning; all of it if the number is negative."""
        pieces: List[bytes] = []
        piece, count = ctypes.create_string_buffer(_CHUNK_NBYTES), wintypes.DWORD()
        left = most_nbytes
        while left:
            wanted = _CHUNK_NBYTES if left < 0 else min(left, _CHUNK_NBYTES)
            self._check(_kernel32.ReadFile(self[0], piece, wanted, ctypes.byref(count), None))
            if not count.value:
                break
            pieces.append(ctypes.string_at(piece, count.value))
            left -= count.value if left > 0 else 0
        return b"".join(pieces)

    def write(self, data: Union[bytes, memoryview]) -> None:
        """All of it."""
        count = wintypes.DWORD()
        view = memoryview(data)
        while view:
            piece = bytes(view[:_CHUNK_NBYTES])
            self._check(_kernel32.WriteFile(self[0], piece, len(piece), ctypes.byref(count), None))
            view = view[count.value :]

    def remove_at_close(self) -> bool:
        """Whether the file system can do that."""
        return bool(
            _kernel32.SetFileInformationByHandle(
                self[0], _DISPOSITION_EX, ctypes.byref(_DELETE_AT_ONCE), ctypes.sizeof(_DELETE_AT_ONCE)
            )
        )

    def _check(self, is_done: bool) -> None:
        if not is_done:
            error = ctypes.get_last_error()
            raise OSError(None, ctypes.FormatError(error), self._path, error)


def open_plain(path: str) -> io.FileIO:
    """Open for reading a file that someone else may have put there. Raises OSError if it does not
    exist, or is a link or a folder.
    """
    _check_plain(path)
    return io.FileIO(path, "rb")


def read_plain(path: str, most_nbytes: int = -1) -> bytes:
    """The bytes of such a file, at most ``most_nbytes`` of them."""
    _check_plain(path)
    file = _Opened(path)
    try:
        file.open(_READ, OPEN_EXISTING)
        data = file.read(most_nbytes)
        file.close()
    except BaseException:
        file.close()
        raise
    return data


def write_whole(path: str, data: Union[bytes, memoryview]) -> None:
    """Make a file that does not exist yet. It can be removed even if that fails."""
    file = _Opened(path)
    try:
        file.open(_WRITE, _CREATE_NEW)
        file.write(data)
        file.close()
    except BaseException:
        file.close()
        raise


def unlink(path: str) -> None:
    """Remove a file or a link. Its name is free at once, though others may still have the
    file open. Raises OSError.

    os.unlink frees the name only when everyone has closed the file, and under wine it can be opened until
    then: what has been read and removed would be read again.
    """
    file = _Opened(path)
    try:
        file.open(_DELETE, OPEN_EXISTING, OPEN_REPARSE_POINT)
        is_removed = file.remove_at_close()
        file.close()
    except BaseException:
        file.close()
        raise
    if not is_removed:
        os.unlink(path)  # for file systems that can do no better; else it tells what is wrong


def is_there(path: str) -> bool:
    """Whether something has this name. True if that cannot be known."""
    return _attributes(path) is not None


def _check_plain(path: str) -> None:
    attributes = _attributes(path) or 0  # opening it tells why there are none
    if attributes & _DIRECTORY or (attributes & _REPARSE_POINT and os.path.islink(path)):
        raise OSError(errno.EINVAL, "is not a regular file", path)


def _attributes(path: str) -> Optional[int]:
    """None if nothing has this name; 0 if they cannot be known."""
    attributes: int = _kernel32.GetFileAttributesW(path)
    if attributes != _INVALID_ATTRIBUTES:
        return attributes
    return None if ctypes.get_last_error() in _NOTHING_THERE else 0


@contextlib.contextmanager
def held(path: str) -> Generator[Callable[[], Optional[bytes]], None, None]:
    """A function that reads the file by its name. It returns None if there is no file."""

    def read() -> Optional[bytes]:
        try:
            return read_plain(path)
        except FileNotFoundError:
            return None

    yield lambda: patiently(read)


def with_room(folder: str, room: int) -> str:
    r"""A folder's absolute path, in the extended form (``\\?\``) if a path with ``room`` more
    characters would be too long without.
    """
    if len(folder) + room < _MAX_PATH or folder.startswith(_EXTENDED):
        return folder
    if folder.startswith(_SHARE):
        return _EXTENDED_SHARE + folder[2:]
    return _EXTENDED + folder


def shown(what: object) -> str:
    """What is said of a path, or an error that names paths: as users know them, not in extended form."""
    text = str(what)
    for extended, plain in ((_EXTENDED_SHARE, _SHARE), (_EXTENDED, "")):
        text = text.replace(repr(extended)[1:-1], repr(plain)[1:-1]).replace(extended, plain)
    return text
