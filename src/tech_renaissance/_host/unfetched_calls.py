"""The calls of ``send_request`` whose answers have not been fetched."""

import contextlib
from collections import deque
from typing import Deque

from .._base.errors import LocalProtocolError
from .call import Call


class UnfetchedCalls:
    """A queue of calls, oldest first. Thread-safe. Takes no lock, so a signal handler may use it even if it
    interrupted another use: whatever changes the queue is one step.
    """

    def __init__(self) -> None:
        self._calls: Deque[Call] = deque()
        self._has_timed_out = False  # whether there may be calls whose wait timed out

    def add(self, call: Call) -> None:
        """Add a call that was submitted."""
        self._calls.append(call)

    def forget(self, call: Call) -> None:
        """Remove a call that was not submitted after all; its answer, if one comes, will be discarded."""
        with contextlib.suppress(ValueError):  # somebody waits for it
            self._calls.remove(call)
        call.abandoned = True

    def is_oldest_done(self) -> bool:
        """Whether there is a call and the oldest has its answer."""
        try:
            oldest = self._calls[0]
        except IndexError:
            return False
        return oldest.done

    def take_oldest(self) -> Call:
        """Remove and return the oldest call, for its caller to wait for. Raises LocalProtocolError
        ``no_request`` if there is none.
        """
        try:
            return self._calls.popleft()
        except IndexError:
            text = "there is no request to wait for: send_request comes first"
            raise LocalProtocolError("no_request", text) from None

    def put_back(self, call: Call) -> None:
        """Put a call back as the oldest after the wait for it has failed."""
        self._calls.appendleft(call)
        self._has_timed_out = self._has_timed_out or call.timed_out

    def forget_timed_out(self) -> None:
        """Remove the calls whose wait timed out; their answers will be discarded."""
        if not self._has_timed_out:
            return
        self._has_timed_out = False
        try:
            for call in list(self._calls):
                if call.timed_out:
                    self._forget_waiting(call)
        except BaseException:  # an interrupt
            self._has_timed_out = True
            raise

    def clear(self) -> None:
        """Forget all calls, because a new worker starts."""
        self._calls.clear()

    def _forget_waiting(self, call: Call) -> None:
        with contextlib.suppress(ValueError):  # somebody waits for it again
            self._calls.remove(call)
            call.abandoned = True
