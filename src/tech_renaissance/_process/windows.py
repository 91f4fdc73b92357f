"""The worker's process on Windows.

The worker and its children are in a job object that ends all its processes when the host's last handle to it closes, however
the host ends. Two threads move the output, one per stream; a third waits for the end.
"""

import contextlib
import ctypes
import math
import msvcrt
import os
import threading
import time
from ctypes import wintypes
from typing import Callable, List, Mapping, Optional, Sequence

from .._base.errors import LaunchError
from .._system.event_windows import make_event, set_event
from .._system.latch import Latch
from .base import RETRY_S, BaseProcess
from .output import DescriptorSink, Output, OutputFlow, SinkFlow, open_sink
from .output_lines import LineFlow
from .spawn_windows import create_job, spawn

_DRAIN_S = 5.0
_CANCEL_AGAIN_S = 0.002
_READ_NBYTES = 65536
# How long processes that a dead worker left behind may live on.
_HELPER_GRACE_S = 0.5
_KILLED = 1
_AT_ONCE, _FOREVER = 0, 0xFFFFFFFF
_TIMEOUT = 0x102
_TERMINATE_THREAD = 0x1  # the right that calling off a thread's reads needs

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel32.OpenThread.restype = wintypes.HANDLE
_kernel32.OpenThread.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
_kernel32.CancelSynchronousIo.argtypes = [wintypes.HANDLE]
_kernel32.PeekNamedPipe.argtypes = [
    wintypes.HANDLE,
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
]
_kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
_kernel32.GetExitCodeProcess.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD)]


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
        super().__init__(on_end)
        self._output: OutputFlow = (
            LineFlow(output) if callable(output) else SinkFlow(open_sink(output, _DescriptorSink))
        )
        self._job = self._interrupt = 0
        self._killed = Latch()
        self._streams: List[int] = []
        self._is_reading = [False, False]
        try:
            self._launch(arguments, environment, directory, inherited)
        except (OSError, ValueError) as error:
            for descriptor in self._streams:
                os.close(descriptor)
            self._close_handles()
            self._output.close()
            raise LaunchError(
                "launch_failed", f"cannot start {arguments[0]!r} in {directory or '.'!r}: {error}"
            ) from error
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
        if self._ended.is_set():
            return False
        if _kernel32.WaitForSingleObject(self.exit_handle, _AT_ONCE) == _TIMEOUT:
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
        """See posix.py."""
        set_event(self._interrupt)

    def ask_for_stack(self) -> None:
        """Does nothing: nobody but Python code can write stacks."""

    def terminate(self) -> None:
        """End the worker and its children: Windows has no gentler way for a process without a console."""
        self.kill()

    def kill(self) -> None:
        """End the worker and all its children."""
        self._killed.set()
        _kernel32.TerminateJobObject(self._job, _KILLED)

    def close(self) -> None:
        """See posix.py."""
        if self._job:
            self.kill()
            for thread in self._threads:
                if thread.ident is not None and thread is not threading.current_thread():
                    thread.join(0.0 if self.is_unkillable else _DRAIN_S)
            self._close_handles()
            if self._ended.is_set():
                _kernel32.CloseHandle(self.exit_handle)
            self._output.close()

    def _close_handles(self) -> None:
        for handle in (self._job, self._interrupt):
            if handle:
                _kernel32.CloseHandle(handle)
        self._job = self._interrupt = 0

    def disown(self) -> None:
        """Does nothing: there are no forks."""

    def _launch(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Optional[str],
        inherited: Sequence[int],
    ) -> None:
        self._job = create_job()
        self._interrupt = make_event()
        with contextlib.ExitStack() as ours:  # the child's ends
            nothing = os.open(os.devnull, os.O_RDONLY | os.O_NOINHERIT)
            ours.callback(os.close, nothing)
            ends = [nothing]
            for _ in range(2):
                reading, writing = os.pipe()
                self._streams.append(reading)
                ours.callback(os.close, writing)
                ends.append(writing)
            handles = [msvcrt.get_osfhandle(end) for end in ends]
            variables = {
                **environment,
                "TR_HOST_PID": str(os.getpid()),
                "TR_INTERRUPT": str(self._interrupt),
            }
            started = spawn(
                arguments, variables, directory, self._job, handles, [*inherited, self._interrupt]
            )
        self.pid = started.pid
        self.exit_handle = started.handle

    def _watch(self) -> None:
        _kernel32.WaitForSingleObject(self.exit_handle, _FOREVER)
        code = wintypes.DWORD()
        _kernel32.GetExitCodeProcess(self.exit_handle, ctypes.byref(code))
        # Exceptions have negative numbers, as in _base/exit_status_windows.py.
        status = ctypes.c_int32(code.value).value
        for stream, thread in enumerate(self._threads[:2]):
            self._finish_reading(stream, thread)
        self._output.take(list, last=True)
        self._tell_end(status)
        self._killed.wait(_HELPER_GRACE_S)
        _kernel32.TerminateJobObject(self._job, _KILLED)  # what it left behind

    def _finish_reading(self, stream: int, thread: threading.Thread) -> None:
        """Have a thread take the rest of what the worker wrote, and end, even if strangers hold the pipe open. Bounded."""
        handle = _kernel32.OpenThread(_TERMINATE_THREAD, False, thread.native_id or 0)
        deadline = time.monotonic() + _DRAIN_S
        while thread.is_alive() and time.monotonic() < deadline:
            # Nothing else of the thread's may be called off, such as passing output on.
            if self._is_reading[stream] and not self._available(stream):
                _kernel32.CancelSynchronousIo(handle)
            thread.join(_CANCEL_AGAIN_S)
        _kernel32.CloseHandle(handle)

    def _move(self, stream: int) -> None:
        while True:
            try:
                self._is_reading[stream] = True
                data = os.read(self._streams[stream], _READ_NBYTES)
                self._is_reading[stream] = False
                if not data:
                    break
                self._output.wait_for_room(math.inf)
                self._output.take(lambda: [(stream, data)])  # noqa: B023 - called at once
                self._output.give()
            except OSError:  # the end of the pipe, or the watcher has called the read off
                break
            except Exception:  # such as MemoryError: better to lose some output than the thread
                time.sleep(RETRY_S)
        os.close(self._streams[stream])

    def _available(self, stream: int) -> int:
        """How much can be read now."""
        nbytes = wintypes.DWORD()
        with contextlib.suppress(OSError):  # the thread has closed it
            pipe = msvcrt.get_osfhandle(self._streams[stream])
            _kernel32.PeekNamedPipe(pipe, None, 0, None, ctypes.byref(nbytes), None)
        return nbytes.value


class _DescriptorSink(DescriptorSink):
    def write(self, stream: int, data: bytes) -> None:
        """See Sink."""
        view = memoryview(data)
        with contextlib.suppress(OSError):  # the host may close its own output
            while view:
                view = view[os.write(self._descriptors[stream], view) :]
