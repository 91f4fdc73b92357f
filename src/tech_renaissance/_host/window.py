"""Many calls, of which only so many are under way at once."""

from collections import deque
from typing import Callable, Deque, Iterable, Iterator, TypeVar

from .._base.errors import LocalProtocolError
from .future import Future
from .interruption import calls_program

T = TypeVar("T")


def windowed(futures: Iterable[Future], window: int, wait: Callable[[Future], T]) -> Iterator[T]:
    """What ``wait`` makes of each future, in order, once ``window`` calls are under way or no more will come.
    Taking the next of ``futures`` submits its call; those that are under way when the iterator is dropped are
    let go.

    Raises LocalProtocolError ``bad_option`` for a window that holds no call.
    """
    if window < 1:
        raise LocalProtocolError("bad_option", f"window must be at least 1, not {window!r}")
    return _windowed(futures, window, wait)


@calls_program
def _windowed(futures: Iterable[Future], window: int, wait: Callable[[Future], T]) -> Iterator[T]:
    under_way: Deque[Future] = deque()
    for future in futures:
        under_way.append(future)
        del future  # only the deque keeps it, and its value only whoever has taken it
        if len(under_way) >= window:
            yield wait(under_way.popleft())
    while under_way:
        yield wait(under_way.popleft())
