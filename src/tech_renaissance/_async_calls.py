"""Calls that carry values, for tasks of an asyncio loop: the part of AsyncSession that
is ValueCalls with ``await``.
"""

from typing import Any, AsyncIterator, Iterable, Optional

from ._commands import CommandAccess
from ._host.answer import value_of_call
from ._host.async_stream import AsyncStream
from ._host.call_maker import OnProgress
from ._host.future import Future
from ._host.window import windowed


class AsyncValueCalls(CommandAccess):
    """Base of AsyncSession. Arguments, results and options are those of ValueCalls. What
    ``commands`` and ``typed`` call is awaited, so types fit where methods are coroutines; functions
    that are exposed may be coroutines.
    """

    async def call(
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
        """Call a command and return the value that it gives: ``await session.call("matmul", a, b,
        scale=2.0)``. See ValueCalls.call.

        A task that is cancelled meanwhile cancels this call, as ``Future.cancel`` does, and no other.
        """
        caller = self._caller.in_loop()
        call, send_whole = caller.make_call(command, args, kwargs, deadline_ms, idempotent, on_progress)
        return value_of_call(await caller.fetch(call, timeout_ms, send_whole))

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
        """Send a call and return at once what will have its value: ``await`` it. Never
        waits; see ValueCalls.submit.
        """
        call = self._caller.make_sent_call(command, args, kwargs, deadline_ms, idempotent, on_progress)
        future = Future(self._caller, call)
        self._caller.in_loop().submit(call)
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
    ) -> AsyncStream:
        """Call a command that is a generator: ``async for token in session.stream("generate", "hello"):
        ...``. Never waits; see ValueCalls.stream.
        """
        caller = self._caller.in_loop()
        call, send_whole = caller.make_call(
            command, args, kwargs, deadline_ms, idempotent, on_progress, streams=True
        )
        stream = AsyncStream(self._caller, call, timeout_ms)
        caller.begin(call, send_whole)
        return stream

    async def map(
        self,
        command: str,
        /,
        *iterables: Iterable[Any],
        window: int = 64,
        timeout_ms: Optional[float] = None,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> AsyncIterator[Any]:
        """The values of ``command(*args)`` for the arguments that the iterables give, in order:
        ``async for``. See ValueCalls.map.
        """
        futures = (
            self.submit(command, *args, deadline_ms=deadline_ms, idempotent=idempotent)
            for args in zip(*iterables)
        )
        for answer in windowed(futures, window, lambda future: future.wait(timeout_ms)):
            yield await answer
