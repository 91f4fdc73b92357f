"""What happens to the worker's output: the last part is kept, and all of it is passed on
to where the host wants it.

Taking output and passing it on are separate: a slow reader or callback holds up the thread that passes output
on, and the worker once its pipe is full, but nothing else.
"""

import contextlib
import os
import threading
from collections import deque
from typing import Callable, Deque, List, NamedTuple, Sequence, Tuple, Union

from .._base.display import path_for_display
from .._base.errors import LaunchError
from .._system.forks import close_held, make_held

TAIL_NBYTES = 64 * 1024
STREAMS = ("stdout", "stderr")

# Returns what can be read now: pieces, each with its stream as an index into STREAMS.
Reader = Callable[[], List[Tuple[int, bytes]]]


class OutputLine(NamedTuple):
    """A line of a worker's output.

    ``text`` is without its newline; a line longer than 64 KiB comes in parts. ``stream`` is
    "stdout" or "stderr"; or "dropped": the text then says how much output was dropped because the
    function that gets the lines was too slow. ``message`` is the message of the call during which
    it was written; empty between calls.
    """

    text: str
    stream: str
    message: str


# "inherit", "discard", the path of a file to append to, or a function that gets each
# line (in a thread of ours).
Output = Union[str, Callable[[OutputLine], None]]


class Tail:
    """The last TAIL_NBYTES of a stream. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant because a signal handler may use the session
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Append, and forget what is too old."""
        with self._lock:
            self._data += data
            del self._data[:-TAIL_NBYTES]

    def text(self) -> str:
        """What is kept, as text."""
        with self._lock:
            return self._data.decode("utf-8", "replace")


class OutputFlow:
    """Takes output, keeps tails of it, and passes it on in order. Thread-safe. One thread, the
    pump, takes and gives in turns.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant because a signal handler may use the session
        self._message = ""
        self.tail = Tail()
        self.stderr_tail = Tail()

    def start(self) -> None:
        """Called once the process is running. Raises RuntimeError if no thread can be started."""

    def take(self, read: Reader, *, last: bool = False) -> None:
        """Take what can be read now, as output of the current call. ``last``: the process has ended."""
        del last
        with self._lock:
            self._take(read)

    def switch(self, message: str, read: Reader) -> None:
        """What can be read now belongs to the call so far; later output belongs to this one."""
        with self._lock:
            self._take(read)
            self._end_call()
            self._message = message

    def wait_for_room(self, timeout_s: float) -> None:
        """Wait while too much output has not been given yet. Call it before taking more, or
        letting the worker write more.
        """

    @property
    def is_behind(self) -> bool:
        """Whether there is a callback that has left so much output that the worker may be held up."""
        return False

    def give(self) -> None:
        """Pass on what was taken. Called in the pump."""

    def finish(self) -> None:
        """Give a callback the rest, within bounds, after which it is not called again. Call it once the
        process has ended or was abandoned.
        """

    def leave(self) -> None:
        """The flow of the next process sees to the rest, and ``close`` does not."""

    def close(self) -> None:
        """Pass on the rest, within bounds, and release resources. Call it once, after the pump has ended."""

    def _take(self, read: Reader) -> None:
        with contextlib.suppress(MemoryError):  # better to lose output than the host
            for stream, data in read():
                self.tail.add(data)
                if stream:
                    self.stderr_tail.add(data)
                self._keep(stream, data)

    def _keep(self, stream: int, data: bytes) -> None:
        """Keep a piece to be passed on. Called under the lock."""

    def _end_call(self) -> None:
        """The current call's output is complete. Called under the lock."""


class Sink:
    """A destination for output that is not cut into lines. ``write`` may wait for its reader
    as long as the worker lives.
    """

    def write(self, stream: int, data: bytes) -> None:
        """Pass ``data`` on. ``stream`` is an index into STREAMS."""

    def close(self) -> None:
        """Release the sink's resources."""


class DescriptorSink(Sink):
    """Passes output on to descriptors, one for each stream. Each platform writes in its own way."""

    def __init__(self, descriptors: Sequence[int], *, owned: bool) -> None:
        """``owned``: both are the same descriptor, which is closed at the end."""
        self._descriptors = descriptors
        self._owned = owned

    def close(self) -> None:
        """See Sink."""
        if self._owned:
            close_held(self._descriptors[0])


def open_sink(output: str, to_descriptors: Callable[..., Sink]) -> Sink:
    """The sink for an output option. ``to_descriptors`` makes the platform's DescriptorSink
    and takes the same arguments.

    Raises LaunchError ``launch_failed`` if a file cannot be opened.
    """
    if output == "inherit":
        return to_descriptors((1, 2), owned=False)
    if output == "discard":
        return Sink()
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        descriptor = make_held(lambda: os.open(output, flags, 0o600))
    except OSError as error:
        text = f"cannot open {path_for_display(output)} for the worker's output: {error.strerror}"
        raise LaunchError("launch_failed", text) from error
    return to_descriptors((descriptor, descriptor), owned=True)


class SinkFlow(OutputFlow):
    """Gives output to a sink, in the pump, which takes more only after giving what it has."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self._giving = threading.Lock()  # taken before _lock; needed where each stream has a pump of its own
        self._taken: Deque[Tuple[int, bytes]] = deque()

    def give(self) -> None:
        """See OutputFlow."""
        with self._giving:
            while self._taken:
                self._sink.write(*self._taken.popleft())

    def close(self) -> None:
        """See OutputFlow."""
        self._sink.close()

    def _keep(self, stream: int, data: bytes) -> None:
        self._taken.append((stream, data))
