"""A launched process and its exchange: how it is asked to leave, interrupted and ended,
and how its end is reported.
"""

import contextlib
import math
import os
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional

from .._base.errors import LaunchError, SessionClosed, TechRenaissanceError, WorkerLost
from .._base.post_mortem import PostMortem
from .._process.output import Output, OutputFlow
from .._process.process import Process
from .._process.stacks import take_stacks
from .._protocol.frame import MOST_IN_WORK
from .._transport.session_place import SessionPlace
from .._transport.transport import HostTransport
from .call import Call, call_ended
from .call_queue import CallQueue
from .coroner import Coroner
from .fast_path import FastExchange
from .ladder import KILL, Ladder
from .loops import Loops

# How long the process of a worker that has left may take to end before its error is
# reported without an exit status.
_DEATH_S = 5.0


class Launch(NamedTuple):
    """What a process is started with."""

    arguments: List[str]
    environment: Dict[str, str]
    directory: Optional[str]
    output: Output
    inherited: List[int]
    output_before: Optional[OutputFlow]


class LaunchedWorker:
    """One worker's process, from its launch to its end. Thread-safe."""

    def __init__(
        self,
        launch: Launch,
        transport: HostTransport,
        place: SessionPlace,
        told: Callable[[], None],
        watch: Callable[[Call], None],
        queue: CallQueue,
        loops: Loops,
        *,
        launch_timeout_s: float,
        hands_over: bool,
        is_open: bool,
    ) -> None:
        """``told``: see Coroner. ``watch``, ``queue``, ``loops``, ``is_open``: see Exchange. ``hands_over``:
        whether calls may outlive a worker that nobody stopped. Raises LaunchError.
        """
        self._place = place
        self._stopped = False  # whether its host stopped it, and not for a single call
        self._death_until: Optional[float] = None
        self._stacks_lock = threading.RLock()  # reentrant because a signal handler may use the session
        self._stacks = (-math.inf, "")  # the last ones, and when it was begun to take them
        self._ended_by = ""  # the last step that was to end the process
        self._launch_timeout_s = launch_timeout_s
        self.launch_until = time.monotonic() + launch_timeout_s  # it has failed to start unless ready by then
        self._failed_to_start = False
        self.transport = transport
        self.exchange = FastExchange(
            transport,
            self._has_exited,
            self.death,
            queue,
            loops,
            switch_output=self._switch_output if callable(launch.output) else None,
            wait_for_room=self._wait_for_room if callable(launch.output) else None,
            watch=watch,
            hands_over=lambda: hands_over and not self._stopped,
            is_open=is_open,
        )
        self._coroner = Coroner(place, launch.arguments[0], transport, self.exchange, told)
        self.process = Process(*launch, self._coroner.process_ended)
        transport.watch_exit(self.process.exit_handle)

    @property
    def post_mortem(self) -> Optional[PostMortem]:
        """The record of its end; None until the process has ended."""
        return self._coroner.post_mortem

    @property
    def last_call(self) -> Optional[Call]:
        """The call that it was serving when the process ended."""
        return self._coroner.last_call

    def is_alive(self) -> bool:
        """Whether the process is running; asks the kernel. See ``has_failed_to_start``."""
        self.has_failed_to_start()
        return self.process.is_alive()

    def wait_started(self, timeout_s: float, *, is_new: bool = False) -> bool:
        """See Exchange. The worker has as long to become ready, also if the launch timeout is shorter, but
        may have failed to start before, unless it ``is_new``.
        """
        if is_new or not self.has_failed_to_start():
            self.launch_until = max(self.launch_until, time.monotonic() + timeout_s)
        return self.exchange.wait_started(timeout_s)

    def has_failed_to_start(self) -> bool:
        """Whether it was not ready in time. Whoever finds that first ends it."""
        if self._is_late():
            with contextlib.suppress(TechRenaissanceError):  # nothing can be received
                self.exchange.take_in()  # whether it is ready
        if self._is_late():  # another thread reads
            self._end_start()
        if self._failed_to_start:  # perhaps at this moment, for another thread
            self._wait_killed()
        return self._failed_to_start

    def _is_late(self) -> bool:
        if self.exchange.was_ready or self._failed_to_start or time.monotonic() < self.launch_until:
            return False
        return not self._stopped and self.process.is_alive()

    def _end_start(self) -> None:
        """Kill it at once: it may not have come so far that it heeds anything else, and nobody is to wait."""
        self._failed_to_start = True
        self._coroner.ended_by_host("it was not ready in time")
        self.process.kill()
        self._wait_killed()

    def _wait_killed(self) -> None:
        if not self.process.is_unkillable and not self.process.wait(KILL.patience_s):
            self.process.is_unkillable = True

    def _has_exited(self) -> bool:
        """What the exchange asks when nothing has come."""
        if self._is_late():
            self._end_start()
        return not self.process.is_alive()

    def leave(self, timeout_s: float) -> bool:
        """Ask it to leave and wait for the end of the process; False if it is still running."""
        deadline = time.monotonic() + timeout_s
        self.exchange.check_may_wait()
        if self.is_alive() and self.exchange.ask_to_leave(timeout_s):
            self.exchange.wait_left(max(0.0, deadline - time.monotonic()))
        return self.process.wait(max(0.0, deadline - time.monotonic()))

    def stop(self, ladder: Ladder, why: str) -> None:
        """End the process by the steps of the ladder. Every waiting call fails.
        ``why`` is for the post-mortem.
        """
        for step, patience_s in ladder:
            if not self.is_alive():
                break
            self._stopped = True
            self._coroner.ended_by_host(why)
            if step == "exit":
                # If it cannot be asked, the next step needs no cooperation.
                with contextlib.suppress(TechRenaissanceError):
                    self.leave(patience_s)
            else:
                self.exchange.begin_end_all()
                self.end_process(step, why)
                if not self.process.wait(patience_s) and step == "kill":
                    self.process.is_unkillable = True
        self.exchange.close()

    def end_process(self, step: str, why: str) -> None:
        """Terminate or kill it. ``why`` is for the post-mortem."""
        self._coroner.ended_by_host(why)
        self._ended_by = step
        getattr(self.process, step)()

    def interrupt(self) -> None:
        """Interrupt the handler. Not while stacks are taken, which uses the same signal."""
        with self._stacks_lock:
            self.process.interrupt()

    def stacks(self) -> str:
        """The Python stacks of all threads, or why they cannot be taken; empty if the
        worker does not offer them. Threads that ask at the same time share them.
        """
        asked = time.monotonic()
        with self._stacks_lock:
            return self._stacks_since(asked)

    def stacks_for(self, call: Call) -> str:
        """The same for the error of a call; empty if the call is done before they can be taken."""
        asked = time.monotonic()
        with self._stacks_lock:
            return "" if call.done else self._stacks_since(asked)

    def _stacks_since(self, asked: float) -> str:
        if self._stacks[0] <= asked:
            self._stacks = (time.monotonic(), self._take_stacks())
        return self._stacks[1]

    def _take_stacks(self) -> str:
        if not self.is_alive() or self._place.is_lost():
            return ""
        return take_stacks(self.process, os.path.join(self._place.directory, "stack.txt"))

    def close(self) -> None:
        """End what is still running, and release the process's resources in the host. The directory is
        then free for the next worker.
        """
        self.stop((), "")
        self.process.close()
        self._coroner.leave_directory()

    @property
    def was_stopped(self) -> bool:
        """Whether its host stopped it, and not for a single call."""
        return self._stopped

    @property
    def was_lost(self) -> bool:
        """Whether its process ended without being asked to."""
        record = self.post_mortem
        if record is None or self._stopped or self.exchange.was_asked_to_leave:
            return False
        return record.exit_status != 0 or record.moment in ("starting", "busy")

    @property
    def has_crashed(self) -> bool:
        """Whether it was lost after it had become ready."""
        return self.was_lost and self.exchange.was_ready

    def death(self, call: Optional[Call], timeout_s: float = 0.0) -> TechRenaissanceError:
        """The error that reports the process's end, to a call or, if None, to later callers. Waits up
        to ``timeout_s`` for the end.
        """
        self.process.wait(min(timeout_s, self._remaining_death_s()))
        record = self.post_mortem
        if call and call.why and record:
            call.step = self._ended_by or call.step  # perhaps for another call
            return call_ended(call, record)
        if self._stopped and not self.process.is_unkillable:
            return SessionClosed(
                "session_closed", "the worker was ended by its host: start the session again"
            )
        if self._failed_to_start:
            return self.not_ready(record)
        if record is None:
            text = "the worker left, but its process still runs"
            return WorkerLost("worker_lost", text, None, self.process.output_tail())
        details = (record.exit_status, record.output_tail, record)
        if not self.exchange.was_ready:
            return LaunchError("died_at_start", f"the worker ended before it was ready: {record}", *details)
        return WorkerLost("worker_lost", f"the worker ended: {record}", *details)

    def not_ready(self, record: Optional[PostMortem] = None) -> LaunchError:
        """The error for a worker that was not ready within the launch timeout. ``record``: of its end, if it
        has ended because of that.
        """
        text = f"the worker was not ready within {self._launch_timeout_s:g} s"
        output = record.output_tail if record else self.process.output_tail()
        return LaunchError("launch_timeout", text, record and record.exit_status, output, record)

    def _remaining_death_s(self) -> float:
        """How long to keep waiting for the end of a worker that has left."""
        now = time.monotonic()
        if self._death_until is None:
            self._death_until = now + _DEATH_S
        return 0.0 if self.process.is_unkillable else max(0.0, self._death_until - now)

    @property
    def lack(self) -> str:
        """What may hold up calls, as far as this process can see; else empty."""
        if self.process.output_is_behind:
            return "the output callback has not taken what the worker has written"
        if self.exchange.is_full:
            most = f"{MOST_IN_WORK} calls in work, as many as it takes"
            return f"the worker has {most}, and begins no other before one is over"
        return self.transport.lack

    def _switch_output(self, message: str) -> None:
        self.process.switch_output(message)

    def _wait_for_room(self, timeout_s: float) -> None:
        self.process.wait_for_room(timeout_s)
