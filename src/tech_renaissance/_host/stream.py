"""The values that a generator yields in a worker, as they come."""

import contextlib
import time
from typing import Any, Callable, Iterator, Optional

from .._base.durations import seconds
from .._base.errors import LocalProtocolError, TechRenaissanceError
from .._base.progress import Progress
from .._protocol.body_decoder import decode_result
from .answer import value_of, whole_stream_of
from .call import Call
from .caller import TIMEOUT_MS, Caller


class BaseStream:
    """What streams have in common, whoever waits."""

    def __init__(self, caller: Caller, call: Call, timeout_ms: Optional[float]) -> None:
        """``timeout_ms``: of each wait in a loop; None for 10 s."""
        self._caller = caller
        self._call = call
        self._timeout_ms = TIMEOUT_MS if timeout_ms is None else timeout_ms
        self._value: Any = None
        self._whole: Iterator[Any] = iter(())  # the values that came all at once
        self._is_done = False  # whether its call is
        self._is_over = False  # whether the generator has returned, or the stream was closed
        self._decode: Callable[..., Any] = decode_result
        self._convert_item: Optional[Callable[[Any], Any]] = None
        self._convert_last: Optional[Callable[[Any], Any]] = None

    def __del__(self) -> None:
        """Close it."""
        with contextlib.suppress(TechRenaissanceError, OSError):
            self.close()

    def __repr__(self) -> str:
        """The command, and whether it is over."""
        return f"<Stream of {self._call.request.command!r}, {'over' if self._is_over else 'not over'}>"

    def close(self) -> None:
        """Close the generator, whose ``finally`` blocks run. Does not wait. Safe to call twice."""
        if not self._is_over:
            self._is_over = True
            self._caller.close_stream(self._call)

    def progress(self) -> Optional[Progress]:
        """See Future.progress."""
        return self._caller.progress_of(self._call)

    def stop(self) -> None:
        """Ask the generator to finish early; what it yields until then, and
        returns, counts. See Future.stop.
        """
        self._caller.stop(self._call)

    def cancel(self) -> None:
        """End the call as ``Future.cancel`` does: by force if it must be."""
        self._caller.cancel(self._call)

    def _take_result(self) -> None:
        response = self._call.take_response()
        whole: Iterator[Any] = iter(())
        if self._call.is_whole:
            values, value = whole_stream_of(response)
            whole = map(self._convert_item, values) if self._convert_item else iter(values)
        else:
            value = value_of(response)
        # In one step, because others may have waited, too: whoever comes later goes on with the same values.
        self._value, self._whole = self.__dict__.setdefault("_taken", (value, whole))
        self._is_done = True

    def _rest(self) -> Iterator[Any]:
        """What is left when nothing more comes; it is over after that."""
        if not self._is_over:
            yield from self._whole
            self._is_over = True

    def _result(self) -> Any:
        if not self._is_done:
            raise LocalProtocolError("no_request", "this stream was closed")
        return self._convert_last(self._value) if self._convert_last else self._value


class Stream(BaseStream, Iterator[Any]):
    """An iterator of the values that a command yields. Thread-safe; each value is given once.

    Use it in a loop, which ends when the generator returns; ``result`` is then what it returned. An error of
    the generator, or the worker's death, is raised after all values that it yielded before. Leaving the loop
    closes the generator if the stream is not used any more: ``close`` does that at once, as does the end of a
    ``with`` block. The worker is never ended for it.
    """

    def __enter__(self) -> "Stream":
        """The stream itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()

    def __next__(self) -> Any:
        """The next value. Waits for it as long as the stream's timeout says, and may be called again after
        TimedOut. Raises StopIteration when the generator has returned, and what ended it.
        """
        if self._call.items and not self._is_over:
            item = self._caller.take_item(self._call)
            if item:
                return self._decode(*item)
        return self.next(self._timeout_ms)

    def next(self, timeout_ms: float) -> Any:
        """The next value, with a timeout of its own; otherwise as ``next(stream)``."""
        if self._is_over:
            raise StopIteration
        timeout_s = seconds("timeout_ms", timeout_ms)
        if not self._is_done:
            self._caller.release_input(self._call)
            try:
                item = self._caller.next_item(self._call, timeout_s, time.monotonic() + timeout_s)
            finally:
                self._caller.hold_input(self._call)
            if item is not None:
                return self._decode(*item)
            self._take_result()
        for value in self._rest():
            return value
        raise StopIteration

    def result(self, timeout_ms: Optional[float] = None) -> Any:
        """Let the generator run to its end, and give what it returned. Values that were not taken are thrown
        away; the timeout is for each of them (None: the stream's own). ``stop`` first, to end it early.

        Raises LocalProtocolError ``no_request`` if the stream was closed.
        """
        timeout_ms = self._timeout_ms if timeout_ms is None else timeout_ms
        with contextlib.suppress(StopIteration):
            while True:
                self.next(timeout_ms)
        return self._result()


def convert_values(stream: BaseStream, item: Callable[[Any], Any], last: Callable[[Any], Any]) -> None:
    """From now on a stream's items, and what its generator returns at last, are what these make of
    them. Users see no such method.
    """
    stream._convert_item = item  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    stream._convert_last = last  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    stream._decode = lambda *body: item(decode_result(*body))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
