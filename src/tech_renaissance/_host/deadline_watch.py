"""The thread that watches deadlines."""

import heapq
import itertools
import math
import threading
import time
from typing import Callable, List, Optional, Tuple

from .._system.lazy_thread import LazyThread
from .._system.waits import at_once
from .call import Call

# How long to wait before retrying to end a call.
_RETRY_NS = 100_000_000


class DeadlineWatch:
    """Watches calls that have a deadline. Its thread starts with the first one. Thread-safe."""

    def __init__(self, end: Callable[[Call], None]) -> None:
        """``end`` is called in the thread, for each call whose deadline has passed."""
        self._end = end
        # Taken directly: entering a condition is Python code, which may be interrupted after the lock is taken.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting: List[Tuple[int, int, Call]] = []
        self._order = itertools.count()
        self._thread = LazyThread("deadlines", self._run)
        self._closed = False

    def prepare(self) -> None:
        """Make sure that there is a thread. Raises LaunchError ``launch_failed`` if the system has none left."""
        with self._lock:
            if not self._closed:
                self._thread.start()

    def watch(self, call: Call) -> None:
        """Watch a call that has a deadline. Call ``prepare`` first."""
        assert call.request.deadline_ns is not None
        self._put(call.request.deadline_ns, call)

    def close(self) -> None:
        """From now on no more calls are ended. Does not wait for one that is being ended."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            call = self._next()
            if call is None:
                return
            try:
                if not call.done:
                    self._end(call)
            except BaseException:  # such as MemoryError: it may pass, and must not end the thread
                self._put(time.perf_counter_ns() + _RETRY_NS, call)

    def _put(self, at_ns: int, call: Call) -> None:
        with self._lock:
            heapq.heappush(self._waiting, (at_ns, next(self._order), call))
            self._changed.notify_all()

    def _next(self) -> Optional[Call]:
        with self._lock:
            while not self._closed:
                self._forget_done()
                remaining_s = (
                    (self._waiting[0][0] - time.perf_counter_ns()) / 1e9 if self._waiting else math.inf
                )
                if remaining_s <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(at_once(remaining_s))
            return None

    def _forget_done(self) -> None:
        while self._waiting and self._waiting[0][2].done:
            heapq.heappop(self._waiting)
