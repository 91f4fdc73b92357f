"""Brings a worker to a moment of its life, holds it there, and says when what fails was told of it.

| moment | where the worker (tests/workers/faulty.py) stands |
|---|---|
| starting | at a gate in its script, before it serves |
| idle | it waits for a request; a thread of its own stands at a gate |
| busy | at a gate in its handler |
| replying | at a gate between handler and host: its answer finds no room, because the host reads nothing |
"""

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

from gates import Gate
from leaks import wait_until

MOMENTS = ("starting", "idle", "busy", "replying")

LONG_MS = 60_000
# Answers of 50 KB that find room before one does not.
_ROOM = {"file": 1, "shm": 5}

# What was measured in this run: (what, host, transport) -> seconds.
times: Dict[Tuple[str, str, str], List[float]] = {}


class Held:
    """A session whose worker is held at a moment, until the gate opens or something is done to it."""

    def __init__(self, session: Any, gate: Gate, moment: str, answers: int) -> None:
        self.session = session
        self.gate = gate
        self.moment = moment
        self.pid = pid_beside(gate)
        self.answers = answers  # that are there already, and that nobody has read

    @property
    def command(self) -> str:
        """What the worker is at."""
        return {"busy": "work", "replying": f"bulk {self.answers}"}.get(self.moment, "")

    def wait(self) -> Any:
        """What somebody waits for at this moment."""
        if self.moment == "starting":
            return self.session.wait_until_ready(LONG_MS)
        if self.moment == "idle":
            return self.session.join(LONG_MS)
        return self.session.wait_for_response(LONG_MS)

    def read_answers(self) -> None:
        """Take those that were there before."""
        for number in range(self.answers):
            assert str(number) == self.session.wait_for_response(LONG_MS).rstrip()


def hold(start: Callable[..., Any], gate: Gate, moment: str, fault: str = "", **options: Any) -> Held:
    """Start a session and bring its worker to a moment. ``fault``: what it does once the gate opens, see faulty.py."""
    environment = {"MOMENT": moment, "FAULT": fault, "GATE": gate.path, **options.pop("environment", {})}
    options.setdefault("quiet_mode", True)
    session = start("faulty.py", environment=environment, **options)
    answers = 0
    if moment == "busy":
        session.send_request("work")
    elif moment == "replying":
        answers = _fill(session)
    if moment in ("idle", "replying", "busy"):
        assert moment != "idle" or session.wait_until_ready(LONG_MS)
    gate.wait_for_arrival()
    return Held(session, gate, moment, answers)


def _fill(session: Any) -> int:
    """Ask for answers and read none, until there is no room for one more."""
    transport = os.environ["TR_TRANSPORT"]
    room = _ROOM[transport]
    for number in range(room):
        session.send_request(f"bulk {number}")
    if transport == "file":
        assert wait_until(Path(session.session_dir, "response.json").exists)
    session.send_request(f"bulk {room}")
    return room


def pid_beside(gate: Gate) -> int:
    """The number that a process has left beside its gate."""
    return int(Path(f"{gate.path}.pid").read_text())


class Stopwatch:
    """From a fault to the moment at which somebody is told: goes into the table at the end of the run."""

    def __init__(self, host: str, transport: str) -> None:
        self._place = (host, transport)
        self._began = 0.0

    def start(self) -> None:
        """The fault happens now."""
        self._began = time.monotonic()

    def stop(self, what: str) -> None:
        """It was told."""
        self.record(what, time.monotonic() - self._began)

    def record(self, what: str, seconds: float) -> None:
        """A time that was taken otherwise."""
        times.setdefault((what, *self._place), []).append(seconds)


def in_thread(threads: ThreadPoolExecutor, action: Callable[[], Any]) -> "Future[Tuple[Any, float]]":
    """Run something in a thread: what it returned or raised, and when."""

    def run() -> Tuple[Any, float]:
        try:
            outcome = action()
        except Exception as error:
            outcome = error
        return outcome, time.monotonic()

    return threads.submit(run)


def table() -> List[str]:
    """The times as lines of a Markdown table."""
    lines = [
        "| time until | host | transport | times | median ms | longest ms |",
        "|---|---|---|---|---|---|",
    ]
    for (what, host, transport), seconds in sorted(times.items()):
        ordered = sorted(seconds)
        median, longest = 1000 * ordered[len(ordered) // 2], 1000 * ordered[-1]
        lines.append(f"| {what} | {host} | {transport} | {len(ordered)} | {median:.1f} | {longest:.1f} |")
    return lines
