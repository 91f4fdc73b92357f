"""The calls of ``send_request`` whose answers have not been fetched."""

import threading
from collections import deque
from typing import Deque

from .._base.errors import LocalProtocolError
from .call import Call


class UnfetchedCalls:
    """Oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._calls: Deque[Call] = deque()
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """A call that was submitted."""
        with self._lock:
            self._calls.append(call)

    def is_oldest_done(self) -> bool:
        """Whether there is one, and the oldest is answered."""
        with self._lock:
            return bool(self._calls) and self._calls[0].done

    def take_oldest(self) -> Call:
        """The oldest call, for whoever waits for its answer. Raises LocalProtocolError ``no_request`` if there is none."""
        with self._lock:
            if not self._calls:
                raise LocalProtocolError(
                    "no_request", "there is no request to wait for: send_request comes first"
                )
            return self._calls.popleft()

    def put_back(self, call: Call) -> None:
        """The wait for it was in vain: it is the oldest again."""
        with self._lock:
            self._calls.appendleft(call)

    def forget_timed_out(self) -> None:
        """Discard the answers of calls that were waited for in vain."""
        with self._lock:
            for call in [call for call in self._calls if call.timed_out]:
                self._calls.remove(call)
                call.abandoned = True

    def clear(self) -> None:
        """Forget all: a new worker starts."""
        with self._lock:
            self._calls.clear()
