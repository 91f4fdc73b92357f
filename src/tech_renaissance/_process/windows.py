"""The worker's process on Windows.

The worker and its children are in a job object that ends all its processes when the host's last handle to it closes, however
the host ends. Two threads move the output, one per stream; a third waits for the end.
"""

import contextlib
import ctypes
import math
import os
import subprocess
import threading
import time
from ctypes import wintypes
from typing import Callable, Mapping, Optional, Sequence

from .._base.errors import LaunchError
from .base import RETRY_S, BaseProcess
from .output import DescriptorSink, Output, OutputFlow, SinkFlow, open_sink
from .output_lines import LineFlow

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


class Process(BaseProcess):
    """A running worker; see posix.py."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Optional[str],
        output: Output,
        inherited: Sequence[int],
        on_end: Callable[["Process", Optional[int]], None],
    ) -> None:
        del inherited  # only shared memory has some, and that is not offered on Windows yet
        super().__init__(on_end)
        self._output: OutputFlow = (
            LineFlow(output) if callable(output) else SinkFlow(open_sink(output, _DescriptorSink))
        )
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
            self._output.close()
            raise LaunchError(
                "launch_failed", f"cannot start {arguments[0]!r} in {directory or '.'!r}: {error}"
            ) from error
        self.pid = self._popen.pid
        self.exit_handle = int(self._popen._handle)  # type: ignore[attr-defined]  # noqa: SLF001 - Popen hides it
        _kernel32.AssignProcessToJobObject(self._job, self.exit_handle)
        self._threads = [
            threading.Thread(target=self._move, args=(stream,), name="tech_renaissance output", daemon=True)
            for stream in range(2)
        ]
        self._threads.append(threading.Thread(target=self._watch, name="tech_renaissance exit", daemon=True))
        try:
            for thread in self._threads:
                thread.start()
            self._output.start()
        except RuntimeError as error:  # the system has no threads left
            self.close()
            raise LaunchError("launch_failed", f"cannot start a thread: {error}") from error

    def is_alive(self) -> bool:
        """See posix.py."""
        if self._popen.poll() is None:
            return True
        self._ended.wait(_DRAIN_S)
        return False

    def switch_output(self, message: str) -> None:
        """See posix.py. Output still in the pipes counts as the next call's, because anonymous pipes cannot be read without waiting."""
        self._output.switch(message, list)

    def wait_for_room(self, timeout_s: float) -> None:
        """See posix.py."""
        self._output.wait_for_room(timeout_s)

    def interrupt(self) -> None:
        """Does nothing: the worker itself checks whether its request has been cancelled."""

    def ask_for_stack(self) -> None:
        """Does nothing: stacks are not available."""

    def terminate(self) -> None:
        """End the worker and its children: Windows has no gentler way for a process without a console."""
        self.kill()

    def kill(self) -> None:
        """End the worker and all its children."""
        _kernel32.TerminateJobObject(self._job, _KILLED)

    def close(self) -> None:
        """See posix.py."""
        if self._job:
            self.kill()
            for thread in self._threads:
                if thread.ident is not None and thread is not threading.current_thread():
                    thread.join(0.0 if self.is_unkillable else _DRAIN_S)
            _kernel32.CloseHandle(self._job)
            self._job = None
            self._output.close()

    def disown(self) -> None:
        """Does nothing: there are no forks."""

    def _watch(self) -> None:
        status = self._popen.wait()
        for thread in self._threads[:2]:
            thread.join(_DRAIN_S)
        self._output.take(list, last=True)
        self._tell_end(status)

    def _move(self, stream: int) -> None:
        source = self._popen.stderr if stream else self._popen.stdout
        assert source is not None
        while True:
            try:
                data = os.read(source.fileno(), 65536)
                if not data:
                    break
                self._output.wait_for_room(math.inf)
                self._output.take(lambda: [(stream, data)])  # noqa: B023 - called at once
                self._output.give()
            except OSError:
                break
            except Exception:  # such as MemoryError: better to lose some output than the thread
                time.sleep(RETRY_S)
        source.close()


def _create_job() -> int:
    job: int = _kernel32.CreateJobObjectW(None, None)
    limits = _ExtendedLimits(limit_flags=_KILL_ON_JOB_CLOSE)
    _kernel32.SetInformationJobObject(
        job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
    )
    return job


class _DescriptorSink(DescriptorSink):
    def write(self, stream: int, data: bytes) -> None:
        """See Sink."""
        view = memoryview(data)
        with contextlib.suppress(OSError):  # the host may close its own output
            while view:
                view = view[os.write(self._descriptors[stream], view) :]
