"""Output by lines: lines for a callback are kept, within bounds, and given to it in a thread of its own.

Contract: spec/life.md, Output by lines.
"""

import contextlib
import math
import threading
import time
import traceback
from collections import deque
from typing import Callable, Deque, NamedTuple, Optional

from .output import STREAMS, OutputFlow, OutputLine, Reader

_LONGEST_LINE = 64 * 1024
# How much output is kept for a callback. Output taken along with an answer may exceed
# this, up to twice as much.
_MOST_NBYTES = 1 << 20
# Roughly how much memory a piece needs besides its bytes.
_PIECE_NBYTES = 256
# How long a callback may hold up its worker, and for how long it gets the remaining lines at the end.
_PATIENCE_S = 1.0
# How long to wait at the end for a callback that does not return.
_ABANDON_S = 5.0


class Piece(NamedTuple):
    """Bytes of a stream; or, with stream -1, the end of a call or a number of ``dropped`` bytes."""

    message: str
    stream: int
    data: bytes
    dropped: int
    cost: int  # roughly how much memory it needs


class Backlog:
    """Pieces that the callback has not got yet, oldest first. Not thread-safe.

    Whoever adds to a full backlog may wait for room as long as it likes, and then call ``drop``: new output
    is dropped until half of the backlog has been taken.
    """

    def __init__(self) -> None:
        self._pieces: Deque[Piece] = deque()
        self._nbytes = 0
        self._last_message = ""
        self._is_dropping = False
        self._is_ended = True  # nothing has been added since the end of a call

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be added. What is added all the same is kept, up to twice the bound."""
        return self._nbytes >= _MOST_NBYTES and not self._is_dropping

    @property
    def is_behind(self) -> bool:
        """Whether it is full, or was and has not been halved since."""
        return self._nbytes >= _MOST_NBYTES or self._is_dropping

    def drop(self) -> None:
        """From now on only count new output, until half has been taken."""
        self._is_dropping = True

    def add(self, stream: int, data: bytes, message: str) -> None:
        """Add output that was written during a call."""
        if self._nbytes >= 2 * _MOST_NBYTES:
            self.drop()
        if not self._is_dropping:
            self._append(stream, data, message)
        elif self._pieces and self._pieces[-1].dropped:
            last = self._pieces[-1]
            only = message if message == last.message else ""  # several calls' output belongs to none
            self._pieces[-1] = last._replace(dropped=last.dropped + len(data), message=only)
        else:
            self._append(-1, b"", message, len(data))
        self._is_ended = self._is_dropping

    def end_call(self, message: str) -> None:
        """The output of a call is complete."""
        if not self._is_ended:
            self._append(-1, b"", message)
            self._is_ended = True

    def take(self) -> Optional[Piece]:
        """Remove and return the oldest piece; None if there is none."""
        if not self._pieces:
            return None
        piece = self._pieces.popleft()
        self._nbytes -= piece.cost
        if self._nbytes <= _MOST_NBYTES // 2:
            self._is_dropping = False
        return piece

    def _append(self, stream: int, data: bytes, message: str, dropped: int = 0) -> None:
        cost = _PIECE_NBYTES + len(data)
        if message is not self._last_message:  # the pieces of one call share its message
            cost += 4 * len(message)
        self._last_message = message
        self._pieces.append(Piece(message, stream, data, dropped, cost))
        self._nbytes += cost


class Lines:
    """Cuts pieces into lines, which end with LF or CR LF. ``give`` is called with each line and the
    number of bytes it stands for.
    """

    def __init__(self, give: Callable[[OutputLine, int], None]) -> None:
        self._give = give
        self._parts = [b"", b""]
        self._message = ""  # the call that the unfinished parts belong to

    def write(self, piece: Piece) -> None:
        """Give the lines that end in this piece. The end of a call and dropped bytes
        also end unfinished lines.
        """
        if piece.stream < 0:
            self.end()
            if piece.dropped:
                self._give(dropped_line(piece.dropped, piece.message), piece.dropped)
            return
        self._message = piece.message
        *lines, rest = (self._parts[piece.stream] + piece.data).split(b"\n")
        self._parts[piece.stream] = b""
        for line in lines:
            self._give_line(piece.stream, line[:-1] if line.endswith(b"\r") else line, len(line) + 1)
        while len(rest) > _LONGEST_LINE + rest.endswith(b"\r"):  # it may be half of a line's end
            self._give_line(piece.stream, rest[:_LONGEST_LINE], _LONGEST_LINE)
            rest = rest[_LONGEST_LINE:]
        self._parts[piece.stream] = rest

    def end(self) -> None:
        """Give unfinished lines as they are."""
        for stream, rest in enumerate(self._parts):
            self._parts[stream] = b""
            if rest:
                self._give_line(stream, rest, len(rest))

    def _give_line(self, stream: int, line: bytes, nbytes: int) -> None:
        """Give a line, in parts if it is too long. ``nbytes`` includes the newline, if there is one."""
        while len(line) > _LONGEST_LINE:
            self._give_line(stream, line[:_LONGEST_LINE], _LONGEST_LINE)
            line, nbytes = line[_LONGEST_LINE:], nbytes - _LONGEST_LINE
        text = line.decode("utf-8", "replace")
        self._give(OutputLine(text, STREAMS[stream], self._message), nbytes)


def dropped_line(nbytes: int, message: str) -> OutputLine:
    """The line that a callback gets in place of output that it was too slow for."""
    text = f"{nbytes} bytes of output were dropped: the callback was too slow"
    return OutputLine(text, "dropped", message)


class LineFlow(OutputFlow):
    """Gives lines to a callback, in a thread of its own. An exception in it is
    printed and has no other effect.
    """

    def __init__(self, callback: Callable[[OutputLine], None], before: Optional[OutputFlow] = None) -> None:
        """``before``: the flow of the process before this one, whose lines are given first."""
        super().__init__()
        self._callback = callback
        self._before = before if isinstance(before, LineFlow) else None
        self._changed = threading.Condition(self._lock)
        self._backlog = Backlog()
        self._full_since = math.inf
        self._is_complete = False  # no more output will come
        self._give_until = math.inf
        self._added_nbytes = 0
        self._told_nbytes = 0  # what the callback has got, or has been told to be dropped; set by the thread
        self._is_left = False
        self._is_abandoned = False
        self._thread = threading.Thread(target=self._run, name="tech_renaissance lines", daemon=True)

    def start(self) -> None:
        """See OutputFlow."""
        self._thread.start()

    def take(self, read: Reader, *, last: bool = False) -> None:
        """See OutputFlow."""
        with self._lock:
            self._take(read)
            self._is_complete = self._is_complete or last
            self._changed.notify_all()

    def switch(self, message: str, read: Reader) -> None:
        """See OutputFlow."""
        with self._lock:
            super().switch(message, read)
            self._changed.notify_all()

    def wait_for_room(self, timeout_s: float) -> None:
        """See OutputFlow. Waits no longer than a callback may hold things up. In the callback itself, which
        alone makes room, it does not wait at all.
        """
        until = time.monotonic() + timeout_s
        with self._lock:
            while self._backlog.is_full and not self._is_complete and not self.is_own_thread:
                now = time.monotonic()
                if now >= self._full_since + _PATIENCE_S:
                    self._backlog.drop()
                elif now >= until:
                    return
                else:
                    self._changed.wait(min(until, self._full_since + _PATIENCE_S) - now)

    @property
    def is_behind(self) -> bool:
        """See OutputFlow."""
        return self._backlog.is_behind

    def finish(self) -> None:
        """See OutputFlow. A callback that does not return is abandoned, and so is one that calls this."""
        with self._lock:
            self._is_complete = True
            self._give_until = min(self._give_until, time.monotonic() + _PATIENCE_S)
            self._changed.notify_all()
        if self._thread.ident is not None and not self._is_abandoned and not self.is_own_thread:
            self._thread.join(_ABANDON_S)
        self.abandon()

    def leave(self) -> None:
        """See OutputFlow."""
        self._is_left = True

    def close(self) -> None:
        """See OutputFlow."""
        if not self._is_left:
            self.finish()

    @property
    def is_own_thread(self) -> bool:
        """Whether this is the callback, for these lines or those before."""
        before = self._before
        return threading.current_thread() is self._thread or (before is not None and before.is_own_thread)

    @property
    def left_nbytes(self) -> int:
        """What the callback has neither got nor been told of."""
        return self._added_nbytes - self._told_nbytes

    def abandon(self) -> None:
        """Never call the callback again, for these lines or those before."""
        before = self._before
        self._is_abandoned = True
        if before:
            before.abandon()

    def _keep(self, stream: int, data: bytes) -> None:
        self._added_nbytes += len(data)
        self._backlog.add(stream, data, self._message)
        self._note_added()

    def _end_call(self) -> None:
        if self._message:
            self._backlog.end_call(self._message)
            self._note_added()

    def _note_added(self) -> None:
        if self._backlog.is_full:
            self._full_since = min(self._full_since, time.monotonic())

    def _run(self) -> None:
        lines = Lines(self._give)
        if self._before:
            self._follow(self._before)
        while True:
            piece = self._next()
            if piece is None:
                break
            with contextlib.suppress(MemoryError):  # better to lose output than the host
                lines.write(piece)
        lines.end()
        self._tell_left()

    def _follow(self, before: "LineFlow") -> None:
        """Wait until the lines before have been given, and tell what was lost of them."""
        before.finish()
        lost = before.left_nbytes
        with self._lock:
            self._before = None
            self._added_nbytes += lost
        if lost:
            self._give(dropped_line(lost, ""), lost)

    def _tell_left(self) -> None:
        left = self.left_nbytes
        if left and not self._is_abandoned:
            self._told_nbytes += left
            self._call(dropped_line(left, ""))

    def _next(self) -> Optional[Piece]:
        """Wait for the next piece and return it; None after the last."""
        with self._lock:
            while not (self._backlog or self._is_complete):
                self._changed.wait()
            piece = self._backlog.take()
            if not self._backlog.is_full:
                self._full_since = math.inf
                self._changed.notify_all()
            return piece

    def _give(self, line: OutputLine, nbytes: int) -> None:
        if self._is_abandoned:  # also if the callback itself closed it
            return
        if time.monotonic() <= self._give_until:
            self._told_nbytes += nbytes
            self._call(line)

    def _call(self, line: OutputLine) -> None:
        try:
            self._callback(line)
        except BaseException:  # there is no caller to raise it to
            with contextlib.suppress(BaseException):  # printing may fail, too
                traceback.print_exc()
