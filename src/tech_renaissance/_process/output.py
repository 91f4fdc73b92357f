"""What happens to the worker's output: its last part is kept, and all of it goes to where the host wants it.

Taking output and giving it on are separate: a slow reader or callback holds up the giver, and the worker through its full
pipe, but nobody else.
"""

import contextlib
import os
import threading
from collections import deque
from typing import Callable, Deque, List, NamedTuple, Sequence, Tuple, Union

from .._base.errors import LaunchError
from .._system.fork import close_held, make_held

TAIL_NBYTES = 64 * 1024
STREAMS = ("stdout", "stderr")

# What can be read now, each piece with its stream, an index of STREAMS.
Reader = Callable[[], List[Tuple[int, bytes]]]


class OutputLine(NamedTuple):
    """A line of a worker's output.

    ``text`` is without its newline; what is longer than 64 KiB comes in parts. ``stream``: "stdout" or "stderr"; or "dropped": then
    the text says how much of the output was, because the function that is given the lines was too slow for it. ``command``: the message
    of the call in whose time it was written; empty between calls.
    """

    text: str
    stream: str
    command: str


# "inherit", "discard", the path of a file to append to, or a function that gets line by line (in a thread of ours).
Output = Union[str, Callable[[OutputLine], None]]


class Tail:
    """The last TAIL_NBYTES of a stream. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may use the session, too
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Append; forgets what is too old."""
        with self._lock:
            self._data += data
            del self._data[:-TAIL_NBYTES]

    def text(self) -> str:
        """What is kept, as text."""
        with self._lock:
            return self._data.decode("utf-8", "replace")


class OutputFlow:
    """Takes what comes, keeps tails, and has it given on in order. Thread-safe; one thread, the pump, takes and gives in turns."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may use the session, too
        self._command = ""
        self.tail = Tail()
        self.stderr_tail = Tail()

    def start(self) -> None:
        """The process runs. Raises RuntimeError if there is no thread to be had."""

    def take(self, read: Reader, *, last: bool = False) -> None:
        """Take what can be read now, as written in the time of the present call. ``last``: the process has ended."""
        del last
        with self._lock:
            self._take(read)

    def switch(self, command: str, read: Reader) -> None:
        """What can be read now belongs to the call so far; what comes later, to this one."""
        with self._lock:
            self._take(read)
            self._end_call()
            self._command = command

    def wait_for_room(self, timeout_s: float) -> None:
        """Hold up who is about to have more taken, or written, as long as it should be: where there is too much that was not given."""

    def give(self) -> None:
        """Give on what was taken; in the pump."""

    def close(self) -> None:
        """Give on the rest, within bounds, and release what is held. To be called once, after the pump's end."""

    def _take(self, read: Reader) -> None:
        with contextlib.suppress(MemoryError):  # output is lost rather than the host
            for stream, data in read():
                self.tail.add(data)
                if stream:
                    self.stderr_tail.add(data)
                self._keep(stream, data)

    def _keep(self, stream: int, data: bytes) -> None:
        """Have a piece given on; under the lock."""

    def _end_call(self) -> None:
        """What was written in the time of the present call is complete; under the lock."""


class Sink:
    """Where output goes that is not cut into lines. ``write`` may wait for its reader as long as the worker lives."""

    def write(self, stream: int, data: bytes) -> None:
        """Pass on. ``stream``: an index of STREAMS."""

    def close(self) -> None:
        """Release what the sink holds."""


class DescriptorSink(Sink):
    """Passes output on to descriptors, one for each stream; how to write to one is the platform's."""

    def __init__(self, descriptors: Sequence[int], *, owned: bool) -> None:
        """``owned``: it is one descriptor for both, to be closed at the end."""
        self._descriptors = descriptors
        self._owned = owned

    def close(self) -> None:
        """See Sink."""
        if self._owned:
            close_held(self._descriptors[0])


def open_sink(output: str, to_descriptors: Callable[..., Sink]) -> Sink:
    """Where output is to go. ``to_descriptors``: makes the platform's DescriptorSink, with the same arguments.

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
        raise LaunchError("launch_failed", f"cannot open the worker's output file: {error}") from error
    return to_descriptors((descriptor, descriptor), owned=True)


class SinkFlow(OutputFlow):
    """Gives what it takes to a sink, in the pump: the next is taken when the last was given."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self._giving = threading.Lock()  # taken first; where each stream has a pump
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
