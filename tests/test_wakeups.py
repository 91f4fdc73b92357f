"""Lost wake-ups: both sides pause at random, and without their re-checks, so that one lost wake-up would hang the test."""

import os
import random
import time
from pathlib import Path

import pytest
from hosts import WORKERS

from tech_renaissance import PythonSession
from tech_renaissance._transport.shm import control
from tech_renaissance._transport.shm.segment import UNAVAILABLE

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

# A million finds what a few thousand do not: make stress.
CALLS = int(os.environ.get("TR_STRESS_CALLS", "5000"))


@pytest.mark.skipif(
    CALLS > 10_000, reason="the long form runs outside the watchdog: python tests/test_wakeups.py"
)
def test_no_wake_up_is_lost(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of calls around the moment at which a side falls asleep are all answered."""
    monkeypatch.setattr(control, "SLEEP_S", 3600.0)
    call_often(str(workspace), CALLS)


def call_often(workspace: str, calls: int) -> None:
    """So many calls with pauses around the time for which a side looks before it sleeps."""
    numbers = random.Random(11)
    with PythonSession(WORKERS / "jittery.py", "wakeups", workspace=workspace, transport="shm") as session:
        for number in range(calls):
            if numbers.random() < 0.5:
                time.sleep(numbers.random() * 200e-6)
            assert str(number) == session.fetch_response(f"echo {number}", 60_000)


if __name__ == "__main__":
    import tempfile

    control.SLEEP_S = 3600.0
    with tempfile.TemporaryDirectory() as folder:
        call_often(folder, CALLS)
    print(f"{CALLS} calls, no wake-up lost")
