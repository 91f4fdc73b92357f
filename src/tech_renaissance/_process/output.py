"""What happens to the worker's output: its last part is kept, and all of it goes to where the host wants it.

Taking output and giving it on are separate: a slow reader or callback holds up the giver, and the worker through its full
pipe, but nobody else.
"""

import os
import threading
import traceback
from collections import deque
from typing import Callable, Deque, List, NamedTuple, Sequence, Tuple, Union

from .._base.errors import LaunchError

TAIL_NBYTES = 64 * 1024
_LONGEST_LINE = 64 * 1024
STREAMS = ("stdout", "stderr")


class OutputLine(NamedTuple):
    """A line of a worker's output.

    ``text`` is without its newline; what is longer than 64 KiB comes in parts. ``stream``: "stdout" or "stderr". ``command``: the
    message of the call in whose time it was written; empty between calls.
    """

    text: str
    stream: str
    command: str


# "inherit", "discard", the path of a file to append to, or a function that gets line by line (in a thread of ours).
Output = Union[str, Callable[[OutputLine], None]]


class Tail:
    """The last TAIL_NBYTES of a stream. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
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


class Sink:
    """Where output goes. ``write`` may wait for its reader as long as the worker lives."""

    def write(self, stream: int, data: bytes, command: str) -> None:
        """Pass on. ``stream``: an index of STREAMS."""

    def end_call(self, command: str) -> None:
        """What was written in the time of a call is complete."""

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
            os.close(self._descriptors[0])


def open_sink(output: Output, to_descriptors: Callable[..., Sink]) -> Sink:
    """Where output is to go. ``to_descriptors``: makes the platform's DescriptorSink, with the same arguments.

    Raises LaunchError ``launch_failed`` if a file cannot be opened.
    """
    if callable(output):
        return LineSink(output)
    if output == "inherit":
        return to_descriptors((1, 2), owned=False)
    if output == "discard":
        return Sink()
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        descriptor = os.open(output, flags, 0o600)
    except OSError as error:
        raise LaunchError("launch_failed", f"cannot open the worker's output file: {error}") from error
    return to_descriptors((descriptor, descriptor), owned=True)


class LineSink(Sink):
    """Cuts output into lines for a callback; what the callback raises is printed, and that is all."""

    def __init__(self, callback: Callable[[OutputLine], None]) -> None:
        self._callback = callback
        self._parts = [b"", b""]

    def write(self, stream: int, data: bytes, command: str) -> None:
        """See Sink."""
        *lines, rest = (self._parts[stream] + data).split(b"\n")
        for line in lines:
            self._give(stream, line, command)
        while len(rest) >= _LONGEST_LINE:
            self._give(stream, rest[:_LONGEST_LINE], command)
            rest = rest[_LONGEST_LINE:]
        self._parts[stream] = rest

    def end_call(self, command: str) -> None:
        """See Sink."""
        for stream, rest in enumerate(self._parts):
            self._parts[stream] = b""
            if rest:
                self._give(stream, rest, command)

    def _give(self, stream: int, line: bytes, command: str) -> None:
        for start in range(0, max(len(line), 1), _LONGEST_LINE):
            text = line[start : start + _LONGEST_LINE].decode("utf-8", "replace")
            try:
                self._callback(OutputLine(text, STREAMS[stream], command))
            except Exception:
                traceback.print_exc()


class OutputFlow:
    """Takes what comes, keeps tails, and gives it to a sink in order. Thread-safe."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._giving = threading.Lock()  # taken first
        self._taken: Deque[Tuple[int, bytes, str]] = deque()  # a stream of -1: the end of a call
        self._command = ""
        self.tail = Tail()
        self.stderr_tail = Tail()

    def take(self, pieces: Callable[[], List[Tuple[int, bytes]]]) -> None:
        """Take what a function can read now, as written in the time of the present call."""
        with self._lock:
            self._take(pieces)

    def switch(self, command: str, pieces: Callable[[], List[Tuple[int, bytes]]]) -> None:
        """What can be read now belongs to the call so far; what comes later, to this one."""
        with self._lock:
            self._take(pieces)
            if self._command:
                self._taken.append((-1, b"", self._command))
            self._command = command

    def give(self) -> None:
        """Give on what was taken."""
        with self._giving:
            while True:
                with self._lock:
                    if not self._taken:
                        return
                    stream, data, command = self._taken.popleft()
                if stream < 0:
                    self._sink.end_call(command)
                else:
                    self._sink.write(stream, data, command)

    def end(self) -> None:
        """Give on the rest."""
        self.give()
        self._sink.end_call(self._command)

    def close(self) -> None:
        """Release the sink."""
        self._sink.close()

    def _take(self, pieces: Callable[[], List[Tuple[int, bytes]]]) -> None:
        for stream, data in pieces():
            self.tail.add(data)
            if stream:
                self.stderr_tail.add(data)
            self._taken.append((stream, data, self._command))
