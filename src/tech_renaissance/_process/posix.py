"""The worker's process on POSIX.

The worker leads a session of its own, so that a signal to its group reaches its children, and Ctrl+C in the
host's terminal does not reach it. Two threads serve it: the watcher waits for its end, takes its last output,
and only then makes the end public; the pump takes its output and passes it on. Both sleep in the kernel while
nothing happens. A callback that gets the output by lines has a third thread.

A dead process is not reaped at once. Until it is, its process id cannot be reused, so the rest of its group
can safely be killed by that id. Processes that clean up after a crash (such as multiprocessing's resource
tracker) have _HELPER_GRACE_S to do so.

The lifeline is a pipe whose write end only the host holds: it closes when the host dies, however that
happens, and then the worker ends (_process/lifeline.py).
"""

import contextlib
import functools
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .._base.errors import LaunchError
from .._system.descriptors_posix import make_pipe
from .._system.forks import close_held
from .._system.refused_polls import rest_if_refused
from .base import ABANDON_S, RETRY_S, BaseProcess, not_started
from .output import DescriptorSink, Output, OutputFlow, SinkFlow, open_sink
from .output_lines import LineFlow

if sys.platform == "linux":
    from .lifeline import arm
    from .memory_linux import own_peak_nbytes
if sys.platform == "darwin":
    from .exit_kqueue import has_ended, wait_for_end
else:
    from .exit_waitid import has_ended, wait_for_end

# Writing up to this many bytes to a pipe that polls writable does not block.
_CHUNK = 4096
# How much is taken at once; what a fast writer adds in the meantime is left for the next time.
_TAKE_NBYTES = 1 << 20
# How long processes that a dead worker left behind may live on.
_HELPER_GRACE_S = 0.5


class Process(BaseProcess):
    """A running worker. All methods may be called from any thread.

    ``on_end(process, status)`` is called once, in a thread of our own, when the process has ended and its
    last output has been taken, before the end becomes public. ``output_before``: what ``hand_over_output`` of
    the process before has returned. Raises LaunchError ``launch_failed`` if the system refuses to start the
    process, and leaves nothing behind then.
    """

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
        self._lock = (
            threading.RLock()
        )  # for signals and reaping; reentrant because a signal handler may end the worker
        super().__init__(on_end)
        self._streams: Dict[int, int] = {}  # open descriptors and their streams
        with contextlib.ExitStack() as held:  # descriptors: closed at the end, or here if anything fails
            try:
                self._launch(arguments, environment, directory, output, inherited, output_before, held)
            except (OSError, ValueError) as error:
                raise not_started(arguments[0], directory, error) from error
            self._held = held.pop_all()
        self.pid = self._popen.pid
        if sys.platform == "linux":
            self.inherited_peak_nbytes = own_peak_nbytes()
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
        """Whether it is running; asks the kernel. Once it is not, ``exit_status`` and
        ``output_tail`` are complete.
        """
        if self._ended.is_set():
            return False
        if not has_ended(self.pid):
            return True
        self._ended.wait(ABANDON_S)  # the watcher is about to say so
        return False

    def switch_output(self, message: str) -> None:
        """What was written until now belongs to the call so far, later
        output to the call with this message.
        """
        self._output.switch(message, self._read)

    def wait_for_room(self, timeout_s: float) -> None:
        """Call it before giving the worker more to do: waits, but only briefly, while too much of its
        output has not been passed on.
        """
        self._output.wait_for_room(timeout_s)

    @property
    def output_is_behind(self) -> bool:
        """Whether the callback that gets the output is so slow that it may hold up the worker."""
        return self._output.is_behind

    def interrupt(self) -> None:
        """Have the worker interrupt its handler or write its stacks, if it knows how (spec/life.md)."""
        self._signal_leader(signal.SIGURG)

    def ask_for_stack(self) -> None:
        """Have faulthandler write the stack of the worker's main thread into stack.txt, if the worker
        has set it up (spec/life.md).
        """
        self._signal_leader(signal.SIGWINCH)

    def terminate(self) -> None:
        """SIGTERM to the worker and its group; SIGCONT lets a stopped worker notice it."""
        with self._lock:
            self._signal_group(signal.SIGTERM)
            self._signal_group(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to the worker and its whole group."""
        with self._lock:
            self._signal_group(signal.SIGKILL)
        self._killed.set()

    def disown(self) -> None:
        """Call it in a fork of the host: the worker is not its child, and must be neither
        waited for nor signalled.
        """
        self._popen.returncode = self._popen.returncode or 0

    def _release(self) -> None:
        self._held.close()
        self._is_released = True

    def _launch(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Optional[str],
        output: Output,
        inherited: Sequence[int],
        output_before: Optional[OutputFlow],
        held: contextlib.ExitStack,
    ) -> None:
        theirs: List[int] = []  # the child's ends
        # The exit handle becomes readable when the process has ended. Nobody ever reads it.
        self.exit_handle, self._exit_signal = _pipe(held)
        self._output = self._flow(output, output_before)
        held.callback(self._output.close)
        try:
            for stream in range(2):
                reads, writes = make_pipe()
                held.callback(close_held, reads)
                theirs.append(writes)
                os.set_blocking(reads, False)
                self._streams[reads] = stream
            lifeline_read, lifeline_write = make_pipe()
            held.callback(close_held, lifeline_write)
            theirs.append(lifeline_read)
            self._popen = subprocess.Popen(
                arguments,
                env={**environment, "TR_HOST_PID": str(os.getpid()), "TR_LIFELINE": str(lifeline_read)},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=theirs[0],
                stderr=theirs[1],
                pass_fds=[lifeline_read, *inherited],
                start_new_session=True,
            )
            if sys.platform == "linux":
                arm(lifeline_read, -self._popen.pid)
        finally:
            for descriptor in theirs:
                close_held(descriptor)

    def _flow(self, output: Output, before: Optional[OutputFlow]) -> OutputFlow:
        if callable(output):
            return LineFlow(output, before)
        return SinkFlow(open_sink(output, functools.partial(_DescriptorSink, exit_handle=self.exit_handle)))

    def _signal_leader(self, number: int) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError, PermissionError):
            if self._popen.returncode is None:
                os.kill(self.pid, number)

    def _signal_group(self, number: int) -> None:
        # Once the leader has been reaped, its process id may be reused.
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _watch(self) -> None:
        status = self._wait_for_end()
        self._output.take(self._read, last=True)
        self._tell_end(status)
        os.write(self._exit_signal, b"!")
        self._killed.wait(_HELPER_GRACE_S)
        with self._lock:
            self._signal_group(signal.SIGKILL)
            self._popen.wait()
        if self._closed and self.is_unkillable:
            self._pump.join(ABANDON_S)
            self._held.close()

    def _wait_for_end(self) -> Optional[int]:
        while True:
            try:
                return wait_for_end(self.pid)
            except OSError:  # no free descriptor on a platform that needs one
                time.sleep(RETRY_S)

    def _give_output(self) -> None:
        while not self._ended.is_set():
            try:
                self._give_some()
            except Exception:  # such as MemoryError: better to lose some output than the thread
                self._ended.wait(RETRY_S)
        with contextlib.suppress(Exception):
            self._output.give()

    def _give_some(self) -> None:
        """Wait for output and pass it on, until the end."""
        poll = select.poll()
        watched = set(self._streams)
        for descriptor in (*watched, self.exit_handle):
            poll.register(descriptor, select.POLLIN)
        while not self._ended.is_set():
            try:
                poll.poll()
            except OSError as error:
                rest_if_refused(error, RETRY_S)
            self._output.wait_for_room(math.inf)
            self._output.take(self._read)
            self._output.give()
            for descriptor in watched - set(self._streams):  # an ended stream would wake every poll
                poll.unregister(descriptor)
                watched.discard(descriptor)

    def _read(self) -> List[Tuple[int, bytes]]:
        """What the streams hold now, in pieces with their streams. Called under the flow's lock."""
        pieces: List[Tuple[int, bytes]] = []
        for descriptor, stream in list(self._streams.items()):
            taken = 0
            while taken < _TAKE_NBYTES:
                try:
                    data = os.read(descriptor, 65536)
                except BlockingIOError:
                    break
                except OSError:
                    data = b""
                if not data:
                    del self._streams[descriptor]
                    break
                pieces.append((stream, data))
                taken += len(data)
        return pieces


class _DescriptorSink(DescriptorSink):
    """``exit_handle``: the exit handle of the worker whose output this is."""

    def __init__(self, descriptors: Sequence[int], *, owned: bool, exit_handle: int) -> None:
        super().__init__(descriptors, owned=owned)
        self._exit_handle = exit_handle

    def write(self, stream: int, data: bytes) -> None:
        """See Sink. Once the worker has ended, output that cannot be written at once is dropped."""
        descriptor = self._descriptors[stream]
        view = memoryview(data)
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.register(self._exit_handle, select.POLLIN)
        with contextlib.suppress(OSError):  # the host may close its own output
            while view and descriptor in [ready for ready, _ in poll.poll()]:
                view = view[os.write(descriptor, view[:_CHUNK]) :]


def _pipe(held: contextlib.ExitStack) -> Tuple[int, int]:
    ends = make_pipe()
    for end in ends:
        held.callback(close_held, end)
    return ends
