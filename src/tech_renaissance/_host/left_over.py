"""The calls that no worker has: what the dead one had not begun, until the next one gets it."""

from collections import deque
from typing import Deque, List, Optional

from .._base.errors import TechRenaissanceError
from .call import Call, expired


class LeftOver:
    """Oldest first. Not thread-safe."""

    def __init__(self) -> None:
        self._calls: Deque[Call] = deque()

    def put_first(self, calls: List[Call]) -> None:
        """What a worker leaves was sent before what is still here."""
        self._calls.extendleft(reversed(calls))

    def take(self) -> Optional[Call]:
        """The next one that somebody waits for; None if there is none. It is the sender's now, until it is put back."""
        while self._calls:
            call = self._calls.popleft()
            if not (call.abandoned or call.done):
                return call
        return None

    def expire(self, call: Call) -> bool:
        """End a call whose deadline has passed; False if it is not here."""
        if call not in self._calls:
            return False
        self._calls.remove(call)
        call.error = expired(call)
        return True

    def fail_all(self, error: TechRenaissanceError) -> None:
        """None of them is sent any more."""
        while self._calls:
            self._calls.popleft().error = error
