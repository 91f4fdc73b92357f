"""The states of one session, as seen by either side. No I/O, no clock, no platform.

Rule 1: everything that decides which frame may come next is in TRANSITIONS.
Rule 2: the table does not know which side it serves; a Connection only adds who broke it.
"""

import enum
from collections import deque
from typing import Deque, Dict, Optional

from ._errors import LocalProtocolError, RemoteProtocolError
from ._frame import Frame, Request, Response


class State(enum.Enum):
    """States as in spec/protocol.md."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    EXITING = "exiting"
    EXITED = "exited"
    LOST = "lost"


# Event names are those of the frames. "LastResponse" is the response to the only request that waits; "Lost" is no
# frame: the process ended, or the transport broke.
TRANSITIONS: Dict[State, Dict[str, State]] = {
    State.STARTING: {"Ready": State.READY, "Exiting": State.EXITED, "Lost": State.LOST},
    State.READY: {
        "Request": State.BUSY,
        "Exit": State.EXITING,
        "Exiting": State.EXITED,
        "Lost": State.LOST,
    },
    State.BUSY: {
        "Request": State.BUSY,
        "Response": State.BUSY,
        "LastResponse": State.READY,
        "Exit": State.EXITING,
        "Exiting": State.EXITED,
        "Lost": State.LOST,
    },
    State.EXITING: {
        "Response": State.EXITING,
        "LastResponse": State.EXITING,
        "Exiting": State.EXITED,
        "Lost": State.LOST,
    },
    State.EXITED: {"Lost": State.EXITED},
    State.LOST: {"Lost": State.LOST},
}


class Connection:
    """Tracks a session's state from the frames that pass. Not thread-safe."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self._waiting: Deque[Optional[int]] = deque()

    def sent(self, frame: Frame) -> None:
        """We send ``frame``: raises LocalProtocolError ``bad_state`` if we may not; the state is then unchanged."""
        defect = self._advance(frame)
        if defect:
            raise LocalProtocolError("bad_state", f"we may not send {defect}")

    def received(self, frame: Frame) -> None:
        """The other side sent ``frame``: raises RemoteProtocolError ``bad_state`` if it may not."""
        defect = self._advance(frame)
        if defect:
            raise RemoteProtocolError("bad_state", f"the other side sent {defect}")

    def lost(self) -> None:
        """The other side is gone. Allowed in every state."""
        self.state = TRANSITIONS[self.state]["Lost"]
        self._waiting.clear()

    @property
    def oldest_request(self) -> Optional[int]:
        """Id of the oldest request without a response; None if there is none (or it has no id)."""
        return self._waiting[0] if self._waiting else None

    def _advance(self, frame: Frame) -> str:
        """Apply the frame; returns what is wrong with it, or nothing."""
        event = type(frame).__name__
        if isinstance(frame, Response):
            if self._waiting and frame.id != self._waiting[0]:
                return f"a response to request {frame.id}, but request {self._waiting[0]} is the oldest"
            if len(self._waiting) == 1:
                event = "LastResponse"
        following = TRANSITIONS[self.state].get(event)
        if following is None or (isinstance(frame, Response) and not self._waiting):
            return f"{event} while {self.state.value}"
        if isinstance(frame, Request):
            self._waiting.append(frame.id)
        elif isinstance(frame, Response):
            self._waiting.popleft()
        self.state = following
        return ""
