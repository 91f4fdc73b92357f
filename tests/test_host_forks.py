"""Forks of a host: the session is the parent's, and lives and ends with it, whatever the fork does. Contract: spec/life.md, Forks of the host."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from gates import Gate
from hosts import WORKERS, Driver
from leaks import wait_until
from processes import forks, is_alive

MakeDriver = Callable[[], Driver]
Call = Dict[str, Any]

pytestmark = forks

_LONG_MS = 60_000


class Forking:
    """A host whose session "test" runs, and which forks."""

    def __init__(self, driver: Driver, folder: Path, **options: Any) -> None:
        self.driver = driver
        self.session: Any = driver.session(str(WORKERS / "echo.py"), "test", quiet_mode=True, **options)
        self.session.start()
        assert "on" == self.session.fetch_response("echo on", _LONG_MS)
        self._results = folder / "results.json"

    def call(self, op: str, session: str = "", **arguments: Any) -> Call:
        """What a fork is to do, by default with its parent's session."""
        return {"op": op, "session": session or self.session._handle, **arguments}

    def fork(self, *calls: Call, gate: str = "") -> List[Any]:
        """What these calls gave in a fork. ``gate``: the fork stands there afterwards."""
        self._results.unlink(missing_ok=True)
        assert not self.driver.call("fork", calls=calls, results=str(self._results), gate=gate)
        assert wait_until(lambda: self._results.exists() and bool(self._results.read_text()), 20)
        return json.loads(self._results.read_text())


@pytest.fixture
def make_forking(make_driver: MakeDriver, tmp_path: Path) -> Callable[..., Forking]:
    """Makes hosts that fork."""
    return lambda **options: Forking(make_driver(), tmp_path, **options)


USES: Dict[str, Dict[str, Any]] = {
    "start": {"wait_ms": 0},
    "is_alive": {},
    "please_exit": {"timeout_ms": 1000, "ensure": True},
    "terminate": {},
    "join": {"timeout_ms": 1000},
    "is_ready": {},
    "is_busy": {},
    "wait_until_ready": {"timeout_ms": 1000},
    "wait_until_ok": {"timeout_ms": 1000},
    "cancel": {},
    "stack": {},
    "state": {},
    "post_mortem": {},
    "new_response": {},
    "send_request": {"message": "echo fork"},
    "read_response": {},
    "wait_for_response": {"timeout_ms": 1000},
    "fetch_response": {"message": "echo fork"},
    "calculate": {"command": "echo", "tensors": [], "folder": ""},
    "drop_tensor": {"tag": "x"},
}
WITH_DEADLINE = {"message": "echo fork", "deadline_ms": _LONG_MS}


@pytest.mark.above_transports
@pytest.mark.parametrize("restart", ["never", "on-crash"])
def test_a_fork_cannot_use_the_session(make_forking: Any, restart: str) -> None:
    """Every method says so with the same error, and the parent's session goes on as if nothing had been."""
    host = make_forking(restart=restart)
    pid = host.session.fetch_response("pid")
    calls = [host.call(op, **arguments) for op, arguments in USES.items()]
    calls.append(host.call("fetch_response", **WITH_DEADLINE))
    assert ["forked"] * len(calls) == host.fork(*calls)
    assert "on" == host.session.fetch_response("echo on", deadline_ms=_LONG_MS)
    assert pid == host.session.fetch_response("pid")


@pytest.mark.above_transports
def test_a_session_that_was_not_started_is_the_parents_too(make_forking: Any) -> None:
    """One rule for all sessions from before the fork."""
    host = make_forking()
    other = host.driver.session(str(WORKERS / "echo.py"), "other", quiet_mode=True)
    assert ["forked"] == host.fork(host.call("start", other._handle, wait_ms=0))
    with other:
        assert "on" == other.fetch_response("echo on", _LONG_MS)


@pytest.mark.above_transports
def test_a_fork_may_have_sessions_of_its_own(make_forking: Any) -> None:
    """Under other ids; its forks have none of them."""
    host = make_forking()
    options = {
        "script_path": str(WORKERS / "echo.py"),
        "session_id": "own",
        "quiet_mode": True,
    }
    results = host.fork(
        host.call("new", "own", options=options),
        host.call("start", "own", wait_ms=0),
        host.call("fetch_response", "own", message="echo mine", deadline_ms=_LONG_MS),
        host.call("fetch_response", message="echo not mine"),
        host.call("close", "own"),
    )
    assert [None, None, "mine", "forked", None] == results
    assert "on" == host.session.fetch_response("echo on")


@pytest.mark.above_transports
@pytest.mark.parametrize("moment", ["idle", "busy"])
def test_a_fork_that_outlives_the_host_keeps_nothing_of_the_session(
    make_forking: Any, tmp_path: Path, moment: str
) -> None:
    """The worker ends with its host, and the id is free."""
    host = make_forking()
    pid = int(host.session.fetch_response("pid"))
    work, stay = Gate(tmp_path / "work"), Gate(tmp_path / "stay")
    if moment == "busy":
        host.session.send_request(f"wait {work.path}")
        work.wait_for_arrival()
    host.fork(gate=stay.path)
    stay.wait_for_arrival()
    host.driver.kill()
    assert wait_until(lambda: not is_alive(pid))
    with make_forking().session as heir:
        assert "mine" == heir.fetch_response("echo mine")
    stay.close()
    work.close()


def test_a_fork_has_no_descriptor_of_a_session(make_forking: Any, tmp_path: Path) -> None:
    """As many as a fork of a host without sessions has. Shared memory that is mapped in it is its own matter."""
    counts: List[int] = []
    host = make_forking()
    for _ in range(2):
        stay = Gate(tmp_path / f"stay-{len(counts)}")
        host.fork(gate=stay.path)
        stay.wait_for_arrival()
        children = Path(f"/proc/{host.driver.process.pid}/task").glob("*/children")
        (fork,) = [
            int(child)
            for path in children
            for child in path.read_text().split()
            if b"driver" in Path(f"/proc/{child}/cmdline").read_bytes()
            and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z"
        ]
        targets = [os.readlink(path) for path in Path(f"/proc/{fork}/fd").iterdir()]
        counts.append(len([target for target in targets if "memfd:" not in target]))
        stay.close()
        assert wait_until(lambda pid=fork: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")
        if len(counts) == 1:
            host.session.close()
    assert counts[0] == counts[1]


def test_forks_at_any_moment_of_calls_hang_and_disturb_nobody(make_forking: Any) -> None:
    """While threads start, call and end sessions: all locks are held now and then."""
    host = make_forking(restart="on-crash")
    others = [
        host.driver.session(str(WORKERS / "echo.py"), f"other-{number}", quiet_mode=True)
        for number in range(2)
    ]

    def use(session: Any) -> None:
        for number in range(6):
            session.start()
            for word in range(20):
                assert f"{number}.{word}" == session.fetch_response(
                    f"echo {number}.{word}", _LONG_MS, deadline_ms=_LONG_MS
                )
            session.terminate()

    with ThreadPoolExecutor(3) as threads:
        users = [threads.submit(use, session) for session in (host.session, *others)]
        forks = 0
        while not all(user.done() for user in users):
            assert ["forked"] * 3 == host.fork(
                host.call("fetch_response", **WITH_DEADLINE),
                host.call("terminate"),
                host.call("state", others[0]._handle),
            )
            forks += 1
        for user in users:
            user.result()
    assert forks
    for session in (host.session, *others):
        session.close()


@pytest.mark.parametrize("transport", ["shm"], indirect=True)
def test_a_fork_that_lets_go_of_tensors_returns_no_memory(make_driver: MakeDriver, tmp_path: Path) -> None:
    """What it has of them is its parent's memory, and the parent's to return."""
    import numpy as np

    driver = make_driver()
    if "driver.py" in str(driver.process.args):
        pytest.skip("only the C++ driver keeps tensors")
    session = driver.session(str(WORKERS / "tensors.py"), "test", quiet_mode=True)
    session.start()
    ones = np.ones(1000, np.float32)
    session.send_tensor(ones, "t")
    kept = session.keep("same t")
    results = str(tmp_path / "results.json")
    release = {"op": "release", "kept": kept.name}
    assert 0 == driver.call("fork", calls=[release], results=results)
    for _ in range(5):
        session.send_tensor(np.zeros(1000, np.float32), "u")
        session.fetch_tensor("same u")
    assert np.array_equal(ones, kept.read())
    kept.release()
    assert os.path.exists(results)
