"""A session as an executor of ``concurrent.futures``."""

import concurrent.futures
import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Deque, Dict, Iterable, Iterator, Tuple

from .._base.errors import TechRenaissanceError
from .._system.lazy_thread import LazyThread
from .._system.waiters import Waiters
from .answer import value_of
from .call import Call
from .caller import Caller

# How long to sleep at most: a wake-up that was lost causes no more than a delay.
_LONGEST_S = 1.0

if TYPE_CHECKING:
    _FutureOfAny = concurrent.futures.Future[Any]
else:
    _FutureOfAny = concurrent.futures.Future  # Python 3.8 takes no argument


class CallFuture(_FutureOfAny):
    """A future of the standard library. ``cancel`` ends the call wherever it is, as
    that of our own Future does.
    """

    def __init__(self, caller: Caller, call: Call) -> None:
        super().__init__()
        self._caller = caller
        self._call = call

    def settle(self) -> None:
        """Take over what became of the call."""
        try:
            value = value_of(self._call.take_response())
        except TechRenaissanceError as error:
            self.set_exception(error)
        else:
            self.set_result(value)

    def cancel(self) -> bool:
        """See concurrent.futures.Future; True also if the call is in work, which is then ended."""
        was_cancelled = super().cancel()
        if was_cancelled:
            self._caller.cancel(self._call)
        return was_cancelled


class SessionExecutor(concurrent.futures.Executor):
    """Runs commands in a session's worker: ``executor.submit("matmul", a, b)``. While calls are
    under way, one thread of ours takes in their answers, so that futures are done without anybody
    waiting for them. Thread-safe.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._lock = threading.Lock()
        self._pending: Dict[Call, CallFuture] = {}
        self._changed: Deque[Call] = deque()
        self._waiters = Waiters()
        self._is_shut = False
        self._thread = LazyThread("executor", self._run)
        caller.at_close(lambda: self.shutdown(wait=False))

    def submit(self, command: str, /, *args: Any, **kwargs: Any) -> CallFuture:  # type: ignore[override]
        """Call a command; see PythonSession.submit, whose options these are, too. Raises
        RuntimeError after ``shutdown``.
        """
        options: Tuple[Any, ...] = (
            kwargs.pop("deadline_ms", None),
            kwargs.pop("idempotent", False),
            kwargs.pop("on_progress", None),
        )
        call = self._caller.make_sent_call(command, args, kwargs, *options)
        call.stays_in_line = True
        call.watchers = (self._notice,)
        future = CallFuture(self._caller, call)
        with self._lock:
            if self._is_shut:
                raise RuntimeError("the executor was shut down")
            self._thread.start()
            self._pending[call] = future
        try:
            self._caller.send(call)
        except BaseException:
            self._pending.pop(call, None)
            raise
        self._waiters.wake_all()
        return future

    def map(self, fn: Any, *iterables: Iterable[Any], **options: Any) -> Iterator[Any]:
        """See concurrent.futures.Executor.map. ``fn``: a command."""
        return super().map(fn, *iterables, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See concurrent.futures.Executor. The session goes on."""
        with self._lock:
            self._is_shut = True
            pending = list(self._pending.values())
        if cancel_futures:
            for future in pending:
                future.cancel()
        self._waiters.wake_all()
        if wait:
            self._thread.join()

    def _notice(self, call: Call) -> None:
        self._changed.append(call)

    def _run(self) -> None:
        while True:
            sleeper = self._waiters.enter()
            oldest = next(iter(list(self._pending)), None)
            if oldest:
                self._waiters.sleep(sleeper, 0)
                with contextlib.suppress(
                    TechRenaissanceError
                ):  # then the call fails, or goes on with the next worker
                    self._caller.attend(oldest, lambda: bool(self._changed), _LONGEST_S)
                self._settle()
            elif self._is_shut:
                return
            else:
                self._waiters.sleep(sleeper, _LONGEST_S)

    def _settle(self) -> None:
        if not self._changed:  # an exception may have prevented a notice
            self._changed.extend(call for call in list(self._pending) if call.done)
        while self._changed:
            call = self._changed.popleft()
            if call.has_news and not call.done:
                with contextlib.suppress(BaseException):  # the call has been given up
                    self._caller.attendant.attend(call)
            future = self._pending.pop(call, None) if call.done else None
            if future:
                with contextlib.suppress(Exception):
                    self._caller.attendant.finish(call)
            if future and future.set_running_or_notify_cancel():
                future.settle()
