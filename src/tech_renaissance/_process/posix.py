"""The worker's process on POSIX.

The worker leads a session of its own, so that a signal to its group reaches its children and Ctrl+C in the host's terminal does
not reach it. Two threads serve it: one waits for its end, one moves its output. Both sleep in the kernel while nothing
happens.

The lifeline is a pipe whose write end only the host holds: it closes when the host is gone, however it went, and the
worker ends itself (_process/lifeline.py).
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from typing import IO, Callable, Dict, List, Mapping, Optional, Sequence

from .._errors import LaunchError
from .output import Output, Tail

if sys.platform == "darwin":
    from .exit_kqueue import has_ended, wait_for_end
else:
    from .exit_waitid import has_ended, wait_for_end

# Writes of at most this many bytes to a pipe that polls writable do not block.
_CHUNK = 4096
_DRAIN_S = 5.0


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
        self._lock = threading.Lock()
        self._tail = Tail()
        self._sinks = _open_sinks(output)
        lifeline_read, self._lifeline = os.pipe()
        exit_handle, self._exit_signal = os.pipe()
        self.exit_handle = exit_handle  # can be read, and never is, once the process has ended
        try:
            self._popen = subprocess.Popen(
                arguments,
                env={**environment, "TR_HOST_PID": str(os.getpid()), "TR_LIFELINE": str(lifeline_read)},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[lifeline_read, *inherited],
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._close_descriptors()
            os.close(self._exit_signal)
            raise LaunchError(
                "launch_failed", f"cannot start {arguments[0]!r} in {directory or '.'!r}: {error}"
            ) from error
        finally:
            os.close(lifeline_read)
        self.pid = self._popen.pid
        self._pump = threading.Thread(target=self._move_output, name="tech_renaissance output", daemon=True)
        self._watcher = threading.Thread(target=self._watch_exit, name="tech_renaissance exit", daemon=True)
        self._pump.start()
        self._watcher.start()

    def poll(self) -> Optional[int]:
        """Exit status, negative for a signal; None while it runs. Asks the kernel."""
        with self._lock:
            if self._popen.returncode is None and has_ended(self._popen):
                # Children that it left behind go too, while the group's number cannot be another's yet.
                self._signal_group(signal.SIGKILL)
                self._popen.poll()
            return self._popen.returncode

    def wait(self, timeout_s: float) -> Optional[int]:
        """Wait for the end; then ``output_tail`` has all that the process wrote. None if it still runs after the timeout."""
        self._watcher.join(timeout_s)
        if self._watcher.is_alive():
            return None
        self._pump.join(_DRAIN_S)
        return self.poll()

    def output_tail(self) -> str:
        """The last 64 KiB of stdout and stderr."""
        return self._tail.text()

    def terminate(self) -> None:
        """SIGTERM to the worker and its group."""
        with self._lock:
            self._signal_group(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the worker and its group: nothing of it lives on."""
        with self._lock:
            self._signal_group(signal.SIGKILL)

    def close(self) -> None:
        """End what still runs, and release threads and descriptors. Bounded; safe to call twice."""
        if self._lifeline < 0:
            return
        self.kill()
        self._watcher.join()
        self._pump.join(_DRAIN_S)
        self._close_descriptors()

    def _signal_group(self, number: int) -> None:
        # Once the leader is reaped, its number may be another's.
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _watch_exit(self) -> None:
        wait_for_end(self.pid)
        self.poll()
        os.write(self._exit_signal, b"!")  # closing alone says nothing while a fork of the host holds a copy
        os.close(self._exit_signal)

    def _move_output(self) -> None:
        streams: Dict[int, IO[bytes]] = {}
        for stream in (self._popen.stdout, self._popen.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            streams[stream.fileno()] = stream
        poll = select.poll()
        for descriptor in [*streams, self.exit_handle]:
            poll.register(descriptor, select.POLLIN)
        open_streams = set(streams)
        ended = False
        while open_streams and not ended:
            ended = self.exit_handle in [descriptor for descriptor, _ in poll.poll()]
            for descriptor in sorted(open_streams):
                if not self._move(
                    descriptor, self._sinks[0 if streams[descriptor] is self._popen.stdout else 1], ended
                ):
                    open_streams.discard(descriptor)
                    poll.unregister(descriptor)
        for stream in streams.values():
            stream.close()

    def _move(self, source: int, sink: "_Sink", to_the_end: bool) -> bool:
        """Move what can be read now; False at end-of-file."""
        while True:
            try:
                data = os.read(source, 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._tail.add(data)
            sink.write(data, self.exit_handle)
            if not to_the_end:
                return True

    def _close_descriptors(self) -> None:
        for descriptor in (self._lifeline, self.exit_handle):
            os.close(descriptor)
        self._lifeline = -1
        for sink in self._sinks:
            sink.close()


class _Sink:
    """Where one stream of the worker goes."""

    def write(self, data: bytes, exit_handle: int) -> None:
        """Pass on; may wait for the reader as long as the worker lives."""

    def close(self) -> None:
        """Release what the sink holds."""


class _DescriptorSink(_Sink):
    def __init__(self, descriptor: int, *, owned: bool) -> None:
        self._descriptor = descriptor
        self._owned = owned

    def write(self, data: bytes, exit_handle: int) -> None:
        view = memoryview(data)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.register(exit_handle, select.POLLIN)
        with contextlib.suppress(OSError):  # the host closed its own output: that is its business
            while view and self._descriptor in [ready for ready, _ in poll.poll()]:
                view = view[os.write(self._descriptor, view[:_CHUNK]) :]

    def close(self) -> None:
        if self._owned:
            os.close(self._descriptor)


class _CallbackSink(_Sink):
    def __init__(self, callback: Callable[[bytes], None]) -> None:
        self._callback = callback

    def write(self, data: bytes, exit_handle: int) -> None:
        try:
            self._callback(data)
        except Exception:
            traceback.print_exc()


def _open_sinks(output: Output) -> List[_Sink]:
    """Sinks for stdout and stderr."""
    if callable(output):
        return [_CallbackSink(output)] * 2
    if output == "inherit":
        return [_DescriptorSink(1, owned=False), _DescriptorSink(2, owned=False)]
    if output == "discard":
        return [_Sink(), _Sink()]
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LaunchError("launch_failed", f"cannot open the worker's output file: {error}") from error
    return [_DescriptorSink(descriptor, owned=True), _DescriptorSink(descriptor, owned=False)]
