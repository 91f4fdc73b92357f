"""AsyncSession behind PythonSession's interface: a loop in a thread runs what a test asks for."""

import asyncio
import sys
import threading
from typing import Any, Optional

from tech_renaissance import AsyncSession, AsyncStream, Future, PythonSession


class LoopThread:
    """A loop that runs until it is closed."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, action: Any, *args: Any, **options: Any) -> Any:
        """Call a function there, await what it returns if that is to be awaited, and wait for it."""

        async def act() -> Any:
            result = action(*args, **options)
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(act(), self.loop).result(120)

    def session(self, *args: Any, **options: Any) -> "LoopSession":
        """A session that is used there; arguments as for PythonSession."""
        return LoopSession(self, AsyncSession(*args, **options))

    def close(self) -> None:
        """End it."""
        # Before Python 3.9 the loop's close ends the executor's threads, without waiting for them.
        if sys.version_info >= (3, 9):
            self.run(self.loop.shutdown_default_executor)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class _InLoop:
    """Something whose methods run in the loop."""

    def __init__(self, thread: LoopThread, inner: Any) -> None:
        self._thread = thread
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._inner, name)
        if not callable(member):
            return member

        def run(*args: Any, **options: Any) -> Any:
            result = self._thread.run(member, *args, **options)
            if isinstance(result, Future):
                return LoopFuture(self._thread, result)
            return LoopStream(self._thread, result) if isinstance(result, AsyncStream) else result

        return run


class LoopSession(_InLoop):
    """PythonSession's interface."""

    @property
    def plain(self) -> PythonSession:
        """Of the same session, for this thread."""
        return self._inner.plain

    def run(self, function: Any, *args: Any) -> Any:
        """Await ``function(session, *args)`` in the loop."""
        return self._thread.run(function, self._inner, *args)

    def __enter__(self) -> "LoopSession":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class LoopFuture(_InLoop):
    """Future's interface, awaited."""

    def result(self, timeout_ms: Optional[float] = None) -> Any:
        return self._thread.run(self._inner.wait, timeout_ms)


class LoopStream(_InLoop):
    """Stream's interface."""

    def __iter__(self) -> "LoopStream":
        return self

    def __enter__(self) -> "LoopStream":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __next__(self) -> Any:
        return self._next()

    def next(self, timeout_ms: float) -> Any:
        return self._next(timeout_ms)

    def _next(self, *timeout_ms: float) -> Any:
        async def take() -> Any:  # StopAsyncIteration cannot leave a coroutine
            try:
                return [await (self._inner.next(*timeout_ms) if timeout_ms else self._inner.__anext__())]
            except StopAsyncIteration:
                return []

        for value in self._thread.run(take):
            return value
        raise StopIteration
