"""What a coroutine awaits of its host: Answers, and the values of an input. As talk.py and inputs.py;
loaded by workers that have coroutines.
"""

import asyncio
import time
from typing import Any, Mapping, Optional, Sequence

from .._protocol.frame import Answer
from .._transport.transport import FOR_ANSWER, FOR_ITEM, NOTHING
from .inputs import InputQueue
from .reply import Reply, drop
from .talk import Talk, timed_out

# How long a coroutine whose Ask finds no room waits before it tries again.
_ROOM_S = 0.002


class AsyncTalk(Talk):
    """See Talk."""

    def __init__(self, loop: Any, reply: Reply) -> None:
        super().__init__(loop, reply)
        self._waiter: Any = None  # the future that a coroutine awaits
        self._turns = asyncio.Lock()  # of the tasks that ask

    def take(self, answer: Answer) -> None:
        """See Talk."""
        super().take(answer)
        if self._answer is not None and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def is_awaiting(self) -> bool:
        """See Talk."""
        return self._waiter is not None or super().is_awaiting

    def end_waits(self) -> None:
        """See Talk."""
        super().end_waits()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.cancel()

    async def ask_later(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], timeout_ms: Optional[float]
    ) -> Any:
        """The same in a coroutine; others go on meanwhile. A call that is given up is
        ended by CancelledError.
        """
        frame = self._ask_of(name, args, kwargs, waiting=False)
        until = self._until(timeout_ms)
        async with self._turns:
            self._check_turn()
            while not self._sends(frame):
                if until is not None and time.monotonic() >= until:
                    raise timed_out(name)
                await asyncio.sleep(_ROOM_S)
            await self._wait(until)
            if self._answer is None:
                raise timed_out(name)
            return self._value(name)

    async def _wait(self, until: Optional[float]) -> None:
        """For the Answer."""
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        self._is_waiting = True
        self._loop.transport.note_wait(self.request_id, FOR_ANSWER)
        alarm = None
        if until is not None:
            alarm = loop.call_later(
                until - time.monotonic(), lambda: waiter.done() or waiter.set_result(None)
            )
        try:
            await waiter
        except BaseException:
            self._drop_answer()  # it came before the task that was cancelled went on
            raise
        finally:
            self._is_waiting, self._waiter = False, None
            self._loop.transport.note_wait(self.request_id, NOTHING)
            if alarm is not None:
                alarm.cancel()

    def _drop_answer(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            drop(answer)


class AsyncInput:
    """An asynchronous iterator; others go on while it waits."""

    def __init__(self, queue: InputQueue) -> None:
        self._queue = queue

    def __aiter__(self) -> "AsyncInput":
        return self

    async def __anext__(self) -> Any:
        queue = self._queue
        while not queue.is_there():
            await self._wait()
        given = queue.take()
        if given is None:
            raise StopAsyncIteration
        return given.value

    async def _wait(self) -> None:
        queue = self._queue
        waiter = asyncio.get_running_loop().create_future()
        queue.waiters.append(waiter)
        queue.note(FOR_ITEM)
        try:
            await waiter
        finally:
            queue.waiters.remove(waiter)
            if not queue.waiters:
                queue.note(NOTHING)
