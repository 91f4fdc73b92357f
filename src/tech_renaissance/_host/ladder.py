"""Ending a call by steps, each with its patience; and the thread that does it when deadlines pass. Contract: spec/life.md."""

import contextlib
import heapq
import itertools
import threading
from typing import Callable, List, Optional, Tuple

from .._system.lazy_thread import LazyThread
from .call import Call
from .life import CancelPatience, Worker

# How long the kernel may take to end a killed process.
_KILL_S = 5.0
# What ending a call may take beyond the patience of its steps.
LONGEST_END_S = _KILL_S + 1.0


def end_call(worker: Worker, call: Call, why: str, patience: CancelPatience) -> str:
    """End the call in work. ``why``: "deadline" or "cancel".

    Returns the step that ended it: "notice", "interrupt", "terminate" or "kill"; empty if it was not in work (any more).
    """
    with worker.ending:
        if not worker.exchange.begin_end(call, why):
            return ""
        call.stack = worker.stacks()
        reason = (
            f"{call.message[:80]!r} was cancelled"
            if why == "cancel"
            else f"{call.message[:80]!r} passed its deadline"
        )
        steps: List[Tuple[str, Callable[[], None], float]] = [
            ("notice", lambda: worker.transport.give_up(call.request.id or 0), patience.notice_ms / 1000),
            ("interrupt", worker.interrupt, patience.interrupt_ms / 1000),
            ("terminate", lambda: worker.end_process("terminate", reason), patience.terminate_ms / 1000),
            ("kill", lambda: worker.end_process("kill", reason), _KILL_S),
        ]
        for step, take, patience_s in steps:
            call.step = step
            with contextlib.suppress(
                OSError
            ):  # the worker cannot be told: the next step needs no cooperation
                take()
            if worker.exchange.wait(call, patience_s):
                break
        return call.step


class Deadlines:
    """Watches over calls with a deadline; its thread starts with the first. Thread-safe."""

    def __init__(self, end: Callable[[Call], None]) -> None:
        """``end``: what to do with a call whose deadline has passed; in the thread."""
        self._end = end
        self._changed = threading.Condition()
        self._waiting: List[Tuple[int, int, Call]] = []
        self._order = itertools.count()
        self._thread = LazyThread("deadlines", self._run)
        self._closed = False

    def watch(self, call: Call) -> None:
        """Watch over a call that has a deadline."""
        assert call.request.deadline_ns is not None
        with self._changed:
            heapq.heappush(self._waiting, (call.request.deadline_ns, next(self._order), call))
            self._changed.notify()
            if not self._closed:
                self._thread.start()

    def close(self) -> None:
        """No more calls are ended. Does not wait for one that is being ended."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            call = self._next()
            if call is None:
                return
            if not call.done:
                self._end(call)

    def _next(self) -> Optional[Call]:
        with self._changed:
            while not self._closed:
                self._forget_done()
                remaining_s = self._waiting[0][2].remaining_s() if self._waiting else None
                if remaining_s == 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(remaining_s)
            return None

    def _forget_done(self) -> None:
        while self._waiting and self._waiting[0][2].done:
            heapq.heappop(self._waiting)
