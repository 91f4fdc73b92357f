"""What a session's worker is doing, for the user."""

from typing import NamedTuple


class SessionState(NamedTuple):
    """What a session's worker is doing: ``name`` is a state of spec/life.md; ``message`` is the message that
    it has been busy with for ``busy_s`` seconds.
    """

    name: str
    message: str = ""
    busy_s: float = 0.0
