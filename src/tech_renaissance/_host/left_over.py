"""The calls that no worker has: those that a dead worker had not begun, until the next one gets them."""

from collections import deque
from typing import Deque, List, Optional

from .._base.errors import TechRenaissanceError
from .call import Call, expired


class LeftOver:
    """A queue of calls, oldest first. Not thread-safe."""

    def __init__(self) -> None:
        self._calls: Deque[Call] = deque()

    def put_first(self, calls: List[Call]) -> None:
        """Add the calls of a dead worker, which were sent before those still here."""
        self._calls.extendleft(reversed(calls))

    def take(self) -> Optional[Call]:
        """Take the next call that someone is waiting for; None if there is none. It belongs to the caller, unless put back."""
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
        """Fail all calls: none of them will be sent."""
        while self._calls:
            self._calls.popleft().error = error
