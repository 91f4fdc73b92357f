"""The requests that a worker has begun, as its host sees them in the control segment, and
those that the host has given up.
"""

import sys
from typing import Dict, Set

from ..._system.clock import clock_ns
from ..transport import NOTHING
from .control import (
    CURRENT_ID,
    FAILED,
    GIVEN_UP,
    HISTOGRAM,
    PARKED_SLOTS,
    STOP,
    THREADS,
    given_up,
)
from .ring import full_fence
from .segment import MappedSegment

# A mask, a power of two less 1: the first call, and then each one after this many more, publishes
# the number of threads and tidies.
OFTEN = 63


class WorkerSlots:
    """The part of a ShmWorker that keeps these words of the control segment."""

    def __init__(self, control: MappedSegment) -> None:
        self._words = control.words
        self.since_ns = 0  # when the current request began
        self.served = 0  # how many requests
        self._seen = 0  # how much of the given-up list there was when has_news was asked
        self._heard = 0  # how much of the given-up list we have taken in, into:
        self._given_up: Set[int] = set()  # with STOP, what is to stop
        self.settled = 0  # how much of it concerns nothing that may still come
        self._parked: Dict[int, int] = {}  # the slots of requests that have become streams

    def is_cancelled(self, request_id: int) -> bool:
        """See WorkerTransport."""
        count = self._words[GIVEN_UP]
        if count != self._heard:
            # Whoever is interrupted here by a signal handler that does the same adds the same ids again.
            self._given_up.update(given_up(self._words, self._heard, count))
            self._heard = count
        return request_id in self._given_up

    def is_stopping(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return self.is_cancelled(request_id | STOP)

    def has_news(self) -> bool:
        """See WorkerTransport."""
        full_fence()
        seen, self._seen = self._seen, self._words[GIVEN_UP]
        return seen != self._seen

    def note_wait(self, request_id: int, what: int) -> None:
        """See WorkerTransport."""
        slot = self._parked.get(request_id, CURRENT_ID)
        if slot:
            self._words[slot + 2] = what
            full_fence()

    def park(self, request_id: int) -> None:
        """See WorkerTransport. Its slot is another than that of the request that is served
        at the time, if one is free.
        """
        words = self._words
        slot = next((slot for slot in PARKED_SLOTS if not words[slot]), 0)
        if slot:
            words[slot + 1] = self.since_ns
            words[slot + 2] = words[CURRENT_ID + 2]  # it may wait for something already
            words[slot] = request_id
        words[CURRENT_ID + 2] = NOTHING
        self._parked[request_id] = slot
        words[CURRENT_ID] = 0

    def count(self, slot: int, *, is_failure: bool) -> None:
        """Note that the request in a slot has been answered (0: one without a slot). To be
        done while the host reads.
        """
        words = self._words
        if slot:
            words[HISTOGRAM + (clock_ns() - words[slot + 1]).bit_length() % 64] += 1
            words[slot] = 0
        if is_failure:
            words[FAILED] += 1
        if self.served & OFTEN == 1:
            self.now_and_then()

    def now_and_then(self) -> None:
        """What is to be done once in many requests."""
        self._words[THREADS] = _threads()
        self.tidy()

    def tidy(self) -> None:
        """Return what is no longer in use."""
        raise NotImplementedError

    def _settle(self) -> None:
        """Everything that was given up has been answered, if there is nothing else to do. A request that has
        been read is the current one, even if its turn has not come.
        """
        if self._parked or self._words[CURRENT_ID]:
            return
        self._given_up.clear()
        self.settled = self._heard


def _threads() -> int:
    """How many threads torch computes with in this process; 1 if it is not loaded."""
    count = getattr(sys.modules.get("torch"), "get_num_threads", None)
    return count() if count else 1
