"""A forked child of the worker that returns from its handler exits, without a word to the
session. Contract: spec/life.md.
"""

import os
import sys
import traceback
from typing import Any, NoReturn, Optional, Sequence

from .._base.errors import SessionClosed
from .._base.tensor import DType, Library
from .._protocol.frame import Frame, Response
from .._transport.transport import WorkerTransport
from .reply import Leave
from .standard_streams import flush_streams, say


class ChildEnd(WorkerTransport):
    """Replaces the parent's end of the transport in a forked child: the child exits instead
    of sending or receiving on it.
    """

    def __init__(self, parents: WorkerTransport) -> None:
        self._parents = parents

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        _leave(frame)

    def receive(self, timeout_s: float) -> Optional[Frame]:
        """See Transport."""
        _leave()

    def close(self) -> None:
        """See Transport."""
        _leave()

    def wake(self) -> None:
        """See Transport."""

    def is_cancelled(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return self._parents.is_cancelled(request_id)

    def is_stopping(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return self._parents.is_stopping(request_id)

    def check_open(self, what: str) -> None:
        """See WorkerTransport."""
        raise _no_session(what)

    def get_tensor(self, tag: str, library: Optional[Library]) -> Any:
        """See WorkerTransport."""
        raise _no_session("get_tensors")

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See WorkerTransport."""
        raise _no_session("empty")


def _no_session(name: str) -> SessionClosed:
    return SessionClosed(
        "session_closed",
        f"{name}: this process is a fork of the worker, and the session is the worker's: call it before the fork",
    )


def _leave(frame: Optional[Frame] = None) -> NoReturn:
    """End this process with the status that its program would have had. ``frame`` is
    what it would have answered.
    """
    status = 1
    try:
        error = sys.exc_info()[1]
        status = _status(error.cause if isinstance(error, Leave) else error, frame)
        flush_streams()
    finally:
        os._exit(status)  # skips exit handlers, which belong to the parent


def _status(error: Optional[BaseException], frame: Optional[Frame]) -> int:
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        say(str(error.code))
    elif error is not None:
        say("".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip())
    elif isinstance(frame, Response) and frame.error and frame.error.traceback:
        say(frame.error.traceback.rstrip())
    else:
        return 0
    return 1
