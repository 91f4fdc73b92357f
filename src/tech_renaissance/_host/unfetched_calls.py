"""The calls of ``send_request`` whose answers have not been fetched."""

import contextlib
import threading
from collections import deque
from typing import Deque

from .._base.errors import LocalProtocolError
from .call import Call


class UnfetchedCalls:
    """A queue of calls, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._calls: Deque[Call] = deque()
        self._has_timed_out = False  # whether there may be calls whose wait timed out
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Add a call that was submitted."""
        with self._lock:
            self._calls.append(call)

    def forget(self, call: Call) -> None:
        """Remove a call that was not submitted after all; its answer, if one comes, will be discarded."""
        with self._lock, contextlib.suppress(ValueError):  # somebody waits for it
            self._calls.remove(call)
        call.abandoned = True

    def is_oldest_done(self) -> bool:
        """Whether there is a call and the oldest has its answer."""
        with self._lock:
            return bool(self._calls) and self._calls[0].done

    def take_oldest(self) -> Call:
        """Remove and return the oldest call, for its caller to wait for. Raises LocalProtocolError
        ``no_request`` if there is none.
        """
        with self._lock:
            if not self._calls:
                raise LocalProtocolError(
                    "no_request", "there is no request to wait for: send_request comes first"
                )
            # Assigned within the block: an interrupt between a call and the block's end
            # would leave the lock taken.
            call = self._calls.popleft()
        return call  # noqa: RET504

    def put_back(self, call: Call) -> None:
        """Put a call back as the oldest after the wait for it has failed."""
        with self._lock:
            self._calls.appendleft(call)
            self._has_timed_out = self._has_timed_out or call.timed_out

    def forget_timed_out(self) -> None:
        """Remove the calls whose wait timed out; their answers will be discarded."""
        if not self._has_timed_out:
            return
        with self._lock:
            for call in [call for call in self._calls if call.timed_out]:
                self._calls.remove(call)
                call.abandoned = True
            self._has_timed_out = False

    def clear(self) -> None:
        """Forget all calls, because a new worker starts."""
        with self._lock:
            self._calls.clear()
