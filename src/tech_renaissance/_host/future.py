"""The answer to come of a call that was submitted."""

import math
import time
from typing import Any, Callable, Generator, Optional

from .._base.durations import seconds
from .._base.errors import TimedOut
from .._base.progress import Progress
from .answer import value_of_call
from .call import Call
from .caller import Caller


class Future:
    """The value that a command will give. It belongs to one call, and whatever is done with
    it concerns that call alone.

    Nothing happens in the background: answers are taken in by whoever waits for anything in the session, and
    by the asyncio loops in which calls of it are awaited. A future that is dropped before its call is done
    lets go of it: the call is not sent any more if it has not been, and its answer is discarded. Thread-safe.
    """

    _value: Any = None
    _is_taken = True  # whether _value is the call's, or there is no call yet

    def __init__(self, caller: Caller, call: Call) -> None:
        self._caller = caller
        self._call = call
        self._is_taken = False
        self._value_of: Callable[[Call], Any] = value_of_call

    def __del__(self) -> None:
        """Let go of the call."""
        if not self._is_taken:
            self._caller.abandon(self._call)

    def __repr__(self) -> str:
        """The command, and whether it is done."""
        return f"<Future of {self._call.request.command!r}, {'done' if self._call.done else 'not done'}>"

    def done(self) -> bool:
        """Whether there is a value or an error."""
        return self._call.done or self._caller.has_come(self._call)

    def state(self) -> str:
        """Where the call is: "queued" at the host, "sent" to the worker, "running" there, "asking" while its
        handler waits for a function of this host, or "done".
        """
        return self._caller.state_of(self._call)

    def progress(self) -> Optional[Progress]:
        """How far the call is, as its handler has last said; None if it has not said anything."""
        return self._caller.progress_of(self._call)

    def stop(self) -> None:
        """Ask the call to finish early and keep its value. Does not wait. One that has not begun is done:
        CallCancelled, step ``queue``.
        """
        self._caller.stop(self._call)

    def result(self, timeout_ms: Optional[float] = None) -> Any:
        """The value. ``timeout_ms``: how long to wait for it (None: as long as it takes); one
        can wait again after TimedOut.

        Raises what ``PythonSession.call`` raises, each time.
        """
        if not self._is_taken:
            if self._call.result is None:
                timeout_s = math.inf if timeout_ms is None else seconds("timeout_ms", timeout_ms)
                self._caller.answer(self._call, timeout_s, time.monotonic() + timeout_s)
            self._value = self._value_of(self._call)
            self._is_taken = True
        return self._value

    def __await__(self) -> Generator[Any, None, Any]:
        """``await future`` is ``result()`` without holding up the running asyncio loop. A task that is
        cancelled while it awaits cancels the call.
        """
        return self.wait().__await__()

    async def wait(self, timeout_ms: Optional[float] = None) -> Any:
        """What ``await future`` does, with a timeout: raises TimedOut if there is no value by
        then, and one can wait again.
        """
        if not self._is_taken:
            if self._call.result is None:
                timeout_s = math.inf if timeout_ms is None else seconds("timeout_ms", timeout_ms)
                await self._caller.in_loop().finish(self._call, timeout_s)
            self._value = self._value_of(self._call)
            self._is_taken = True
        return self._value

    def exception(self, timeout_ms: Optional[float] = None) -> Optional[Exception]:
        """The error that ``result`` would raise; None if there is a value. Raises TimedOut
        if neither comes in time.
        """
        try:
            self.result(timeout_ms)
        except TimedOut as error:
            if error.code == "timed_out":
                raise
            return error
        except Exception as error:  # also what ``on_progress`` has raised
            return error
        return None

    def cancel(self) -> None:
        """End this call, wherever it is, without waiting: ``result`` raises CallCancelled once it has
        ended. One that has not begun is done at once; the steps that end one in work are taken in a
        thread. Does nothing if it is done.
        """
        self._caller.cancel(self._call)


def convert_value(future: Future, conversion: Callable[[Any], Any]) -> None:
    """From now on the future's value is what this makes of it. Users see no such method."""
    future._value_of = lambda call: conversion(value_of_call(call))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
