"""Calls of every kind, in the middle of which something happens: each ends as it should, nothing else ends, and the next call is right.

| kind | where its handler (tests/workers/in_flight.py) stands |
|---|---|
| work | at work, as what was submitted |
| items | at work, after the first items of a stream |
| take | at an input, for the next value |
| ask | at a function of the host, which is running |

The handlers are plain functions, or coroutines. Other moments, and what is of one kind alone, are in tests/test_streams.py, test_callbacks.py,
test_inputs.py and test_coroutines.py; Ctrl+C at any moment is in test_interruptions.py.
"""

import itertools
import os
from typing import Any, Callable, Iterator, List

import pytest
from asyncio_host import asyncio_too
from late import late
from leaks import wait_until
from processes import KILLED, is_alive, kill

from tech_renaissance import CallCancelled, CancelPatience, SessionClosed, TimedOut, WorkerLost

pytestmark = asyncio_too

Start = Callable[..., Any]
Strike = Callable[[Any], object]

KINDS = ("work", "items", "take", "ask")
LONG_MS = 60_000
MANY = 1000


@pytest.fixture(params=["plain", "coroutines"])
def session(request: pytest.FixtureRequest, start: Start, transport: str) -> Any:
    """With handlers of that sort."""
    if (request.param, transport) == ("coroutines", "file"):
        pytest.skip("the same as over shared memory, and slower")
    environment = {"IN_FLIGHT_ASYNC": "1" if request.param == "coroutines" else ""}
    patience = CancelPatience(notice_ms=LONG_MS)  # which is enough, because they heed it
    return start("in_flight.py", quiet_mode=True, environment=environment, patience=patience)


def values() -> Iterator[int]:
    """An input without end, but for files, over which one travels whole."""
    return iter(range(3)) if os.environ["TR_TRANSPORT"] == "file" else itertools.count()


def struck(session: Any, kind: str, strike: Strike, **options: Any) -> Any:
    """What becomes of a call in whose middle something is done to it; raises what it raises."""
    begun: List[Any] = []
    if kind == "ask":
        session.expose("strike", lambda: strike(getattr(begun[0], "_inner", begun[0])) and None)
    if kind in ("work", "ask"):
        begun.append(session.submit(kind, **options))
    else:
        begun.append(session.stream(kind, *([values()] if kind == "take" else []), **options))
    if kind != "ask":
        assert wait_until(lambda: begun[0].progress() is not None)
        strike(begun[0])
    return begun[0].result()


def test_a_death_is_the_error_of_every_call(session: Any) -> None:
    """With the whole record; also while the host runs a function, and if there are a thousand."""

    def die(_: Any) -> None:
        kill(pids[-1])
        assert wait_until(lambda: not is_alive(pids[-1]))

    def start_again() -> None:
        session.start()
        pids.append(session.call("pid", timeout_ms=LONG_MS))

    pids = [session.call("pid", timeout_ms=LONG_MS)]
    for kind in KINDS[1:]:
        with pytest.raises(WorkerLost) as lost:
            struck(session, kind, die)
        assert lost.value.post_mortem is not None
        assert (KILLED, kind) == (lost.value.exit_status, lost.value.post_mortem.message.split()[0])
        start_again()
    futures = [session.submit("work") for _ in range(MANY)]
    assert wait_until(lambda: futures[0].state() == "running")
    die(None)
    for future in futures:
        with pytest.raises(WorkerLost) as lost:
            future.result(LONG_MS)
        assert KILLED == lost.value.exit_status
    start_again()
    assert len(set(pids)) == len(KINDS) + 1


def test_what_ends_a_call_ends_nothing_else(session: Any) -> None:
    """A cancel, a wish to stop, a deadline, and a thousand deadlines; a host that ends its worker ends them all."""
    pid = session.call("pid", timeout_ms=LONG_MS)
    state = getattr(session, "_inner", session).state
    for kind in KINDS:
        with pytest.raises(CallCancelled) as cancelled:
            struck(session, kind, lambda call: call.cancel())
        assert "notice" == cancelled.value.step, kind
        assert "stopped" == struck(session, kind, lambda call: call.stop())
        options = {"strike": lambda _: wait_until(lambda: state().name == "ready")}
        error = late(
            lambda deadline_ms: struck(session, kind, deadline_ms=deadline_ms, **options)  # noqa: B023
        )
        assert ("deadline_passed", "notice") == (error.code, error.step), kind
        assert kind == session.call("same", kind, timeout_ms=LONG_MS)
    first = session.submit("work")
    assert wait_until(lambda: first.state() == "running")
    for future in [session.submit("work", deadline_ms=100) for _ in range(MANY)]:
        with pytest.raises(TimedOut) as passed:
            future.result(LONG_MS)
        assert "deadline_passed" == passed.value.code
    assert pid == _pid_beside(session, first)
    calls = [session.submit("work"), session.stream("items"), session.stream("take", values())]
    assert wait_until(lambda: calls[0].state() == "running")
    session.terminate()
    for call in calls:
        with pytest.raises(SessionClosed):
            call.result()


def _pid_beside(session: Any, first: Any) -> int:
    """Once the call before it has stopped."""
    first.stop()
    assert "stopped" == first.result(LONG_MS)
    return session.call("pid", timeout_ms=LONG_MS)
