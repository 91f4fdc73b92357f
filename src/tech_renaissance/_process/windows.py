"""The worker's process on Windows.

The worker is in a job object that ends all processes in it when the host's last handle to it is gone, however the host
went; its children are in the job too. Two threads move the output, one stream each; one waits for the end.
"""

import contextlib
import ctypes
import os
import subprocess
import threading
import traceback
from ctypes import wintypes
from typing import IO, BinaryIO, Callable, List, Mapping, Optional, Sequence

from .._errors import LaunchError
from .output import Output, Tail

_DRAIN_S = 5.0
_KILLED = 1
_EXTENDED_LIMIT_INFORMATION = 9
_KILL_ON_JOB_CLOSE = 0x2000

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateJobObjectW.restype = wintypes.HANDLE
_kernel32.CreateJobObjectW.argtypes = [ctypes.c_void_p, wintypes.LPCWSTR]
_kernel32.SetInformationJobObject.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD]
_kernel32.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
_kernel32.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION; only limit_flags is used."""

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


class Process:
    """A running worker. All methods may be called from any thread.

    Raises LaunchError ``launch_failed`` when the system refuses to start it; nothing is left behind then.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Optional[str],
        output: Output,
        inherited: Sequence[int] = (),
    ) -> None:
        del inherited  # only shared memory has some, and that is not offered on Windows yet
        self._tail = Tail()
        self._sinks = _open_sinks(output)
        self._job = _create_job()
        try:
            self._popen = subprocess.Popen(
                arguments,
                env={**environment, "TR_HOST_PID": str(os.getpid())},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW,
            )
        except (OSError, ValueError) as error:
            _kernel32.CloseHandle(self._job)
            raise LaunchError(
                "launch_failed", f"cannot start {arguments[0]!r} in {directory or '.'!r}: {error}"
            ) from error
        self.pid = self._popen.pid
        self.exit_handle = int(self._popen._handle)  # type: ignore[attr-defined]  # noqa: SLF001 - Popen hides it
        _kernel32.AssignProcessToJobObject(self._job, self.exit_handle)
        self._pumps = [
            threading.Thread(target=self._move, args=pair, name="tech_renaissance output", daemon=True)
            for pair in zip((self._popen.stdout, self._popen.stderr), self._sinks)
        ]
        for pump in self._pumps:
            pump.start()

    def poll(self) -> Optional[int]:
        """Exit status; None while it runs. Asks the kernel."""
        return self._popen.poll()

    def wait(self, timeout_s: float) -> Optional[int]:
        """Wait for the end; then ``output_tail`` has all that the process wrote. None if it still runs after the timeout."""
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        for pump in self._pumps:
            pump.join(_DRAIN_S)
        return self.poll()

    def output_tail(self) -> str:
        """The last 64 KiB of stdout and stderr."""
        return self._tail.text()

    def terminate(self) -> None:
        """End the worker and its children: Windows has no gentler way for a process without a console."""
        self.kill()

    def kill(self) -> None:
        """End the worker and its children: nothing of it lives on."""
        _kernel32.TerminateJobObject(self._job, _KILLED)

    def close(self) -> None:
        """End what still runs, and release threads and handles. Bounded; safe to call twice."""
        if self._job:
            self.kill()
            self.wait(_DRAIN_S)
            _kernel32.CloseHandle(self._job)
            self._job = None

    def _move(self, source: IO[bytes], sink: Callable[[bytes], None]) -> None:
        while True:
            data = os.read(source.fileno(), 65536)
            if not data:
                break
            self._tail.add(data)
            try:
                sink(data)
            except Exception:
                traceback.print_exc()
        source.close()


def _create_job() -> int:
    job: int = _kernel32.CreateJobObjectW(None, None)
    limits = _ExtendedLimits(limit_flags=_KILL_ON_JOB_CLOSE)
    _kernel32.SetInformationJobObject(
        job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
    )
    return job


def _open_sinks(output: Output) -> List[Callable[[bytes], None]]:
    """Functions that take the bytes of stdout and of stderr."""
    if callable(output):
        return [output, output]
    if output == "inherit":
        return [_descriptor_sink(1), _descriptor_sink(2)]
    if output == "discard":
        return [lambda _: None] * 2
    try:
        file: BinaryIO = open(output, "ab", buffering=0)  # noqa: SIM115 - it lives as long as the worker
    except OSError as error:
        raise LaunchError("launch_failed", f"cannot open the worker's output file: {error}") from error
    return [lambda data: _write(file, data)] * 2


def _descriptor_sink(descriptor: int) -> Callable[[bytes], None]:
    def sink(data: bytes) -> None:
        with contextlib.suppress(OSError):  # the host closed its own output: that is its business
            os.write(descriptor, data)

    return sink


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
