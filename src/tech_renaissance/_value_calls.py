"""Calls that carry values: the part of PythonSession that calls a worker's commands
as if they were functions.
"""

from typing import TYPE_CHECKING, Any, Iterable, Iterator, Optional

from ._base.durations import seconds
from ._commands import CommandAccess
from ._host.answer import value_of_call
from ._host.call_maker import OnProgress
from ._host.caller import TIMEOUT_MS
from ._host.future import Future
from ._host.stream import Stream
from ._host.window import windowed

if TYPE_CHECKING:
    from ._host.executor import SessionExecutor


class ValueCalls(CommandAccess):
    """Base of PythonSession, with its promises about threads and timeouts. Arguments and results are None,
    bool, int, float, str, bytes, lists, dicts and tensors, at any depth, and what docs/values.md names
    besides. Tensors arrive as the session's ``library`` says.

    Each takes these options as keywords, so that a command's argument of such a name is given by place.
    ``deadline_ms``: how long the call may take, time in the queue included, before it is ended.
    ``idempotent``: it may be sent to a second worker if the first one crashes. ``on_progress``: a function
    that gets a Progress when the handler says how far it is, in the thread that waits for the call, and never
    after that wait; what it raises gives the call up. It may be a coroutine if a future is awaited.
    """

    def call(
        self,
        command: str,
        /,
        *args: Any,
        timeout_ms: Optional[float] = None,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
        on_progress: Optional[OnProgress] = None,
        **kwargs: Any,
    ) -> Any:
        """Call a command and return the value that it gives: ``session.call("matmul", a, b, scale=2.0)``.

        ``timeout_ms``: how long to wait; by default 10 s, or if the call has a deadline, until it has
        been ended. An argument that is an iterator is the call's input: its values are sent one after
        another, as the command takes them.

        Raises LocalProtocolError ``bad_value`` for an argument that cannot be sent, with its
        path; CommandError if the command failed, or refuses the arguments; TimedOut,
        WorkerLost, RemoteProtocolError.
        """
        return value_of_call(
            self._caller.ask_for_value(
                command, args, kwargs, timeout_ms, deadline_ms, idempotent, on_progress
            )
        )

    def submit(
        self,
        command: str,
        /,
        *args: Any,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
        on_progress: Optional[OnProgress] = None,
        **kwargs: Any,
    ) -> Future:
        """Send a call and return at once what will have its value. Any number may be under way; the
        worker begins them in their order.

        Waits only while the worker is starting. What the worker cannot be given yet stays in line, and
        is sent by whoever waits for anything in the session, or by ``flush``. Raises what ``call``
        raises before anything is sent.
        """
        call = self._caller.make_sent_call(command, args, kwargs, deadline_ms, idempotent, on_progress)
        call.stays_in_line = True
        future = Future(self._caller, call)  # first: an interrupt afterwards lets go of the call
        self._caller.send(call)
        return future

    def stream(
        self,
        command: str,
        /,
        *args: Any,
        timeout_ms: Optional[float] = None,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
        on_progress: Optional[OnProgress] = None,
        **kwargs: Any,
    ) -> Stream:
        """Call a command that is a generator, and return an iterator of the values that it yields, as they
        come: ``for token in session.stream("generate", "hello"): ...``.

        ``timeout_ms``: how long to wait for each value; by default 10 s. ``deadline_ms`` is for all of it.
        Otherwise as ``call``. Over files the values come all at once.
        """
        options = (deadline_ms, idempotent, on_progress)
        call = self._caller.make_awaited_call(command, args, kwargs, *options, streams=True)
        call.stays_in_line = True
        stream = Stream(self._caller, call, timeout_ms)
        self._caller.submit(call)
        self._caller.hold_input(call)
        return stream

    def map(
        self,
        command: str,
        /,
        *iterables: Iterable[Any],
        window: int = 64,
        timeout_ms: Optional[float] = None,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> Iterator[Any]:
        """The values of ``command(*args)`` for the arguments that the iterables give, in
        order, until the shortest ends.

        Up to ``window`` calls are under way at once; ``timeout_ms`` is for each wait. Calls that are under
        way when the iterator is dropped are let go.
        """
        futures = (
            self.submit(command, *args, deadline_ms=deadline_ms, idempotent=idempotent)
            for args in zip(*iterables)
        )
        return windowed(futures, window, lambda future: future.result(timeout_ms))

    def flush(self, timeout_ms: float = TIMEOUT_MS) -> bool:
        """Wait until the worker has been given every call in line, and so goes on by itself;
        False if it has not been in time.
        """
        return self._caller.flush(seconds("timeout_ms", timeout_ms))

    def executor(self) -> "SessionExecutor":
        """The session as an executor of ``concurrent.futures``: ``session.executor().submit("matmul", a, b)``
        gives a future of the standard library. The session goes on when it is shut down.
        """
        from ._host.executor import SessionExecutor  # here, because concurrent.futures takes its time to load

        return SessionExecutor(self._caller)
