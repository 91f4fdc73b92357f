"""The calls of a session that no worker has: they wait for room, for their turn, or for the next worker."""

import threading
from collections import deque
from typing import Callable, Deque, Dict, List, Optional

from .._base.errors import TechRenaissanceError
from .call import Call, unbegun


class CallQueue:
    """Oldest first. Thread-safe. Whichever worker serves takes its calls from here."""

    def __init__(self) -> None:
        # Held by whoever takes a call out, until it has been sent.
        self.lock = threading.RLock()
        # May be read without the lock, to see whether there is any.
        self.calls: Deque[Call] = deque()
        # Calls that wait until a worker is ready, before they line up.
        self.waiting: Dict[Call, None] = {}

    def add(self, call: Call) -> None:
        """Put a call in line, unless it is there."""
        if not call.is_queued:
            self.calls.append(call)
            call.is_queued = True

    def first(self) -> Optional[Call]:
        """The call whose turn it is; stays in line until it has been sent, or is over."""
        with self.lock:
            while self.calls:
                call = self.calls[0]
                if _is_waiting(call):
                    return call
                # In this order, because an interrupt in between leaves the call in line, which does no harm.
                call.is_queued = False
                self.calls.popleft()
        return None

    def inherit(self, calls: List[Call]) -> None:
        """Put a dead worker's calls in front, as they were sent before those that are here; all of
        them wait for the next worker.
        """
        with self.lock:
            self.calls.extendleft([call for call in reversed(calls) if not call.is_queued])
            for call in self.calls:
                call.is_queued = call.is_inherited = True

    def fail(self, error: Callable[[Call], Optional[TechRenaissanceError]]) -> None:
        """Fail the calls that wait for the next worker and for which there is an error."""
        with self.lock:
            for call in list(self.calls):
                if call.is_inherited and call.exchange is None and not call.done:
                    reason = error(call)
                    if reason:
                        call.fail(reason)

    def fail_waiting(self, error: Callable[[], TechRenaissanceError]) -> None:
        """Fail the calls that wait until a worker is ready."""
        with self.lock:
            for call in list(self.waiting):
                if _is_waiting(call):
                    call.fail(error())

    def end_first(self) -> bool:
        """Cancel the oldest call; False if there is none."""
        with self.lock:
            call = self.first() or next(filter(_is_waiting, list(self.waiting)), None)
            return call is not None and self.end(call, "cancel")

    def end(self, call: Call, why: str) -> bool:
        """End a call in line (``why``: "deadline" or "cancel"); False if a worker has it, or it is done."""
        with self.lock:
            if call.exchange is not None or call.done:
                return False
            call.fail(unbegun(call, why))
            return True


def _is_waiting(call: Call) -> bool:
    return call.exchange is None and call.is_wanted
