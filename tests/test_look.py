"""How long a side looks for the other's word before it sleeps: the option ``look_us``."""

import time
from typing import Any, Callable

import pytest
from segments import Monitor

from tech_renaissance import LocalProtocolError
from tech_renaissance._transport.shm.control import WORKER_ASLEEP
from tech_renaissance._transport.shm.segment import UNAVAILABLE

Maker = Callable[..., Any]

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

_LOOK_US = 1_000_000


@pytest.fixture
def transport() -> str:
    """Files are not looked at."""
    return "shm"


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_side_looks_as_long_as_it_is_told(start: Maker, how: str) -> None:
    """A worker that is to look for a second has not gone to sleep within the first half of it."""
    given = {"look_us": _LOOK_US} if how == "option" else {"environment": {"TR_LOOK_US": str(_LOOK_US)}}
    session = start("echo.py", **given)
    session.fetch_response("echo x")
    monitor = Monitor(session)
    for _ in range(5):
        session.fetch_response("echo x")
        half = time.monotonic() + _LOOK_US / 2e6
        asleep = [monitor.word(WORKER_ASLEEP) for _ in range(50)]
        if time.monotonic() < half:
            assert [0] * 50 == asleep
            return
    pytest.skip("the machine is too busy to see it")


def test_a_side_that_never_looks_is_woken(start: Maker) -> None:
    """With 0 a side sleeps at once, and calls go on."""
    session = start("echo.py", look_us=0)
    assert ["1", "2", "3"] == [session.fetch_response(f"echo {number}") for number in (1, 2, 3)]


@pytest.mark.parametrize("text", ["often", "-1", "1.5", "2000000"])
def test_a_time_that_makes_no_sense_is_refused(make_session: Maker, text: str) -> None:
    """When the session is made."""
    with pytest.raises(LocalProtocolError, match="microseconds") as caught:
        make_session(environment={"TR_LOOK_US": text})
    assert "bad_option" == caught.value.code


@pytest.mark.parametrize("look_us", [2_000_000, 4_000_000_000])
def test_an_option_that_makes_no_sense_is_refused(make_session: Maker, look_us: int) -> None:
    """More than a second is a mistake in a unit."""
    with pytest.raises(LocalProtocolError, match="microseconds") as caught:
        make_session(look_us=look_us)
    assert "bad_option" == caught.value.code
