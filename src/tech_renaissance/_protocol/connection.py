"""The states of one session, as seen by either side. No I/O, no clock, no platform.

Rule 1: everything that decides which frame may come next is in TRANSITIONS.
Rule 2: the table does not know which side it serves; a Connection only adds who broke the rule.
"""

import enum
from typing import Dict, Optional, Sequence, Set, Union

from .._base.errors import LocalProtocolError, RemoteProtocolError
from .frame import Answer, Ask, Credit, Exit, Exiting, Frame, Item, Progress, Ready, Request, Response


class State(enum.Enum):
    """States as in spec/protocol.md."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    EXITING = "exiting"
    EXITED = "exited"
    LOST = "lost"


# Events are named after frames. "LastResponse" is the response to the only waiting request; "Lost" is not a
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


class _Node:
    """A state and where its events lead: TRANSITIONS as linked objects, so that a step is one look-up.
    Frames are looked up by class.
    """

    __slots__ = ("following", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self.following: Dict[Union[str, type], _Node] = {}


_CLASSES: Dict[str, type] = {kind.__name__: kind for kind in (Ready, Request, Exit, Exiting)}
# What passes only while its request is unanswered, and changes no state.
_BESIDE = (Item, Credit, Progress, Ask, Answer)
_NODES = {state: _Node(state) for state in State}
for _state, _moves in TRANSITIONS.items():
    _NODES[_state].following = {
        _CLASSES.get(event, event): _NODES[target] for event, target in _moves.items()
    }


class Connection:
    """Tracks a session's state from the frames that pass. Not thread-safe."""

    def __init__(self, other: str = "the other side") -> None:
        """``other``: whom errors call so."""
        self._other = other
        self._node = _NODES[State.STARTING]
        # The ids of the requests without a response, oldest first; None stands for a request without an id.
        self.unanswered: Dict[Optional[int], None] = {}
        self.asking: Set[Optional[int]] = set()  # those of which an Ask has no Answer

    @property
    def state(self) -> State:
        """The current state."""
        return self._node.state

    def sent(self, frame: Frame) -> None:
        """Note that we send ``frame``. Raises LocalProtocolError ``bad_state`` if we may not, and
        leaves the state unchanged.
        """
        defect = self._answer(frame) if isinstance(frame, Response) else self._advance(frame)
        if defect:
            raise LocalProtocolError("bad_state", f"we may not send {defect}")

    def received(self, frame: Frame) -> None:
        """Note that the other side sent ``frame``. Raises RemoteProtocolError ``bad_state`` if it may not."""
        defect = self._answer(frame) if isinstance(frame, Response) else self._advance(frame)
        if defect:
            raise RemoteProtocolError("bad_state", f"{self._other} sent {defect}")

    def sent_again(self, frame: Frame) -> None:
        """Finish a ``sent`` that was interrupted or did not begin; does nothing if it had finished."""
        if isinstance(frame, Request):
            self.posted(frame.id)

    def posted(self, request_id: Optional[int]) -> None:
        """Note that we send a request while we may. May be repeated."""
        self.unanswered[request_id] = None
        if self.state is State.READY:
            self._node = _NODES[State.BUSY]

    def unsent(self, frame: Frame) -> None:
        """Undo the last ``sent``, as far as it got: the frame was not sent after all."""
        if isinstance(frame, Request):
            self.unanswered.pop(frame.id, None)
        elif isinstance(frame, Ask):
            self.asking.discard(frame.id)
        elif isinstance(frame, Answer):
            self.asking.add(frame.id)
        if self.state in (State.READY, State.BUSY) or (
            isinstance(frame, Exit) and self.state is State.EXITING
        ):
            self._node = _NODES[State.BUSY if self.unanswered else State.READY]

    def answered(self, request_id: Optional[int]) -> None:
        """The same for the Response to the only request that is unanswered."""
        del self.unanswered[request_id]
        self.asking.clear()
        self._node = self._node.following["LastResponse"]

    def how_many_may_come(self, request_ids: Sequence[Optional[int]]) -> int:
        """How many of the Responses to these requests may come, in this order."""
        if State.EXITING is not self.state is not State.BUSY:
            return 0
        expected = set(request_ids) & self.unanswered.keys()
        if len(expected) == len(request_ids):
            return len(request_ids)
        count = 0
        for request_id in request_ids:
            if request_id not in expected:
                break
            expected.discard(request_id)
            count += 1
        return count

    def came(self, request_ids: Sequence[Optional[int]]) -> None:
        """Note that the other side sent the Responses to these requests, which may come. May be repeated."""
        for request_id in request_ids:
            self.unanswered.pop(request_id, None)
        if self.asking:
            self.asking.difference_update(request_ids)
        if self.state is State.BUSY and not self.unanswered:
            self._node = _NODES[State.READY]

    def received_again(self, frame: Frame) -> None:
        """Finish a ``received`` that was interrupted; does nothing if it had finished."""
        if isinstance(frame, Ask):
            self.asking.add(frame.id)
            return
        if not isinstance(frame, Response):
            self._advance(frame)
            return
        self.unanswered.pop(frame.id, None)
        self.asking.discard(frame.id)
        if self.state is State.BUSY and not self.unanswered:
            self._node = _NODES[State.READY]

    def lost(self) -> None:
        """Note that the other side has ended. Allowed in every state."""
        self._node = self._node.following["Lost"]
        self.unanswered.clear()
        self.asking.clear()

    def whose(self, response_id: Optional[int]) -> Optional[int]:
        """Which request a response that cannot be read belongs to: the one
        that it names, or else the oldest.
        """
        return response_id if response_id in self.unanswered else next(iter(self.unanswered), None)

    def _advance(self, frame: Frame) -> str:
        """Apply the frame; returns what is wrong with it, or an empty text."""
        node = self._node.following.get(type(frame))
        if node is None:
            if isinstance(frame, _BESIDE):
                return self._pass(frame)
            return f"{type(frame).__name__} while {self.state.value}"
        if isinstance(frame, Request):
            self.unanswered[frame.id] = None
        self._node = node
        return ""

    def _pass(self, frame: Union[Item, Credit, Progress, Ask, Answer]) -> str:
        what = f"{type(frame).__name__} of request {frame.id}"
        if frame.id not in self.unanswered:
            return f"{what}, which is not waiting for an answer"
        if isinstance(frame, Ask):
            if frame.id in self.asking:
                return f"{what}, whose last Ask has no Answer yet"
            self.asking.add(frame.id)
        elif isinstance(frame, Answer):
            if frame.id not in self.asking:
                return f"{what}, which has not asked"
            self.asking.discard(frame.id)
        return ""

    def _answer(self, response: Response) -> str:
        unanswered = self.unanswered
        if response.id not in unanswered:
            if response.id is None:
                return "a response without an id"
            return f"a response to request {response.id}, which is not waiting for one"
        node = self._node.following.get("LastResponse" if len(unanswered) == 1 else "Response")
        if node is None:
            return f"a response while {self.state.value}"
        del unanswered[response.id]
        if self.asking:
            self.asking.discard(response.id)
        self._node = node
        return ""
