"""Calls whose deadline passes once their handler has begun, however slow the machine is."""

from typing import Any, Callable, Iterator, Optional, Union

import pytest
from gates import Gate
from leaks import wait_until

from tech_renaissance import CallCancelled, TimedOut


def longer_and_longer(first_ms: int = 100) -> Iterator[int]:
    """Deadlines to try: each may have passed before the handler has begun. The watchdog ends a test for which none is long enough."""
    while True:
        yield first_ms
        first_ms *= 2


def _has_begun(error: TimedOut) -> bool:
    return error.step != "queue"


def late(call: Callable[[int], Any], has_begun: Callable[[TimedOut], bool] = _has_begun) -> TimedOut:
    """The error of ``call(deadline_ms)`` when its handler had begun."""
    deadlines = longer_and_longer()
    while True:
        with pytest.raises(TimedOut) as caught:
            call(next(deadlines))
        if has_begun(caught.value):
            return caught.value


def cancelled_or_late(
    end: str, call: Callable[[Optional[int]], Any], has_begun: Callable[[TimedOut], bool]
) -> Union[CallCancelled, TimedOut]:
    """The error of ``call(None)``, which is to be cancelled, or if ``end`` is "deadline", of a late one."""
    if end == "deadline":
        return late(call, has_begun)
    with pytest.raises(CallCancelled) as cancelled:
        call(None)
    return cancelled.value


def begin(session: Any, message: str, gate: Gate, first_ms: int = 100) -> None:
    """Send a request with a deadline, and wait until its handler says at the gate that it has begun."""
    for deadline_ms in longer_and_longer(first_ms):
        session.send_request(message, deadline_ms=deadline_ms)
        assert wait_until(lambda: gate.has_arrival() or session.new_response())
        if not session.new_response():
            return
        gate.has_arrival()  # of one that has begun and ended meanwhile
        with pytest.raises(TimedOut):
            session.wait_for_response()
