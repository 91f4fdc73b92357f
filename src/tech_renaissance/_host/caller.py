"""How the answer to a call, or its items, come to whoever waits for them, and how a
call is steered meanwhile.
"""

import functools
import threading
import time
from typing import TYPE_CHECKING, Callable, Dict, Optional

from .._base.durations import seconds
from .._base.errors import TimedOut
from .._base.progress import Progress
from .._protocol.body import ReadBody
from .._protocol.frame import CREDIT_STEP, FIRST_CREDIT, Response
from .._system.lazy_thread import LazyThread
from .attendant import Attendant, shown
from .call import Call, CallWaiter, with_stacks
from .call_sender import CallSender, remaining_s
from .end_call import end_call
from .exchange import Exchange
from .exposed import Exposed
from .ladder import RETRY_S, call_ladder, longest_climb_s
from .life import Life
from .options import Options

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from .async_caller import AsyncCaller

TIMEOUT_MS = 10_000
# A shorter timeout is a poll, whose error does not show what the worker is doing.
_POLL_S = 0.1
# How much longer than its steps ending a call may take, because the stacks are taken first.
_STACKS_S = 1.0
# The worker is told that it may send more once no more than so many items are on their way, or
# have come and were not taken.
_LITTLE_CREDIT = FIRST_CREDIT - CREDIT_STEP


class Caller(CallSender):
    """Waits for a session's calls, and steers them. Thread-safe."""

    def __init__(self, life: Life, options: Options, on_restart: Callable[[], None]) -> None:
        """See CallSender."""
        super().__init__(life, options, on_restart)
        # How much longer than until its deadline a call may take.
        self._climb_s = longest_climb_s(call_ladder(self._patience)) + _STACKS_S
        self.exposed = Exposed(self.placed)
        self.attendant = Attendant(self.exposed, self.placed)
        self._in_loops: Dict[AbstractEventLoop, AsyncCaller] = {}
        self._loops_lock = threading.RLock()
        self._running_loop: Optional[Callable[[], AbstractEventLoop]] = None

    def cancel_waiting(self) -> str:
        """End the oldest call that no worker has. Returns the step, ``queue``; empty if there is none."""
        worker = self._life.worker
        if worker is None or not worker.exchange.cancel_first_in_line():
            return ""
        self._wake_who_waits_for_a_worker()
        return "queue"

    def timeout_s(self, call: Call, timeout_ms: Optional[float]) -> float:
        """How long to wait for a new call. ``timeout_ms``: None for 10 s, or if the call has a
        deadline, until it has been ended.
        """
        if timeout_ms is not None:
            return seconds("timeout_ms", timeout_ms)
        if call.is_plain or call.request.deadline_ns is None:
            return TIMEOUT_MS / 1000
        return call.remaining_s() + self._climb_s

    def fetch(self, call: Call, timeout_ms: Optional[float]) -> Response:
        """Send a new call and wait for its answer, which nobody else waits for.
        ``timeout_ms``: see ``timeout_s``.
        """
        timeout_s = self.timeout_s(call, timeout_ms)
        return self.fetch_within(call, timeout_s)

    def fetch_within(self, call: Call, timeout_s: float, until: Optional[float] = None) -> Response:
        """The same. ``until``: the end of the wait, if the call has been sent."""
        try:
            if until is None:
                until = self.submit(call, timeout_s)
            return self.answer(call, timeout_s, until)
        except BaseException as error:  # an interrupt, too: nobody waits for the answer any longer
            call.abandoned = True  # at once: another one may keep us from more
            self.abandon(call, is_unwanted=getattr(error, "code", "") == "would_wait_for_itself")
            raise

    def answer(self, call: Call, timeout_s: float, until: float) -> Response:
        """Wait for the response to a call that is under way. Raises TimedOut at ``until`` (``timeout_s`` is
        for its message), or what ended the call.
        """
        while not call.done:
            if call.has_news:
                self.attendant.attend(call)
            exchange = call.exchange
            if exchange is None:
                self.wait_in_line(call, until)
            elif call.request.deadline_ns is None:
                exchange.wait_news(call, remaining_s(until))
            else:
                _wait_with_deadline(call, exchange, until)
            if not call.done and not remaining_s(until):
                raise self.timed_out(call, timeout_s)
        if call.on_progress or call.source:
            self.attendant.finish(call)
        return call.take_response()

    @staticmethod
    def take_item(call: Call) -> Optional[ReadBody]:
        """The next item of a stream, if it has come."""
        items = call.items
        if not items:
            return None
        try:
            item = items.popleft()
        except IndexError:  # another thread was quicker
            return None
        if call.granted - call.came + len(items) <= _LITTLE_CREDIT:
            try:
                if isinstance(call.exchange, Exchange):
                    call.exchange.send_credit(call)
            except BaseException:
                items.appendleft(item)
                raise
        return item

    def hold_input(self, call: Call) -> None:
        """While this thread does something else, the worker may wait for the next
        value of this stream's input.
        """
        source, exchange = call.source, call.exchange
        if source is None or source.has_ended or not call.is_wanted:
            return
        if isinstance(exchange, Exchange) and not exchange.has_coroutines:
            exchange.begin_hold(call, has_loop=True)

    def release_input(self, call: Call) -> None:
        """This thread waits for the stream itself."""
        if call.source and isinstance(call.exchange, Exchange):
            call.exchange.end_hold(call)

    def next_item(self, call: Call, timeout_s: float, until: float) -> Optional[ReadBody]:
        """Wait for the next item of a stream; None if there are no more, and the call is done. Raises
        TimedOut at ``until``, or what ended the call.
        """
        while True:
            item = self.take_item(call)
            if item:
                return item
            if call.done:
                if call.on_progress or call.source:
                    self.attendant.finish(call)
                call.take_response()
                return None
            if call.has_news:
                self.attendant.attend(call)
            exchange = call.exchange
            if exchange is None:
                self.wait_in_line(call, until)
            elif isinstance(exchange, Exchange):
                exchange.wait_item(call, min(remaining_s(until), call.remaining_s()))
                if call.is_overdue() and not (call.items or call.done or call.has_news):
                    exchange.expire(call)
            if not (call.items or call.done or remaining_s(until)):
                raise self.timed_out(call, timeout_s)

    def close_stream(self, call: Call) -> None:
        """Let go of a stream, and of the call's input, if that has been taken from."""
        call.abandoned = True
        if call.items:
            call.items.clear()
        if not self._life.is_ours:
            return
        if isinstance(call.exchange, Exchange):
            call.exchange.close_stream(call)
        if call.source and call.source.is_to_be_closed:
            call.source.close()
        call.let_go()

    def abandon(self, call: Call, *, is_unwanted: bool = False) -> None:
        """See CallSender."""
        call.abandoned = True
        if call.done:
            return
        if call.source or is_unwanted:  # its handler waits for values that do not come any more
            self.close_stream(call)
        elif isinstance(call.exchange, Exchange):
            call.exchange.abandon(call)
        call.let_go()

    def progress_of(self, call: Call) -> Optional[Progress]:
        """How far a call is, after taking in what has arrived."""
        self.has_come(call)
        return shown(call.progress) if call.progress else None

    def stop(self, call: Call) -> None:
        """Ask a call to finish early, wherever it is, without waiting."""
        worker, is_in_line = self._life.worker, call.exchange is None
        if worker:
            worker.exchange.stop(call)
        else:
            self._life.queue.end(call, "cancel")
        if is_in_line:
            self._wake_who_waits_for_a_worker()

    def cancel(self, call: Call) -> None:
        """End a call, wherever it is, without waiting."""
        if not self.end_unbegun(call):
            LazyThread("cancel", functools.partial(self.cancel_in_work, call)).start()

    def state_of(self, call: Call) -> str:
        """Where a call is: see Future.state."""
        if self.has_come(call):
            return "done"
        worker = self._life.worker
        if worker is None or call.exchange is not worker.exchange:
            return "queued"
        return worker.exchange.stage_of(call)

    def has_come(self, call: Call) -> bool:
        """Whether a call is done, after taking in what has arrived, and sending what is in line."""
        worker = self._life.worker
        exchange = call.exchange or (worker.exchange if worker else None)
        if not call.done and isinstance(exchange, Exchange):
            exchange.take_in()
        return call.done

    def end_unbegun(self, call: Call) -> bool:
        """End a call that no worker has begun; True also if it is done. False if it is in work."""
        worker, is_in_line = self._life.worker, call.exchange is None
        is_over = (
            worker.exchange.cancel(call) if worker else self._life.queue.end(call, "cancel") or call.done
        )
        if is_in_line:
            self._wake_who_waits_for_a_worker()
        return is_over

    def _wake_who_waits_for_a_worker(self) -> None:
        """A call that may be theirs has been ended in line."""
        if self.supervisor:
            self.supervisor.worker_ended()

    def cancel_in_work(self, call: Call) -> None:
        """End a call that a worker has begun. If that fails, it is tried again until the call is over."""
        while not call.done:
            worker = self._life.worker
            if not worker or call.exchange is not worker.exchange:
                return
            try:
                end_call(worker, call, "cancel", self._patience)
            except Exception:  # such as MemoryError: it may pass
                time.sleep(RETRY_S)
            else:
                return

    def flush(self, timeout_s: float) -> bool:
        """Wait until the worker has been given every call in line; False after the timeout.
        Raises what ended the worker.
        """
        return self.ready_worker().exchange.wait_flushed(timeout_s)

    def attend(self, call: Call, is_enough: Callable[[], bool], timeout_s: float) -> None:
        """Wait for a call and, while it is under way, for anything else that is
        ``is_enough``, without looking.
        """
        if isinstance(call.exchange, Exchange):
            call.exchange.attend(call, is_enough, timeout_s)
        elif not call.done:
            self.wait_in_line(call, time.monotonic() + timeout_s)

    def wait_in_line(self, call: Call, until: float) -> None:
        """Wait until a worker has the call, or it is done; may return early."""
        if not self.supervisor or self.supervisor.wait_served_again(
            call, min(remaining_s(until), call.remaining_s())
        ):
            self.worker().exchange.wait_sent(call, min(remaining_s(until), call.remaining_s()))
        if call.is_overdue():
            self._life.queue.end(call, "deadline")

    def lack(self) -> str:
        """What may hold up calls, as the end of a sentence; empty if nothing is known."""
        worker = self._life.worker
        lack = worker.lack if worker else ""
        return f", as far as this process can see: {lack}" if lack else ""

    def timed_out(self, call: Call, timeout_s: float, lack: Optional[str] = None) -> TimedOut:
        """The error of a wait for a call that was too long. Asks the worker what it is doing. ``lack``: that
        of the moment when the wait ended, if that is not now.
        """
        call.timed_out = True
        lack = self.lack() if lack is None else lack
        text = f"{call.request.command!r} was not answered within {timeout_s:g} s{lack}"
        worker = self._life.worker
        if timeout_s < _POLL_S or worker is None:
            return TimedOut(text)
        stack = worker.stacks()
        return TimedOut(with_stacks(text, stack), stack=stack)

    def in_loop(self) -> "AsyncCaller":
        """The same for tasks of the running asyncio loop. Raises RuntimeError if there is none."""
        if self._running_loop is None:  # asyncio takes its time to load
            from asyncio import get_running_loop

            self._running_loop = get_running_loop
        try:
            loop = self._running_loop()
        except RuntimeError:  # a fork has none
            self._life.check_ours()
            raise
        return self._in_loops.get(loop) or self._enter_loop(loop)

    def _enter_loop(self, loop: "AbstractEventLoop") -> "AsyncCaller":
        from .async_caller import AsyncCaller

        self._life.check_open()
        with self._loops_lock:
            entered = AsyncCaller(self, self._life, loop)
            others = {one: its for one, its in self._in_loops.items() if not one.is_closed()}
            self._in_loops = {**others, loop: entered}  # anew, because other threads look through it
        return entered

    def check_may_wait(self, call: Call) -> None:
        """Raise LocalProtocolError ``would_wait_for_itself`` in a thread for which the worker may wait before
        it serves this call.
        """
        worker = self._life.worker
        if worker:
            worker.exchange.check_may_wait(call)

    def check_task_may_wait(self) -> None:
        """Raise LocalProtocolError ``would_wait_for_itself`` in a task for which the worker may
        wait, while it serves nobody else.
        """
        for in_loop in self._in_loops.values():
            in_loop.check_may_wait()


def _wait_with_deadline(call: Call, exchange: CallWaiter, until: float) -> None:
    if not exchange.wait_news(call, min(call.remaining_s(), remaining_s(until))) and call.is_overdue():
        exchange.expire(call)
        exchange.wait(call, remaining_s(until))
