"""Whatever a host and a worker say is changed on its way: bits, lengths, order, number. The host ends with a right answer or a typed error,
in bounded time and memory, and so does the worker; a new one serves as if nothing had been.

The frames travel through tests/faults/proxy_worker.py, which the host takes for its worker. Frames that a worker makes up are in
tests/test_shm_hostile.py. A message may say something else by chance and be right: so an answer is not compared while bits change.
"""

import json
import os
import random
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from gates import Gate
from hosts import WORKERS
from leaks import wait_until
from moments import LONG_MS
from processes import is_alive, peak_nbytes

from tech_renaissance import TechRenaissanceError

Maker = Callable[..., Any]

PROXY = str(Path(__file__).with_name("proxy_worker.py"))
SEEDS = range(int(os.environ.get("TR_FAULT_SEEDS", "1")))
CALLS = 25
GIB = 1 << 30

# What a call may end in when bits have changed on the way. What a worker cannot read it refuses, or it leaves.
CODES = {
    "bad_frame",
    "bad_json",
    "bad_state",
    "broken_ring",
    "cancelled",
    "command_failed",
    "deadline_passed",
    "invalid_tensors",
    "malformed_request",
    "no_tensor",
    "session_closed",
    "timed_out",
    "unknown_command",
    "worker_lost",
}


class Proxied:
    """A session with the proxy between it and its worker."""

    def __init__(self, start: Maker, gate: Gate, tmp_path: Path) -> None:
        self._mutate = tmp_path / "mutate"
        self._gate = gate
        self.set(0, 0)
        environment = {
            "MUTATE": str(self._mutate),
            "REAL": str(WORKERS / "echo_tensors.py"),
            "GATE": gate.path,
        }
        self.session = start(PROXY, environment=environment, quiet_mode=True)

    def set(self, seed: int, share: int) -> None:
        """What the next proxy does."""
        self._mutate.write_text(f"{seed} {share}")

    def end(self) -> Any:
        """Have the real worker leave; how that went: pid, status, and whether it was alive."""
        self._gate.wait_for_arrival()
        self._gate.open()
        report = Path(f"{self._gate.path}.real")
        assert wait_until(report.exists)
        outcome = json.loads(report.read_text())
        report.unlink()
        return outcome

    def serves(self) -> bool:
        """Whether it does, with all that there is."""
        self.session.send_tensor(np.ones(4, np.float32), "t")
        return [1.0] * 4 == self.session.fetch_tensor("same t", LONG_MS).tolist() and (
            "x" * 100_000 == self.session.fetch_response("echo " + "x" * 100_000, LONG_MS)
        )


@pytest.fixture
def proxied(start: Maker, gate: Gate, tmp_path: Path) -> Proxied:
    """Unchanged so far."""
    return Proxied(start, gate, tmp_path)


def host_of(session: Any) -> int:
    """The number of its process."""
    driver = getattr(session, "_driver", None)
    return driver.process.pid if driver else os.getpid()


def call(session: Any, number: int, chance: random.Random) -> None:
    """One of all kinds."""
    what = chance.randrange(4)
    if what == 0:
        session.fetch_response(f"echo {number}", 300)
    elif what == 1:
        session.send_tensor(np.full(chance.choice((1, 1000, 50_000)), number, np.float32), "t")
        session.fetch_tensor("same t", 300)
    elif what == 2:
        session.fetch_response("echo " + "x" * chance.choice((1000, 100_000)), 300)
    else:
        session.fetch_response(f"echo {number}", LONG_MS, deadline_ms=100)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_changes_on_the_way_harms_neither_side(proxied: Proxied, seed: int) -> None:
    """A third of all messages; then none again."""
    session = proxied.session
    assert proxied.serves()
    unharmed = proxied.end()
    assert (True, 0) == (unharmed["alive"], unharmed["status"])
    session.terminate()
    proxied.set(seed, 30)
    session.start()
    assert session.wait_until_ready(LONG_MS)
    before = peak_nbytes(host_of(session))
    chance = random.Random(seed)
    for number in range(CALLS):
        try:
            call(session, number, chance)
        except TechRenaissanceError as error:
            assert error.code in CODES, repr(error)  # noqa: PT017 - it may succeed, too
            if not session.is_alive() or error.code in ("broken_ring", "session_closed", "worker_lost"):
                break
    assert peak_nbytes(host_of(session)) - before < GIB
    if session.is_alive():
        real = proxied.end()
        assert "hangs" != real["status"]
        assert real["status"] >= 0, f"the worker died of a signal: {real}"
        assert not is_alive(real["pid"])
    session.terminate()
    proxied.set(seed, 0)
    session.start()
    assert proxied.serves()
