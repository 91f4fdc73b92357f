"""Processes as a test sees them: the platform's (processes_posix.py, processes_windows.py). Both have the same members."""

import sys

import pytest

if sys.platform == "win32":
    from processes_windows import (
        ABORTED,
        ABORTED_NAME,
        KILLED,
        KILLED_NAME,
        KILLED_TEXT,
        SEGFAULT,
        SEGFAULT_NAME,
        SEGFAULT_STACK,
        SEGFAULT_TEXT,
        children,
        descendants,
        describe,
        descriptors,
        descriptors_of,
        is_alive,
        kill,
        memory_nbytes,
        peak_nbytes,
        processes,
        processes_of,
    )
else:
    from processes_posix import (
        ABORTED,
        ABORTED_NAME,
        KILLED,
        KILLED_NAME,
        KILLED_TEXT,
        SEGFAULT,
        SEGFAULT_NAME,
        SEGFAULT_STACK,
        SEGFAULT_TEXT,
        children,
        descendants,
        describe,
        descriptors,
        descriptors_of,
        is_alive,
        kill,
        memory_nbytes,
        peak_nbytes,
        processes,
        processes_of,
    )

posix_files = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes, owners and modes of POSIX")
moves_open_folders = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows does not move or remove a folder or file that is open"
)
posix_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals between processes")
posix_sockets = pytest.mark.skipif(
    sys.platform == "win32", reason="the doorbells of Windows have no other end to hang up"
)
posix_limits = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows does not limit what one process may take"
)
forks = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no forks")

__all__ = [
    "ABORTED",
    "ABORTED_NAME",
    "KILLED",
    "KILLED_NAME",
    "KILLED_TEXT",
    "SEGFAULT",
    "SEGFAULT_NAME",
    "SEGFAULT_STACK",
    "SEGFAULT_TEXT",
    "children",
    "descendants",
    "describe",
    "descriptors",
    "descriptors_of",
    "forks",
    "is_alive",
    "kill",
    "memory_nbytes",
    "moves_open_folders",
    "peak_nbytes",
    "posix_files",
    "posix_limits",
    "posix_signals",
    "posix_sockets",
    "processes",
    "processes_of",
]
