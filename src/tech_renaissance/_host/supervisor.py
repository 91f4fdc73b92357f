"""Supervision: a thread that starts a crashed worker again, and hands its calls on. Contract: spec/life.md, Supervision."""

import threading
import time
from typing import Callable, List, Optional

from .._base.errors import TechRenaissanceError, WorkerLost
from .._system.lazy_thread import LazyThread
from .call import Call
from .ladder import TERMINATE_LADDER
from .launched_worker import LaunchedWorker
from .life import Life
from .options import RestartPolicy
from .quarantine import Quarantine
from .restart_schedule import RestartSchedule

# How often to see whether the watched worker is still the one.
_RECHECK_S = 1.0


class Supervisor:
    """Watches one session's workers, from each start to an end that was asked for. Thread-safe."""

    def __init__(
        self, life: Life, policy: RestartPolicy, launch_timeout_s: float, on_restart: Callable[[], None]
    ) -> None:
        """``on_restart``: runs in the supervisor's thread when a new worker is ready, before calls go on."""
        self._life = life
        self._policy = policy
        self._launch_timeout_s = launch_timeout_s
        self._on_restart = on_restart
        self._changed = threading.Condition()
        self._thread = LazyThread("supervisor", self._run)
        self._restarting = False
        self._worker: Optional[LaunchedWorker] = None  # the one that is watched
        self._given_up: Optional[TechRenaissanceError] = None
        self._schedule = RestartSchedule(policy)
        self._quarantine = Quarantine()
        self._left_over: List[Call] = []  # that no worker has yet, oldest first
        self._closed = False

    @property
    def is_restarting(self) -> bool:
        """Whether a worker has crashed and the next is not ready yet."""
        return self._restarting

    def watch(self, worker: LaunchedWorker) -> None:
        """Watch over a worker that its user has started."""
        with self._changed:
            self._worker = worker
            self._given_up = None
            self._schedule.reset()
            self._changed.notify_all()
            self._thread.start()

    def forgive(self) -> None:
        """Forget which requests are quarantined."""
        with self._changed:
            self._quarantine.clear()

    def check_allowed(self, call: Call) -> None:
        """Raise WorkerLost ``quarantined`` if the request has ended too many workers."""
        error = self._quarantine.refuse(call)
        if error:
            raise error

    def wait_served(self, worker: LaunchedWorker, timeout_s: float) -> bool:
        """After the end of a worker: wait until the next one serves; False if there is none in time. Raises why there will be none.

        In the supervisor's own thread, where the hook runs, nothing is waited for.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._closed:
                if self._given_up:
                    raise self._given_up
                if not self._is_coming(worker):
                    return True
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return False
                self._changed.wait(remaining_s)
        return True

    def wait_sent(self, call: Call, timeout_s: float) -> bool:
        """Wait until a call that was handed over is under way again, or done; False if it is not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: call.exchange is not None or call.done, timeout_s)

    def close(self) -> None:
        """Restart no more; the calls that wait fail."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _is_coming(self, worker: LaunchedWorker) -> bool:
        if self._thread.is_current:
            return False
        return self._restarting or (self._worker is worker and worker.has_crashed)

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._worker is None and not self._closed:
                    self._changed.wait()
                worker = self._worker
            if worker is None or self._closed:
                return
            if worker.process.wait(_RECHECK_S):
                self._take_over(worker)

    def _take_over(self, worker: LaunchedWorker) -> None:
        """A worker has ended: start the next, or end what waits for it."""
        with self._changed:
            if self._worker is not worker:  # its user was quicker
                return
            self._restarting = worker.has_crashed
        self._collect(worker)
        following: Optional[LaunchedWorker] = None
        given_up: Optional[TechRenaissanceError] = None
        if self._restarting:
            try:
                following = self._restart(worker)
            except TechRenaissanceError as error:
                given_up = error
            except OSError as error:
                given_up = WorkerLost("worker_lost", f"the worker cannot be restarted: {error}")
        with self._changed:
            if self._worker is worker:
                self._worker = following
                self._given_up = given_up
            self._restarting = False
            for call in self._left_over:
                call.error = given_up or worker.death(None)
            self._left_over.clear()
            self._changed.notify_all()

    def _collect(self, worker: LaunchedWorker) -> None:
        """Take the calls that a worker has not begun, and note which one ended it."""
        worker.exchange.wait_over(_RECHECK_S)
        calls = self._left_over + worker.exchange.take_unanswered()
        self._left_over = sorted(calls, key=lambda call: call.request.id or 0)
        call, record = worker.last_call, worker.post_mortem
        if call and record and not worker.was_stopped:
            with self._changed:
                self._quarantine.note(call, record)

    def _restart(self, worker: LaunchedWorker) -> LaunchedWorker:
        """A new worker that is ready, has its weights, and what the last one had not begun. Raises why there is none."""
        while True:
            self._back_off(worker)
            following = self._life.restart(worker, keep_tags=self._policy.keep_tags)
            try:
                if self._is_prepared(following):
                    return following
            except TechRenaissanceError:
                if not following.has_crashed and following.exchange.was_ready:
                    raise
            worker = following
            self._collect(worker)

    def _is_prepared(self, worker: LaunchedWorker) -> bool:
        """Whether the new worker became ready and took what it is given. Raises what the hook raised, as WorkerLost."""
        if not worker.exchange.wait_started(self._launch_timeout_s):
            worker.stop(TERMINATE_LADDER, "it was not ready in time")
            return False
        try:
            self._on_restart()
        except Exception as error:
            if worker.is_alive() or not worker.has_crashed:
                worker.stop(TERMINATE_LADDER, "on_restart failed")
                raise WorkerLost("worker_lost", f"on_restart failed: {error}") from error
            return False
        while self._left_over:
            call = self._left_over[0]
            error = self._quarantine.refuse(call)
            if error:
                call.error = error
            elif not (call.done or call.abandoned or worker.exchange.send(call, self._launch_timeout_s)):
                worker.stop(TERMINATE_LADDER, "it took no requests")
                return False
            del self._left_over[0]
        return True

    def _back_off(self, worker: LaunchedWorker) -> None:
        """Wait as long as the policy says. Raises WorkerLost if it says that enough is enough, SessionClosed at the end."""
        record = worker.post_mortem
        lived_s = record.ended_at - record.started_at if record else 0.0
        wait_s = self._schedule.next_wait_s(lived_s, time.monotonic())
        if wait_s is None:
            policy = self._policy
            text = f"the worker was restarted {policy.limit} times within {policy.window_s:g} s: given up"
            if record is None:
                raise WorkerLost("worker_lost", text)
            text = f"{text}; the last one: {record}"
            raise WorkerLost("worker_lost", text, record.exit_status, record.output_tail, record)
        with self._changed:
            self._changed.wait_for(lambda: self._closed, wait_s)
