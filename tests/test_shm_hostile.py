"""A worker that writes where it must not: the host gets a right answer or a typed error, in bounded time and memory, and goes on."""

import contextlib
import os
from typing import Any, Callable

import numpy as np
import pytest
from processes import memory_nbytes

from tech_renaissance import ProtocolError, RemoteProtocolError, TechRenaissanceError, TimedOut
from tech_renaissance._transport.shm.segment import UNAVAILABLE

Maker = Callable[..., Any]

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

GIB = 1 << 30
BROKEN_SIZES = ["0", "4", "12", "0x3ffff8", "0xfffffff8", "8"]
BROKEN_HEADS = ["4", "0x40008", "-8", "0x8000000000000000"]
# offset, dtype code, dimensions: of results that are none.
LIES = [
    "0 8 1000000000000",  # larger than the arena
    "0 8 500000000000",  # than its memory
    "0 8 9223372036854775807",  # an end beyond what a number holds
    "0 8 9223372036854775743",
    "0 1 4611686018427387904 4",  # a size beyond it
    "0 8 -1",
    "0 99 3",
    "0 8 1 1 1 1 1 1 1 -1",
    "32 8 3",  # no block begins there
    "0xffffffffffffffc0 8 3",
    "0x10000000000 8 3",
    "0xfffffffff00 8 3",
    "0xffffc0 8 3",  # a header over the border of a window
    "0xffff00 8 1000",  # elements over it
]


# What a call may end in when its worker scribbles: the ring or the frame is broken, an answer is lost, or the worker came to harm itself.
CODES_OF_HARM = (
    "broken_ring",
    "bad_frame",
    "bad_json",
    "bad_state",
    "timed_out",
    "worker_lost",
    "command_failed",
    "no_tensor",
)


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> str:
    """This one."""
    monkeypatch.setenv("TR_TRANSPORT", "shm")
    return "shm"


@pytest.fixture
def session(start: Maker) -> Any:
    """One with a hostile worker, which has been friendly so far."""
    session = start("shm_hostile.py", transport="shm", quiet_mode=True)
    session.send_tensor(np.ones(4, np.float32), "t")
    assert [1.0] * 4 == session.fetch_tensor("same t", 60_000).tolist()
    return session


def recovers(session: Any) -> bool:
    """Whether a new worker serves as if nothing had been."""
    session.terminate()
    session.send_tensor(np.ones(4, np.float32), "t")
    session.start()
    return [1.0] * 4 == session.fetch_tensor("same t", 60_000).tolist()


def host_of(session: Any) -> int:
    """The number of its process."""
    driver = getattr(session, "_driver", None)
    return driver.process.pid if driver else os.getpid()


# ---------------------------------------------------------------------------------------------------------- the ring


@pytest.mark.parametrize(
    "message", [f"break-ring {size}" for size in BROKEN_SIZES] + [f"break-head {by}" for by in BROKEN_HEADS]
)
def test_a_broken_ring_is_told_to_every_call_until_a_new_start(session: Any, message: str) -> None:
    """Those that wait, and all later ones at once; terminate and start make it good."""
    session.send_request(message)
    session.send_request("echo second")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="ring is broken") as caught:
            session.wait_for_response(60_000)
        assert "broken_ring" == caught.value.code
    for call in (
        lambda: session.fetch_response("echo", 60_000),
        lambda: session.send_request("echo"),
        lambda: session.wait_until_ready(60_000),
        lambda: session.wait_until_ok(60_000),
    ):
        with pytest.raises(RemoteProtocolError) as caught:
            call()
        assert "broken_ring" == caught.value.code
    assert (True, False, False) == (session.is_alive(), session.is_ready(), session.is_busy())
    assert recovers(session)


def test_a_session_with_a_broken_ring_can_be_ended(session: Any) -> None:
    """By please_exit, which cannot reach the worker and terminates it."""
    with pytest.raises(RemoteProtocolError):
        session.fetch_response("break-ring 0")
    session.please_exit(100, ensure=True)
    assert not session.is_alive()


def test_frames_of_garbage_are_typed_errors(session: Any) -> None:
    """And do not break the session for good."""
    for seed in range(60):
        try:
            session.fetch_response(f"garbage {seed}", 1000)
        except (ProtocolError, TimedOut):
            continue
        except TechRenaissanceError as error:  # a garbled Exiting, or an error that it made up
            assert error.code in ("worker_lost", "command_failed"), error  # noqa: PT017 - it may succeed, too
            break
    assert recovers(session)


@pytest.mark.parametrize("what", ["answers", "padding", "exiting"])
def test_a_flood_of_frames_does_not_keep_a_call_for_ever(session: Any, what: str) -> None:
    """Its timeout ends it, or an error does, or the right answer gets through."""
    with contextlib.suppress(TechRenaissanceError):
        session.fetch_response(f"flood {what}", 500)
    for number in range(3):
        session.is_ready()
        with contextlib.suppress(TechRenaissanceError):
            assert str(number) == session.fetch_response(f"echo {number}", 100)
    assert recovers(session)


@pytest.mark.parametrize("seed", range(2))
def test_random_scribbling_does_no_harm(session: Any, seed: int) -> None:
    """Over all that is the worker's, and all that it shares, while calls go on."""
    is_scribbling = False
    for number in range(100):
        try:
            if not is_scribbling:
                session.fetch_response(f"scribble {seed + 100 * number}", 60_000)
                is_scribbling = True
            session.send_tensor(np.full(100, number, np.float32), "u")
            assert str(number) == session.fetch_response(f"echo {number}", 1000)
            assert 3 == len(session.fetch_tensor("ones 3", 1000))
        except TechRenaissanceError as error:
            assert error.code in CODES_OF_HARM, error  # noqa: PT017 - it may succeed, too
            session.terminate()
            session.start()
            is_scribbling = False
    assert recovers(session)


# --------------------------------------------------------------------------------------------------------- the arenas


@pytest.mark.parametrize("lie", LIES)
def test_results_that_are_made_up_are_refused(session: Any, lie: str) -> None:
    """Whatever place and shape they claim, nothing beyond the arena is read, and no memory is taken for it."""
    before = memory_nbytes(host_of(session))
    with pytest.raises(RemoteProtocolError) as caught:
        session.fetch_tensor(f"lie {lie}", 60_000)
    assert "bad_frame" == caught.value.code
    assert memory_nbytes(host_of(session)) - before < GIB
    assert recovers(session)


def test_results_in_memory_that_was_never_taken_take_none(session: Any) -> None:
    """A block far out in the arena is believed for what it is: a page of nothing."""
    before = memory_nbytes(host_of(session))
    try:
        session.fetch_tensor(f"lie {900 * GIB} 8 1000", 60_000)
    except RemoteProtocolError:
        pass  # an arena that is smaller
    assert memory_nbytes(host_of(session)) - before < GIB
    assert recovers(session)


@pytest.mark.parametrize("nbytes", ["0", "0xffffffffffffffff", "800000000000", "0x7fffffffffffffff"])
def test_a_body_that_is_larger_than_memory_is_refused(session: Any, nbytes: str) -> None:
    """Before anything is allocated for it."""
    with pytest.raises(RemoteProtocolError) as caught:
        session.fetch_response(f"lie-about-body {nbytes}", 60_000)
    assert "bad_frame" == caught.value.code
    assert recovers(session)


def test_answers_that_nobody_asked_for_leave_no_memory_taken(session: Any) -> None:
    """However many blocks they name."""
    with pytest.raises(TechRenaissanceError):
        session.fetch_response("many-blocks 20", 60_000)
    before = memory_nbytes(host_of(session))
    for _ in range(3):
        with pytest.raises(TechRenaissanceError):
            session.fetch_response("many-blocks 200", 1000)
    assert memory_nbytes(host_of(session)) - before < 64 << 20
    assert recovers(session)


# -------------------------------------------------------------------------------------------------------- the doorbell


def test_a_worker_that_hangs_up_but_lives_is_waited_for(session: Any) -> None:
    """Until the timeout, without burning the processor; its end is seen as ever."""
    with pytest.raises((TimedOut, TechRenaissanceError)):
        session.fetch_response("hang-up 60", 500)
    assert recovers(session)


def test_a_doorbell_that_never_stops_does_no_harm(session: Any) -> None:
    """Calls are answered, timeouts hold."""
    session.fetch_response("ring-forever")
    assert [str(number) for number in range(50)] == [
        session.fetch_response(f"echo {number}", 60_000) for number in range(50)
    ]
    with pytest.raises(TimedOut):
        session.fetch_response("hang-up 60", 300)
    assert recovers(session)
