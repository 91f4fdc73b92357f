"""The values that a generator yields in a worker, as they come, for tasks of an asyncio loop."""

from typing import Any, Optional

from .._base.durations import seconds
from .async_input import close_input
from .stream import BaseStream

# A worker may be quicker than whoever takes its values, so that there is always
# another one, and no task waits.
_MOST_IN_A_ROW = 64


class AsyncStream(BaseStream):
    """An asynchronous iterator of the values that a command yields; otherwise like Stream.

    Leaving the loop closes the generator if the stream is not used any more; ``close`` does that at once, as
    does the end of an ``async with`` block.
    """

    _in_a_row = 0  # how many values were given without giving way to other tasks

    async def __aenter__(self) -> "AsyncStream":
        """The stream itself."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close it, and its input."""
        self.close()
        await close_input(self._call)

    def __aiter__(self) -> "AsyncStream":
        """The stream itself."""
        return self

    async def __anext__(self) -> Any:
        """The next value. A task that is cancelled while it waits for one cancels the call."""
        if self._call.items and not self._is_over and self._in_a_row < _MOST_IN_A_ROW:
            item = self._caller.take_item(self._call)
            if item:
                self._in_a_row += 1
                return self._decode(*item)
        return await self.next(self._timeout_ms)

    async def next(self, timeout_ms: float) -> Any:
        """The next value, with a timeout of its own. Raises StopAsyncIteration after the last."""
        timeout_s = seconds("timeout_ms", timeout_ms)
        self._in_a_row += 1
        if self._in_a_row > _MOST_IN_A_ROW:
            self._in_a_row = 0
            await self._caller.in_loop().give_way(self._call)
        if not (self._is_over or self._is_done):
            item = await self._caller.in_loop().next_item(self._call, timeout_s)
            if item is not None:
                return self._decode(*item)
            self._take_result()
        for value in self._rest():
            return value
        raise StopAsyncIteration

    async def result(self, timeout_ms: Optional[float] = None) -> Any:
        """What the generator returned; see Stream.result."""
        timeout_ms = self._timeout_ms if timeout_ms is None else timeout_ms
        try:
            while True:
                await self.next(timeout_ms)
        except StopAsyncIteration:
            return self._result()
