"""A host dies, or does what hosts do to themselves: forks, ends threads, gets signals. No worker outlives it; none ends before it.

A fork of the host, idle and in the middle of a call, is in tests/test_host_death.py; so are hosts that end in order.
"""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from gates import Gate
from hosts import WORKERS, Driver
from leaks import wait_until
from moments import LONG_MS, MOMENTS, Stopwatch, hold
from processes import descendants, is_alive, kill, posix_signals, processes_of

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]
MakeDriver = Callable[[], Driver]


def starter(driver: Driver) -> Maker:
    """As the fixture ``start``, for a host that is about to be killed."""

    def start(script: str, **options: Any) -> Any:
        session = driver.session(str(WORKERS / script), "test", **options)
        session.start()
        return session

    return start


def bring(driver: Driver, gate: Gate, moment: str, tmp_path: Path) -> None:
    """Have a worker at one of the moments, or in native code that holds the GIL, or waiting for a process of its own."""
    if moment in MOMENTS:
        hold(starter(driver), gate, moment)
        return
    session = starter(driver)("faulty.py", environment={"GATE": gate.path})
    if moment == "holding the GIL":
        session.send_request(f"hold-the-gil {tmp_path}/held")
        assert wait_until((tmp_path / "held").exists)
    else:
        session.send_request("in-subprocess")
        gate.wait_for_arrival()


def clean_up(make_driver: MakeDriver, how: str) -> None:
    """Start a session of another name in the workspace, or give the command for it."""
    if how == "start":
        with make_driver().session(str(WORKERS / "echo.py"), "another") as session:
            assert "on" == session.fetch_response("echo on")
    else:
        subprocess.run([sys.executable, "-m", "tech_renaissance", "clean"], check=True)


@pytest.mark.parametrize("moment", [*MOMENTS, "holding the GIL", "in a subprocess"])
def test_nothing_outlives_a_killed_host(
    make_driver: MakeDriver, gate: Gate, workspace: Path, tmp_path: Path, stopwatch: Stopwatch, moment: str
) -> None:
    """No worker, no child of one, and so no memory of theirs; the directory goes at the next start, or by command."""
    driver = make_driver()
    bring(driver, gate, moment, tmp_path)
    pids = descendants(driver.process.pid)
    assert (2 if moment == "in a subprocess" else 1) <= len(pids)
    stopwatch.start()
    driver.process.kill()
    ended = wait_until(lambda: not any(map(is_alive, pids)), 2)
    stopwatch.stop("end of the last process of a killed host")
    driver.kill()
    if not ended:
        for pid in filter(is_alive, pids):
            kill(pid)
    assert ended, f"they lived on: {moment}"
    assert [] == processes_of(workspace)
    folder = workspace / "python_session"
    assert ["tr_session_test"] == [path.name for path in folder.iterdir()]
    clean_up(make_driver, "start" if moment in ("idle", "starting") else "clean")
    assert [] == list(folder.iterdir())


def test_the_end_of_the_thread_that_started_it_ends_no_worker(start: Maker, make_session: Maker) -> None:
    """Only the end of the process does."""
    session = make_session("faulty.py")
    thread = threading.Thread(target=session.start)
    thread.start()
    thread.join()
    pid = session.fetch_response("pid")
    for _ in range(3):
        assert pid == session.fetch_response("pid")


@contextlib.contextmanager
def signals(host: str, make_driver: MakeDriver, *, restart: bool) -> Iterator[Maker]:
    """A host that is interrupted a thousand times a second; what makes its sessions."""
    if host == "python":  # in this very thread, which makes the calls
        from tech_renaissance import PythonSession

        before = signal.signal(signal.SIGALRM, lambda number, frame: None)
        signal.siginterrupt(signal.SIGALRM, not restart)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        try:
            yield PythonSession
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    else:
        driver = make_driver()
        driver.call("signals", every_us=1000, restart=restart)
        yield driver.session
        driver.call("signals", every_us=0, restart=restart)


@posix_signals
@pytest.mark.parametrize("restart", [True, False], ids=["SA_RESTART", "EINTR"])
def test_signals_disturb_no_call(
    host: str, make_driver: MakeDriver, workspace: Path, transport: str, worker_python: str, restart: bool
) -> None:
    """Starting, calling, sending large tensors and closing, while every system call may be interrupted."""
    import numpy as np

    tensor = np.arange(1 << 20, dtype=np.float32)
    with signals(host, make_driver, restart=restart) as new_session, new_session(
        str(WORKERS / "tensors.py"), "test", library="numpy"
    ) as session:
        for number in range(20):
            session.send_tensor(tensor + number, "t")
            assert (tensor + number == session.fetch_tensor("same t", LONG_MS)).all()
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            assert session.fetch_response("pid", LONG_MS) == session.fetch_response("pid", LONG_MS)
        session.terminate()
        session.start()
        assert session.wait_until_ready(LONG_MS)


def test_two_hosts_that_die_leave_each_others_sessions_alone(
    make_driver: MakeDriver, workspace: Path
) -> None:
    """In one workspace; what the dead one left goes while the other serves."""
    living, dying = make_driver(), make_driver()
    session = living.session(str(WORKERS / "echo.py"), "living")
    session.start()
    pids: List[int] = []
    for number in range(3):
        other = dying.session(str(WORKERS / "echo.py"), f"dying-{number}")
        other.start()
        pids.append(int(other.fetch_response("pid")))
    with ThreadPoolExecutor(1) as threads:
        calls = threads.submit(lambda: [session.fetch_response(f"echo {number}") for number in range(200)])
        dying.kill()
        assert wait_until(lambda: not any(map(is_alive, pids)))
        clean_up(make_driver, "clean")
        assert list(map(str, range(200))) == calls.result()
    assert ["tr_session_living"] == [path.name for path in (workspace / "python_session").iterdir()]
