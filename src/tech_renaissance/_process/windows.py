"""The worker's process on Windows.

The worker and its children are in a job object that ends all its processes when the host's last handle to it
closes, however the host ends. Two threads serve it, as in posix.py: the watcher waits for its end, takes its
last output, and only then makes the end public; the pump takes its output and passes it on.
"""

import contextlib
import ctypes
import functools
import math
import msvcrt
import os
import threading
from ctypes import wintypes
from typing import Callable, Mapping, Optional, Sequence

from .._base.errors import LaunchError
from .._system.event_windows import make_event, set_event
from .base import ABANDON_S, RETRY_S, BaseProcess, not_started
from .output import DescriptorSink, Output, OutputFlow, SinkFlow, open_sink
from .output_lines import LineFlow
from .output_pipes_windows import OutputPipes
from .spawn_windows import create_job, spawn

# How long processes that a dead worker left behind may live on.
_HELPER_GRACE_S = 0.5
# What is written at once.
_CHUNK = 4096
# Once the worker has ended, how long to wait for a full target before the rest of the output is dropped.
_OUTPUT_PATIENCE_S = 0.2
_KILLED = 1
_AT_ONCE, _FOREVER = 0, 0xFFFFFFFF
_TIMEOUT = 0x102
_TERMINATE_THREAD = 0x1  # the right that calling off a thread's writes needs

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel32.OpenThread.restype = wintypes.HANDLE
_kernel32.OpenThread.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
_kernel32.CancelSynchronousIo.argtypes = [wintypes.HANDLE]
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
        output_before: Optional[OutputFlow],
        on_end: Callable[["Process", Optional[int]], None],
    ) -> None:
        super().__init__(on_end)
        self._progress = _Progress()
        self._output: OutputFlow = (
            LineFlow(output, output_before)
            if callable(output)
            else SinkFlow(open_sink(output, functools.partial(_DescriptorSink, progress=self._progress)))
        )
        with contextlib.ExitStack() as held:  # closed at the end, or here if anything fails
            held.callback(self._output.close)
            try:
                self._launch(arguments, environment, directory, inherited, held)
            except (OSError, ValueError) as error:
                raise not_started(arguments[0], directory, error) from error
            self._held = held.pop_all()
        self._watcher = threading.Thread(target=self._watch, name="tech_renaissance exit", daemon=True)
        self._pump = threading.Thread(target=self._give_output, name="tech_renaissance output", daemon=True)
        try:
            self._watcher.start()
            self._pump.start()
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
        self._ended.wait(ABANDON_S)  # the watcher is about to say so
        return False

    def switch_output(self, message: str) -> None:
        """See posix.py."""
        self._output.switch(message, self._pipes.read)

    def wait_for_room(self, timeout_s: float) -> None:
        """See posix.py."""
        self._output.wait_for_room(timeout_s)

    @property
    def output_is_behind(self) -> bool:
        """See posix.py."""
        return self._output.is_behind

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

    def disown(self) -> None:
        """Does nothing: there are no forks."""

    def _release(self) -> None:
        self._is_released = True
        self._job = self._interrupt = 0  # of no use to anybody who is late
        self._held.close()

    def _launch(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Optional[str],
        inherited: Sequence[int],
        held: contextlib.ExitStack,
    ) -> None:
        self._job, self._interrupt, self._finished = (
            _hold(held, made) for made in (create_job(), make_event(), make_event())
        )
        self._pipes = OutputPipes()
        held.callback(self._pipes.close)
        with open(os.devnull, "rb") as nothing:
            streams = [msvcrt.get_osfhandle(nothing.fileno()), *self._pipes.writing_ends]
            variables = {
                **environment,
                "TR_HOST_PID": str(os.getpid()),
                "TR_INTERRUPT": str(self._interrupt),
            }
            started = spawn(
                arguments, variables, directory, self._job, streams, [*inherited, self._interrupt]
            )
        self.exit_handle = _hold(held, started.handle)
        self._pipes.close_writing_ends()
        self.pid = started.pid

    def _watch(self) -> None:
        _kernel32.WaitForSingleObject(self.exit_handle, _FOREVER)
        code = wintypes.DWORD()
        _kernel32.GetExitCodeProcess(self.exit_handle, ctypes.byref(code))
        # Exceptions have negative numbers, as in _base/exit_status_windows.py.
        status = ctypes.c_int32(code.value).value
        self._output.take(self._pipes.read, last=True)
        self._tell_end(status)
        set_event(self._finished)
        self._killed.wait(_HELPER_GRACE_S)
        _kernel32.TerminateJobObject(self._job, _KILLED)  # what it left behind
        if self._pump.ident is not None:
            self._end_pump()
        if self._closed and self.is_unkillable:
            self._release()

    def _end_pump(self) -> None:
        """Have it drop what its target does not take."""
        handle = _kernel32.OpenThread(_TERMINATE_THREAD, False, self._pump.native_id or 0)
        while self._pump.is_alive():
            count = self._progress.count
            self._pump.join(_OUTPUT_PATIENCE_S)
            if self._progress.count == count:
                self._progress.is_over = True
                _kernel32.CancelSynchronousIo(handle)
        _kernel32.CloseHandle(handle)

    def _give_output(self) -> None:
        while not self._ended.is_set():
            try:
                self._pipes.wait_readable(self._finished)
                self._output.wait_for_room(math.inf)
                self._output.take(self._pipes.read)
                self._output.give()
            except Exception:  # such as MemoryError: better to lose some output than the thread
                self._ended.wait(RETRY_S)
        with contextlib.suppress(Exception):
            self._output.give()


class _Progress:
    """How often output was passed on, and whether there is to be no more of it."""

    count = 0
    is_over = False


class _DescriptorSink(DescriptorSink):
    """Writes in pieces, each of which may wait for its reader, and tells of its progress."""

    def __init__(self, descriptors: Sequence[int], *, owned: bool, progress: _Progress) -> None:
        super().__init__(descriptors, owned=owned)
        self._progress = progress

    def write(self, stream: int, data: bytes) -> None:
        """See Sink."""
        view = memoryview(data)
        with contextlib.suppress(OSError):  # the host may close its own output
            while view and not self._progress.is_over:
                view = view[os.write(self._descriptors[stream], view[:_CHUNK]) :]
                self._progress.count += 1


def _hold(held: contextlib.ExitStack, handle: int) -> int:
    held.callback(_kernel32.CloseHandle, handle)
    return handle
