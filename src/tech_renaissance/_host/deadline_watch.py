"""The thread that watches deadlines.

Nearly every call is over long before its deadline. So a call that is watched takes no lock, and wakes the
thread only if its deadline comes before the next time at which the thread looks by itself.
"""

import contextlib
import math
import threading
import weakref
from typing import Callable, List, Set

from .._system.clock import clock_ns
from .._system.lazy_thread import LazyThread
from .._system.waits import at_once
from .call import Call
from .ladder import RETRY_S

_RETRY_NS = round(RETRY_S * 1e9)


class DeadlineWatch:
    """Watches calls that have a deadline. Its thread starts with the first one. Thread-safe."""

    def __init__(self, end: Callable[[Call], None]) -> None:
        """``end`` is called in the thread, for each call whose deadline has passed."""
        self._end = end
        # Weak, so that what nobody else knows any more, such as an answered call and its result, is
        # not kept until the deadline.
        self._calls: Set[weakref.ref[Call]] = set()
        self._looks_at_ns = math.inf  # when the thread looks without being woken
        self._bell = threading.Lock()  # released to wake the thread
        self._bell.acquire()
        self._lock = threading.RLock()  # for the start of the thread
        self._thread = LazyThread("deadlines", self._run)
        self._is_prepared = False
        self._closed = False

    def prepare(self) -> None:
        """Make sure that there is a thread. Raises LaunchError
        ``launch_failed`` if the system has none left.
        """
        if self._is_prepared:
            return
        with self._lock:
            if not self._closed:
                self._thread.start()
                self._is_prepared = True

    def watch(self, call: Call) -> None:
        """Watch a call, which may be watched already. Does nothing if it has no
        deadline. Call ``prepare`` first.
        """
        deadline_ns = call.request.deadline_ns
        if deadline_ns is None:
            return
        calls = self._calls
        calls.add(weakref.ref(call, calls.discard))
        # In this order, because the thread does the reverse.
        if deadline_ns < self._looks_at_ns:
            self._ring()

    def close(self) -> None:
        """From now on no more calls are ended. Does not wait for one that is being ended."""
        with self._lock:
            self._closed = True
        self._ring()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _ring(self) -> None:
        try:
            self._bell.release()
        except RuntimeError:  # somebody else has, and the thread will look after this
            pass

    def _run(self) -> None:
        while not self._closed:
            try:
                until_ns = self._look()
            except BaseException:  # such as MemoryError: it may pass, and must not end the thread
                until_ns = clock_ns() + _RETRY_NS
            remaining_s = (until_ns - clock_ns()) / 1e9
            if remaining_s > 0:
                self._bell.acquire(timeout=at_once(remaining_s))

    def _look(self) -> float:
        """End the calls whose deadlines have passed, oldest deadline first. Returns when to look again."""
        self._looks_at_ns = math.inf  # from now on whoever adds a call wakes the thread
        now_ns = clock_ns()
        next_ns = math.inf
        overdue: List[Call] = []
        for reference in self._calls.copy():
            call = reference()
            deadline_ns = call.request.deadline_ns if call and not call.done else None
            if call is None or deadline_ns is None:
                self._calls.discard(reference)
            elif deadline_ns <= now_ns:
                overdue.append(call)
            elif deadline_ns < next_ns:
                next_ns = deadline_ns
        self._looks_at_ns = next_ns
        overdue.sort(key=lambda call: call.request.deadline_ns or 0)
        for call in overdue:
            if self._closed:
                break
            with contextlib.suppress(BaseException):  # see _run
                if not call.done:
                    self._end(call)
            if call.done:
                self._calls.discard(weakref.ref(call))
            else:  # it failed, or the call has gone to another worker meanwhile
                next_ns = min(next_ns, clock_ns() + _RETRY_NS)
        return next_ns
