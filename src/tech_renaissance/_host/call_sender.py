"""How a call reaches a session's worker, across starts, restarts and deadlines."""

import contextlib
import functools
import math
import time
import weakref
from typing import Any, Callable, List, Optional, Protocol, Sequence

from .._base.errors import LaunchError, SessionClosed, TimedOut, WorkerLost
from .._system.lazy_thread import LazyThread
from .call import Call, PlainCall, unbegun
from .call_maker import CallMaker
from .deadline_watch import DeadlineWatch
from .end_call import end_call
from .launched_worker import LaunchedWorker
from .life import Life
from .options import Options
from .supervisor import Supervisor


class Shuttable(Protocol):
    """Something that is to end with the session."""

    def shut(self) -> None:
        """End, without waiting."""


class CallSender(CallMaker):
    """Makes calls and hands them to whichever worker the session's life has at the time. Thread-safe."""

    def __init__(self, life: Life, options: Options, on_restart: Callable[[], None]) -> None:
        """``on_restart``: see Supervisor."""
        super().__init__()
        self._life = life
        self._launch_timeout_s = options.launch_timeout_s
        self._patience = options.patience
        self._deadlines = DeadlineWatch(self._end_overdue)
        life.watch = self._deadlines.watch
        self._climbs: List[LazyThread] = []  # each ends one overdue call
        self._at_close: weakref.WeakSet[Shuttable] = weakref.WeakSet()
        # Whether a worker that is ready may be sent its calls without asking anybody.
        self._has_fast_path = options.restart == "never" and not callable(options.output)
        self._restarts = options.restart != "never" and not callable(options.output)
        self.supervisor: Optional[Supervisor] = None
        if options.restart != "never":
            self.supervisor = Supervisor(life, options.restart_policy, options.launch_timeout_s, on_restart)
            life.told = self.supervisor.worker_ended

    @property
    def can_stream(self) -> bool:
        """See CallMaker."""
        return self._life.transport.can_stream

    def placed(self, attachments: Sequence[Any]) -> Sequence[Any]:
        """See CallMaker."""
        return self._life.transport.place_all(attachments)

    def worker(self) -> LaunchedWorker:
        """The session's worker. Raises SessionClosed if there is none."""
        worker = self._life.worker
        if worker is None:
            self._life.check_open()
            raise SessionClosed("not_started", "the session has no worker: call start() first")
        return worker

    def ready_worker(self, call: Optional[Call] = None) -> LaunchedWorker:
        """Wait for the worker to be ready; under supervision, for the one that serves next. Waits no
        longer than the call's deadline.

        Raises LaunchError, WorkerLost, TimedOut.
        """
        worker = self.worker()
        if self.supervisor:
            most_s = min(self._launch_timeout_s, call.remaining_s() if call else math.inf)
            if not self.supervisor.wait_served(worker, most_s, call):
                _check_deadline(call)
                raise worker.not_ready()
            worker = self.worker()
        if not worker.exchange.was_ready:
            self._wait_started(worker, call)
        return worker

    @staticmethod
    def _wait_started(worker: LaunchedWorker, call: Optional[Call]) -> None:
        while not worker.exchange.wait_started(
            min(remaining_s(worker.launch_until), call.remaining_s() if call else math.inf), call
        ):
            _check_deadline(call)
            if worker.has_failed_to_start() or worker.was_stopped:
                raise worker.death(None)

    def worker_for(self, call: Call) -> LaunchedWorker:
        """See CallMaker. Raises what ``ready_worker`` raises, too."""
        try:
            self.begin_wait(call)
            worker = self.ready_worker(call)
            self.end_wait(call)
        except BaseException:  # an interrupt, too: it must not be taken for one that still waits
            call.abandoned = True  # at once: another one may keep us from more
            self.end_wait(call)
            raise
        if call.error:
            raise call.error
        return worker

    def begin_wait(self, call: Call) -> None:
        """From now on a call waits for a worker that is ready, and can be cancelled."""
        self._life.queue.waiting[call] = None

    def end_wait(self, call: Call) -> None:
        """No longer; or it never did."""
        self._life.queue.waiting.pop(call, None)

    def watch_deadline(self, call: Call) -> None:
        """End a call when its deadline passes, if it has one, though nobody waits for it."""
        if call.request.deadline_ns is not None:
            self._deadlines.prepare()
            self._deadlines.watch(call)

    def ask_to_leave(self) -> None:
        """Send a request to leave. Raises TimedOut if there is no room for it."""
        if not self.ready_worker().exchange.ask_to_leave(self._launch_timeout_s):
            raise TimedOut(f"'exit' could not be sent: {self._why_not()}")

    def submit(self, call: Call, timeout_s: Optional[float] = None) -> float:
        """Hand a call to a worker, once it is ready. Only then does the timeout begin (None: a launch's).
        Returns its end on the monotonic clock. Raises TimedOut, or the reason why there is no worker.
        """
        if timeout_s is None:
            timeout_s = self._launch_timeout_s
        if call.request.deadline_ns is not None:
            self._life.check_ours()  # in a fork the next lock may stay locked
            self._deadlines.prepare()
        worker = self.worker_for(call)
        until = time.monotonic() + timeout_s
        try:
            while not self._try_submit(call, worker, timeout_s, until):
                worker = self.worker_for(call)
        except BaseException:  # an interrupt, too: it must not stay in line
            call.abandoned = True  # at once: another one may keep us from more
            self.abandon(call)
            raise
        return until

    def abandon(self, call: Call, *, is_unwanted: bool = False) -> None:
        """Nobody waits for a call any longer. ``is_unwanted``: it is not to be begun either."""
        raise NotImplementedError

    def serves(self) -> bool:
        """Whether a worker takes calls now, as far as is known."""
        worker = self.worker()
        return worker.exchange.is_serving and not (
            self.supervisor and self.supervisor.is_coming_after(worker)
        )

    def send(self, call: Call) -> None:
        """Hand a call that stays in line to a worker, once it is ready. Raises what ``submit`` raises."""
        if not self.send_plain(call):
            self.submit(call)

    def send_plain(self, call: Call) -> bool:
        """Hand a plain call to the worker at once; False if it is none, or something is in its way."""
        worker = self._life.worker
        if not (isinstance(call, PlainCall) and worker and self._has_fast_path):
            return False
        try:
            return worker.exchange.send_plain(call)
        except BaseException:
            call.abandoned = True
            raise

    def try_submit(self, call: Call) -> bool:
        """Hand a call that stays in line to a worker that serves. Does not wait; False if a worker
        is on its way, or has ended.
        """
        if not self.serves():
            return False
        worker = self.worker()
        if call.request.deadline_ns is not None:
            self._deadlines.prepare()
        try:
            return self._try_submit(call, worker, 0.0, 0.0)
        except BaseException:
            call.abandoned = True
            raise

    def _try_submit(self, call: Call, worker: LaunchedWorker, timeout_s: float, until: float) -> bool:
        """False if the worker ended before it took the call, and there will be another."""
        supervisor = self.supervisor
        if supervisor:
            supervisor.check_allowed(call)
        try:
            if worker.exchange.send(call, min(remaining_s(until), call.remaining_s())):
                return True
        except WorkerLost:
            if call.done or not (supervisor and supervisor.is_coming_after(worker)):
                raise
            return False
        _check_deadline(call)
        raise TimedOut(
            f"{call.request.command!r} could not be sent within {timeout_s:g} s: {self._why_not()}"
        )

    def _why_not(self) -> str:
        worker = self._life.worker
        return (worker and worker.lack) or "the worker is busy"

    def _end_overdue(self, call: Call) -> None:
        """End a call whose deadline has passed: one in work in a thread of its own, because the deadlines of
        others may pass meanwhile. Runs in the thread that watches deadlines.
        """
        if call.is_being_ended or self._life.queue.end(call, "deadline"):
            return
        worker = self._life.worker
        if worker and call.exchange is worker.exchange and not worker.exchange.expire(call):
            climb = functools.partial(self._climb, worker, call)
            thread = LazyThread("deadline", climb)
            self._climbs = [*(one for one in self._climbs if not one.has_ended), thread]
            try:
                thread.start()
            except LaunchError:
                climb()

    def _climb(self, worker: LaunchedWorker, call: Call) -> None:
        with contextlib.suppress(Exception):  # such as MemoryError: DeadlineWatch has it tried again
            end_call(worker, call, "deadline", self._patience)

    def at_close(self, one: Shuttable) -> None:
        """Shut it, too, when the session is closed, if it still exists."""
        self._at_close.add(one)

    def close(self) -> None:
        """From now on no call is ended or handed over. Call it before the life's end,
        and ``join`` afterwards.
        """
        for one in list(self._at_close):
            one.shut()
        self._deadlines.close()
        if self.supervisor:
            self.supervisor.close()

    def join(self) -> None:
        """Wait for the threads. No worker is alive, and none follows: the calls that wait for one fail."""
        if self.supervisor:
            self.supervisor.end()
        self._deadlines.join()
        for thread in self._climbs:
            thread.join()
        if self.supervisor:
            self.supervisor.join()


def remaining_s(until: float) -> float:
    """The seconds until then, at least 0."""
    left_s = until - time.monotonic()
    return left_s if left_s > 0 else 0.0


def _check_deadline(call: Optional[Call]) -> None:
    """Raise TimedOut if the deadline of a call that was not sent has passed."""
    if call and call.is_overdue():
        raise unbegun(call, "deadline")
