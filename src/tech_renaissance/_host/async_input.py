"""The input of a call that tasks of an asyncio loop wait for."""

import asyncio
import contextlib
import inspect
from typing import Any, Awaitable, Callable, Optional

from .attendant import withdraw
from .call import Call
from .input_source import InputSource
from .interruption import calls_program


class AsyncInput(InputSource):
    """Its iterator has a task of its own, from its first value until it has been closed. So whoever waits for
    the call sees that it is over while the iterator waits for its next value; and what the iterator has
    entered, such as a timeout or a task group, is left in the task that entered it.
    """

    def __init__(self, values: Any, loop: asyncio.AbstractEventLoop) -> None:
        """``loop``: where it is closed if it is never begun."""
        super().__init__(values)
        self.is_over = False  # whether its task has done all that it will do
        self._loop = loop
        self._task: Optional[asyncio.Task[None]] = None
        self._is_working = False  # whether the task is to be cancelled when the input is closed
        self._is_closed = False
        self._is_ending = False

    @property
    def is_to_be_closed(self) -> bool:
        """See InputSource. Its task has to end, too."""
        return self.was_taken_from or self._task is not None

    def let_go(self) -> None:
        """See InputSource; but what is to be closed is kept until then."""
        if not self.is_to_be_closed:
            super().let_go()

    def begin(self, call: Call, work: Callable[[], Awaitable[None]]) -> None:
        """Have the task take the values, unless it has begun. It ends when the call does, and
        what it raises is what the call comes to.
        """
        if self._task or self._is_closed:
            return
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(call, work))
        call.watchers = (*call.watchers, self._look)
        self._look(call)

    def close(self) -> None:
        """See InputSource. Any thread may call it; the iterator is closed soon, in its task."""
        self.has_ended = True
        if not self._is_closed:
            self._is_closed = True
            with contextlib.suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(self._end)

    async def wait_closed(self) -> None:
        """Close it, and wait until its iterator has been closed, unless that is what waits here."""
        self.close()
        if self._loop is not asyncio.get_running_loop():
            return
        self._end()
        if self._task and self._task is not asyncio.current_task():
            await asyncio.wait({self._task})

    def _look(self, call: Call) -> None:
        """A call that is over takes no more."""
        if call.done:
            self.close()

    def _end(self) -> None:
        """In the loop, after ``close``."""
        if self._is_ending:
            return
        self._is_ending = True
        if self._task is None:
            self._task = self._loop.create_task(self._close_values())
        elif self._is_working:
            self._task.cancel()

    async def _run(self, call: Call, work: Callable[[], Awaitable[None]]) -> None:
        try:
            if not self._is_closed:
                self._is_working = True
                await work()
        except (KeyboardInterrupt, SystemExit):
            withdraw(call)
            raise
        except BaseException as error:
            if not self._is_closed:  # else it is no news for anybody
                _fail(call, error)
        finally:
            self._is_working = False
            self._is_closed = self.has_ended = True
            await self._close_values()
            self.is_over = True
            call.tell()

    @calls_program
    async def _close_values(self) -> None:
        close = getattr(self.values, "aclose", None) or getattr(self.values, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):  # such as that of a generator that goes on
                closing = close()
                if inspect.isawaitable(closing):
                    await closing
        super().let_go()


async def close_input(call: Call) -> None:
    """If anything may have been taken from the call's input, take no more, and wait until its iterator has
    been closed.
    """
    if isinstance(call.source, AsyncInput) and call.source.is_to_be_closed:
        await call.source.wait_closed()


def _fail(call: Call, error: BaseException) -> None:
    """The call comes to this, unless it is over: also to a CancelledError that the iterator has raised."""
    is_wanted = call.is_wanted
    withdraw(call)
    if is_wanted:
        call.fail(error)
