"""Hosts that end without closing their sessions: in order, killed, or in a fork. Nothing of a session outlives them."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from hosts import WORKERS, Driver
from leaks import wait_until
from processes import descriptors_of, forks, is_alive, processes_of

pytestmark = pytest.mark.above_transports

MakeDriver = Callable[[], Driver]


# What a worker is asked for: its own number, and that of a child of each kind that the platform has.
FAMILY = ("pid", "child") if sys.platform == "win32" else ("pid", "child", "fork")


def _session(driver: Driver, script: str = "echo.py", **options: Any) -> Any:
    session = driver.session(str(WORKERS / script), "test", **options)
    session.start()
    return session


@pytest.mark.parametrize("ending", ["end", "raise"])
def test_the_end_of_the_interpreter_ends_its_sessions(
    ending: str, workspace: Path, worker_python: str, transport: str
) -> None:
    """In order, and after an exception."""
    host = subprocess.run(
        [sys.executable, str(WORKERS / "forgetful_host.py"), ending],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert not is_alive(int(host.stdout))
    assert [] == list((workspace / "python_session").iterdir())


def test_the_end_of_the_program_ends_its_sessions(make_driver: MakeDriver) -> None:
    """C++ destroys them, Python finalizes them."""
    driver = make_driver()
    pid = int(_session(driver).fetch_response("pid"))
    driver.close()
    assert not is_alive(pid)


@pytest.mark.parametrize("moment", ["idle", "busy", "holding the GIL"])
def test_a_killed_host_takes_its_worker_and_its_children_along(
    make_driver: MakeDriver, workspace: Path, tmp_path: Path, moment: str
) -> None:
    """It has no chance, but the system ends the worker's group. The next owner cleans the directory."""
    driver = make_driver()
    session = _session(driver, "children.py")
    pids = [int(session.fetch_response(command)) for command in FAMILY]
    assert all(map(is_alive, pids))
    if moment == "busy":
        session.send_request(f"wait {tmp_path}/no-gate")
    if moment == "holding the GIL":
        session.send_request(f"hold-the-gil {tmp_path}/held")
        assert wait_until((tmp_path / "held").exists)
    driver.kill()
    assert wait_until(lambda: not any(map(is_alive, pids)))
    assert (workspace / "python_session" / "tr_session_test").exists()
    with _session(make_driver()) as heir:
        assert "mine" == heir.fetch_response("echo mine")


def test_a_host_that_is_killed_while_its_worker_starts_leaves_none(
    make_driver: MakeDriver, gate: Any, workspace: Path
) -> None:
    """The worker sees it as soon as it is ready."""
    driver = make_driver()
    _session(driver, "slow_start.py", environment={"GATE": gate.path})
    gate.wait_for_arrival()
    driver.kill()
    gate.open()
    assert wait_until(lambda: not processes_of(workspace))
    _session(make_driver()).close()


def test_closing_a_session_ends_the_workers_children(make_driver: MakeDriver) -> None:
    """Also those that the worker forgot."""
    session = _session(make_driver(), "children.py")
    pids = [int(session.fetch_response(command)) for command in FAMILY]
    session.close()
    assert wait_until(lambda: not any(map(is_alive, pids)))


@forks
def test_a_fork_of_the_host_leaves_the_session_alone(make_driver: MakeDriver) -> None:
    """The fork ends its copies; the host's session goes on."""
    driver = make_driver()
    session = _session(driver)
    pid = int(session.fetch_response("pid"))
    assert 0 == driver.call("fork")
    assert pid == int(session.fetch_response("pid"))
    session.terminate()
    session.start()
    assert "again" == session.fetch_response("echo again")


@forks
def test_a_fork_in_the_middle_of_a_call_leaves_the_session_alone(make_driver: MakeDriver, gate: Any) -> None:
    """Locks that other threads hold are held for ever in a fork."""
    driver = make_driver()
    session = _session(driver)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(session.fetch_response, f"wait {gate.path} done", 60_000)
        gate.wait_for_arrival()
        assert 0 == driver.call("fork")
        gate.open()
        assert "done" == call.result()


def test_a_host_holds_nothing_of_a_session_that_ended(make_driver: MakeDriver) -> None:
    """No descriptor is left open in the host."""
    driver = make_driver()
    driver.session(str(WORKERS / "echo.py"), "warm-up").close()
    before = descriptors_of(driver.process.pid)
    for _ in range(3):
        with _session(driver) as session:
            session.fetch_response("echo")
            session.terminate()
            session.start()
            session.wait_until_ready()
    assert before == descriptors_of(driver.process.pid)
