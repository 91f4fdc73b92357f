"""A session as an executor of ``concurrent.futures``."""

import concurrent.futures
import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, Iterable, Iterator, List, Optional, Tuple

from .._base.errors import LocalProtocolError
from .._system.lazy_thread import LazyThread
from .._system.waiters import Waiters
from .answer import value_of
from .call import Call
from .caller import Caller
from .coroutines import refuse_coroutine
from .interruption import calls_program

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

    def __init__(self, caller: Caller, call: Call, check_may_wait: Callable[[Call], None]) -> None:
        super().__init__()
        self._caller = caller
        self._call = call
        self._check_may_wait = check_may_wait

    def result(self, timeout: Optional[float] = None) -> Any:
        """See concurrent.futures.Future. Raises LocalProtocolError ``would_wait_for_itself``, too."""
        self._check(timeout)
        return super().result(timeout)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        """See ``result``."""
        self._check(timeout)
        return super().exception(timeout)

    def _check(self, timeout: Optional[float]) -> None:
        if not self.done() and (timeout is None or timeout > 0):
            self._check_may_wait(self._call)

    def settle(self) -> None:
        """Take over what became of the call."""
        try:
            value = value_of(self._call.take_response())
        except BaseException as error:  # also what ``on_progress`` has raised
            self.set_exception(error)
        else:
            self.set_result(value)

    @calls_program  # the callbacks of a future that is cancelled
    def cancel(self) -> bool:
        """See concurrent.futures.Future; True also if the call is in work, which is then ended."""
        was_cancelled = super().cancel()
        if was_cancelled:
            self._caller.cancel(self._call)
        return was_cancelled


class SessionExecutor(concurrent.futures.Executor):
    """Runs commands in a session's worker: ``executor.submit("matmul", a, b)``. While calls are
    under way, one thread of ours takes in their answers, so that futures are done without anybody
    waiting for them. Thread-safe. One that is dropped is shut down, and its calls go on.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._lock = threading.RLock()  # reentrant because a signal handler may use the executor
        self._calls = _CallsUnderWay(caller)
        caller.at_close(self._calls)

    def __del__(self) -> None:
        self._calls.shut()

    def submit(self, command: str, /, *args: Any, **kwargs: Any) -> CallFuture:  # type: ignore[override]
        """Call a command; see PythonSession.submit, whose options these are, too. Raises
        RuntimeError after ``shutdown``.
        """
        options: Tuple[Any, ...] = (
            kwargs.pop("deadline_ms", None),
            kwargs.pop("idempotent", False),
            kwargs.pop("on_progress", None),
        )
        refuse_coroutine("on_progress", options[2])
        call = self._caller.make_sent_call(command, args, kwargs, *options)
        with self._lock:
            if self._calls.is_shut:
                raise RuntimeError("the executor was shut down")
            future = self._calls.add(call)
        try:
            self._caller.send(call)
        except BaseException:
            self._calls.forget(call)
            raise
        self._calls.wake()
        return future

    @calls_program  # the iterables
    def map(self, fn: Any, *iterables: Iterable[Any], **options: Any) -> Iterator[Any]:
        """See concurrent.futures.Executor.map. ``fn``: a command."""
        return super().map(fn, *iterables, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See concurrent.futures.Executor. The session goes on. Raises LocalProtocolError
        ``would_wait_for_itself``, too: then it is shut, and only the wait is refused.
        """
        with self._lock:
            self._calls.shut()
        if cancel_futures:
            for future in self._calls.futures():
                future.cancel()
        if wait:
            self._calls.join()


class _CallsUnderWay:
    """The calls of an executor that have no answer yet, and the thread that takes their answers in. The
    executor is not part of it, so that the thread does not keep it from being dropped.
    """

    def __init__(self, caller: Caller) -> None:
        self.is_shut = False
        self._caller = caller
        self._futures: Dict[Call, CallFuture] = {}
        self._changed: Deque[Call] = deque()
        self._waiters = Waiters()
        self._thread = LazyThread("executor", self._run)

    def add(self, call: Call) -> CallFuture:
        """One more, before it is sent. One thread at a time."""
        call.stays_in_line = True
        call.watchers = (self._changed.append,)
        self._thread.start()
        self._futures[call] = future = CallFuture(self._caller, call, self.check_may_wait)
        return future

    def forget(self, call: Call) -> None:
        """It was not sent."""
        self._futures.pop(call, None)

    def futures(self) -> List[CallFuture]:
        """Those that are not done."""
        return list(self._futures.values())

    def wake(self) -> None:
        """Have the thread look at what has changed."""
        self._waiters.wake_all()

    def shut(self) -> None:
        """Have the thread end after the calls. Takes no lock, because an executor may be dropped anywhere."""
        self.is_shut = True
        self.wake()

    def join(self) -> None:
        """Wait for the thread to end, unless this is it."""
        if not self._thread.is_current:
            for call in list(self._futures):
                self.check_may_wait(call)
        self._thread.join()

    def check_may_wait(self, call: Call) -> None:
        """Raise LocalProtocolError ``would_wait_for_itself`` where the wait for a future would never end."""
        if self._thread.is_current:
            text = (
                "this thread takes in the answers to the calls of the executor: "
                "calls may be sent here, but not waited for"
            )
            raise LocalProtocolError("would_wait_for_itself", text)
        if not call.done:
            self._caller.check_may_wait(call)

    def _run(self) -> None:
        while True:
            sleeper = self._waiters.enter()
            is_shut = self.is_shut  # before the look, because no call is added afterwards
            oldest = next(iter(list(self._futures)), None)
            if oldest:
                self._waiters.sleep(sleeper, 0)
                # After an error the call fails, or goes on with the next worker.
                with contextlib.suppress(Exception):
                    self._caller.attend(oldest, lambda: bool(self._changed), _LONGEST_S)
                self._settle()
            elif is_shut:
                return
            else:
                self._waiters.sleep(sleeper, _LONGEST_S)

    def _settle(self) -> None:
        if not self._changed:  # an exception may have prevented a notice
            self._changed.extend(call for call in list(self._futures) if call.done)
        while self._changed:
            call = self._changed.popleft()
            if call.has_news and not call.done:
                with contextlib.suppress(BaseException):  # the call has been given up
                    self._caller.attendant.attend(call)
            future = self._futures.pop(call, None) if call.done else None
            if future:
                with contextlib.suppress(Exception):
                    self._caller.attendant.finish(call)
            if future and future.set_running_or_notify_cancel():
                with contextlib.suppress(BaseException):  # of a callback, such as SystemExit
                    future.settle()
