"""Supervision: a thread that restarts a crashed worker and hands over its calls.
Contract: spec/life.md, Supervision.
"""

import threading
import time
from typing import Callable, NoReturn, Optional

from .._base.errors import SessionClosed, TechRenaissanceError, WorkerLost
from .._base.post_mortem import PostMortem
from .._system.lazy_thread import LazyThread
from .._system.waits import wait_for
from .call import Call, unbegun
from .ladder import TERMINATE_LADDER
from .launched_worker import LaunchedWorker
from .life import Life
from .options import RestartPolicy
from .quarantine import Quarantine
from .restart_schedule import RestartSchedule

# How long to wait for the end of a process that has died, and for its last frames.
_DEATH_S = 5.0


class Supervisor:
    """Watches a session's workers, from each start until an end that was asked for. Thread-safe."""

    def __init__(
        self, life: Life, policy: RestartPolicy, launch_timeout_s: float, on_restart: Callable[[], None]
    ) -> None:
        """``on_restart`` runs in the supervisor's thread when a new worker is ready, before calls go on."""
        self._life = life
        self._policy = policy
        self._launch_timeout_s = launch_timeout_s
        self._on_restart = on_restart
        # Taken directly: entering a condition is Python code, which may be interrupted
        # after the lock is taken.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._thread = LazyThread("supervisor", self._run)
        self._schedule = RestartSchedule(policy)
        self._quarantine = Quarantine()
        self._worker: Optional[LaunchedWorker] = None  # the watched worker
        self._restarts = False  # whether it is replacing a worker
        self._wish = 0  # changes whenever the user no longer wants a worker
        self._watched_wish = 0  # its value when the user last wanted one
        self._restart_wish = 0  # what that was for the worker to be replaced
        self._hurried = False  # whether the back-off has been cut short
        # Why there is no worker and none will be started; None if that is not so.
        self._given_up: Optional[TechRenaissanceError] = None
        self._closed = False

    # ------------------------------------------------------------ what the user wants

    def prepare(self) -> None:
        """Make sure that there is a thread. Raises LaunchError
        ``launch_failed`` if the system has none left.
        """
        with self._lock:
            if not self._closed:
                self._thread.start()

    def hurry(self) -> bool:
        """The user wants a worker. True if a restart is pending, which then
        happens without further back-off.
        """
        last = self._life.worker
        if last:
            last.is_alive()  # makes sure that an end is noticed
        if self._thread.is_current:
            return True
        with self._lock:
            # First let the thread deal with a restart that was called off, or a worker's end.
            self._changed.wait_for(self._is_settled, _DEATH_S)
            # Also if an earlier wish to end this worker has come to nothing.
            self._watched_wish = self._wish
            if not self._is_wanted_restart():
                return False
            self._hurried = True
            self._schedule.reset()
            self._changed.notify_all()
            return True

    def watch(self, worker: LaunchedWorker) -> None:
        """Watch a worker that the user has started."""
        with self._lock:
            self._worker = worker
            self._watched_wish = self._wish
            self._given_up = None
            self._schedule.reset()
            self._changed.notify_all()

    def stand_down(self) -> None:
        """The user wants no worker: call off a pending restart, also one after a crash that the thread
        has not seen yet, and forgive quarantined requests.
        """
        with self._lock:
            self._call_off(_stopped_error)
            self._quarantine.clear()

    def close(self) -> None:
        """The same, for good. Call ``end`` once no worker is alive."""
        with self._lock:
            self._closed = True
            self._call_off(_closed_error)

    def end(self) -> None:
        """The calls that the last worker has handed over fail: the thread may have left before."""
        self._life.queue.fail(lambda _: _closed_error())
        with self._lock:
            self._changed.notify_all()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    # ------------------------------------------------------------ what calls ask

    def worker_ended(self) -> None:
        """A worker's process has ended. Any thread may call this; it does not wait."""
        with self._lock:
            self._changed.notify_all()

    @property
    def is_restarting(self) -> bool:
        """Whether a worker has crashed and the next one does not serve yet."""
        with self._lock:
            # Assigned within the block: an interrupt between a call and the block's end
            # would leave the lock taken.
            is_restarting = self._is_wanted_restart()
        return is_restarting  # noqa: RET504

    @property
    def has_given_up(self) -> bool:
        """Whether there is no worker because starting another one is pointless."""
        return self._given_up is not None

    @property
    def allows_all(self) -> bool:
        """Whether a worker that is ready may be sent any request."""
        return self._quarantine.is_empty

    def check_allowed(self, call: Call) -> None:
        """Raise WorkerLost ``quarantined`` if the request has ended too many workers."""
        with self._lock:
            error = self._quarantine.refuse(call)
        if error:
            raise error

    def is_coming_after(self, worker: LaunchedWorker) -> bool:
        """Whether another worker will replace one that can no longer be used. False in the supervisor's
        own thread, where the hook runs.
        """
        with self._lock:
            if self._thread.is_current or self._closed:
                return False
            watched = self._worker
            return self._is_wanted_restart() or (
                watched is not None and (watched is not worker or self._is_to_be_replaced(worker))
            )

    def wait_served(self, worker: LaunchedWorker, timeout_s: float, call: Optional[Call] = None) -> bool:
        """Wait while the next worker is on its way, and the call that waits for it is not done; False if it
        does not come in time. Raises the reason if there will be none.

        The supervisor's own thread, where the hook runs, does not wait.
        """
        if self._thread.is_current:
            return True
        with self._lock:
            in_time = wait_for(
                self._changed,
                lambda: self._closed or not self._is_coming(worker) or (call is not None and call.done),
                timeout_s,
            )
            if self._given_up:
                raise self._given_up.with_traceback(None)
            return in_time

    def wait_served_again(self, call: Call, timeout_s: float) -> bool:
        """Wait until a worker serves that may take a call in line, or the call is under way or
        done; False after the timeout.
        """
        with self._lock:
            is_over = wait_for(
                self._changed,
                lambda: call.exchange is not None or call.done or self._is_serving(),
                timeout_s,
            )
        return is_over  # noqa: RET504

    # ----------------------------------------------------------------- its own thread

    def _call_off(self, error: Callable[[], TechRenaissanceError]) -> None:
        """A pending restart, if there is one. The calls that it would have served fail at once; those that
        the dead worker has handed over, when the thread sees to it.
        """
        if self._worker and self._is_coming(self._worker):
            self._life.queue.fail_waiting(error)
        self._wish += 1
        self._changed.notify_all()

    def _has_ended_worker(self) -> bool:
        return self._worker is not None and self._worker.post_mortem is not None

    def _is_settled(self) -> bool:
        """Whether it is clear if a worker is on its way or not."""
        if self._closed or self._is_wanted_restart():
            return True
        return not self._restarts and not self._has_ended_worker()

    def _is_serving(self) -> bool:
        return not self._restarts and self._worker is not None and not self._has_ended_worker()

    def _is_wanted_restart(self) -> bool:
        """Whether a worker is on its way and the user has not called it off."""
        return self._restarts and self._restart_wish == self._wish

    def _is_to_be_replaced(self, worker: LaunchedWorker) -> bool:
        """Whether the watched worker has crashed, and the user still wants one."""
        return self._watched_wish == self._wish and worker.has_crashed

    def _is_coming(self, worker: LaunchedWorker) -> bool:
        if self._is_wanted_restart():
            return True
        return self._worker is worker and self._is_to_be_replaced(worker)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._changed.wait_for(lambda: self._closed or self._has_ended_worker())
                dead = self._worker
                if dead is None or self._closed:
                    return
                has_crashed = dead.has_crashed
                self._restarts = has_crashed
                self._restart_wish = self._watched_wish
                self._hurried = False
            self._take_over(dead, has_crashed)

    def _take_over(self, dead: LaunchedWorker, has_crashed: bool) -> None:
        """A worker has ended: start the next one, or fail what waits for it."""
        following: Optional[LaunchedWorker] = None
        error: Optional[TechRenaissanceError] = None
        try:
            self._inherit(dead)
            if has_crashed:
                following = self._restart(dead)
            error = None if following else dead.death(None)
        except TechRenaissanceError as reason:
            error = reason
        except BaseException as reason:
            error = WorkerLost("worker_lost", f"the worker cannot be restarted: {_described(reason)}")
        with self._lock:
            is_wanted = self._restart_wish == self._wish
            if not is_wanted:
                error = _closed_error() if self._closed else _stopped_error()
            if self._worker is dead:
                self._worker = following
                self._given_up = error if has_crashed and not following and is_wanted else None
            self._restarts = False
            if not following:
                self._life.queue.fail(lambda _: error or _stopped_error())
            self._changed.notify_all()

    def _inherit(self, dead: LaunchedWorker) -> None:
        """See to a dead worker's calls. Answers that it gave before count; afterwards its other
        calls are in line, or have failed.
        """
        try:
            dead.exchange.wait_over(_DEATH_S)
        except TechRenaissanceError:  # nothing more can be received
            pass
        dead.exchange.close()
        with self._lock:
            counts = self._restart_wish == self._wish and not dead.was_stopped
            if dead.last_call and dead.post_mortem and counts:
                self._quarantine.note(dead.last_call, dead.post_mortem)
            self._life.queue.fail(
                lambda call: unbegun(call, "deadline") if call.is_overdue() else self._quarantine.refuse(call)
            )
            self._changed.notify_all()

    def _restart(self, dead: LaunchedWorker) -> Optional[LaunchedWorker]:
        """Start a worker that is ready and has got what the hook sends. None if the user no longer wants one,
        or was faster. Raises the reason if there is none.
        """
        while self._back_off(dead.post_mortem):
            following = self._life.restart(dead, self._check_wanted, keep_tags=self._policy.keep_tags)
            if following is None or self._serves(following):
                return following
            self._inherit(following)
            dead = following
        return None

    def _back_off(self, record: Optional[PostMortem]) -> bool:
        """Wait before a restart; False if the user no longer wants it. Raises WorkerLost if the
        policy allows no more restarts.
        """
        lived_s = record.ended_at - record.started_at if record else 0.0
        with self._lock:
            wait_s = self._schedule.next_wait_s(lived_s, time.monotonic())
            if wait_s is None:
                self._stop_restarting(record)
            wait_for(self._changed, lambda: self._hurried or not self._is_wanted_restart(), wait_s)
            return self._is_wanted_restart()

    def _stop_restarting(self, record: Optional[PostMortem]) -> NoReturn:
        text = f"the worker was restarted {self._policy.limit} times within {self._policy.window_s:g} s: given up"
        if record is None:
            raise WorkerLost("worker_lost", text)
        text = f"{text}; the last one: {record}"
        raise WorkerLost("worker_lost", text, record.exit_status, record.output_tail, record)

    def _serves(self, worker: LaunchedWorker) -> bool:
        """Whether the new worker became ready and got what the hook sends, and now takes calls; False if it
        crashed or took too long. If it does not serve for another reason, ends it and raises that reason.
        """
        why = "its restart failed"
        try:
            if not worker.exchange.wait_started(self._launch_timeout_s):
                worker.stop(TERMINATE_LADDER, "it was not ready in time")
                return False
            why = "on_restart failed"
            self._run_hook()
            worker.exchange.open()
        except BaseException:
            if not worker.is_alive() and worker.was_lost:
                return False
            worker.stop(TERMINATE_LADDER, why)
            raise
        return True

    def _run_hook(self) -> None:
        try:
            self._on_restart()
        except BaseException as error:
            raise WorkerLost("worker_lost", f"on_restart failed: {_described(error)}") from error

    def _check_wanted(self) -> None:
        with self._lock:
            if not self._is_wanted_restart():
                raise _stopped_error()


def _described(error: BaseException) -> str:
    return str(error) if isinstance(error, TechRenaissanceError) else f"{type(error).__name__}: {error}"


def _stopped_error() -> SessionClosed:
    return SessionClosed("session_closed", "the worker was ended by its host: start the session again")


def _closed_error() -> SessionClosed:
    return SessionClosed("session_closed", "the session was closed: make a new one")
