"""Something has run out: room on the disk, descriptors, memory; or the clock jumps. Hosts say so with a typed error, workers answer, and
both go on once there is enough again.

A full /dev/shm, and shared memory that the system refuses, are in tests/test_shm_host.py. What root may do anyway is skipped as root.
"""

import itertools
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator, List

import numpy as np
import pytest

pytest.importorskip("resource")

import resource

from driver_session import DriverFailed
from gates import Gate
from hosts import WORKERS, Driver
from late import begin
from leaks import wait_until
from moments import LONG_MS
from processes import descriptors_of

from tech_renaissance import (
    CancelPatience,
    CommandError,
    LaunchError,
    PythonSession,
    TechRenaissanceError,
    TimedOut,
)

Maker = Callable[..., Any]
MakeDriver = Callable[[], Driver]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="limits of other processes are set as Linux does"
)


# ------------------------------------------------------------------------------------------------------------- the disk


@pytest.fixture
def disk(workspace: Path) -> Iterator[Path]:
    """The workspace is a disk of its own, of 256 KiB."""
    workspace.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "none", str(workspace)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("this process may not mount")
    yield workspace
    assert wait_until(lambda: not subprocess.run(["umount", str(workspace)], check=False).returncode)


def fill(disk: Path) -> Path:
    """Use up all that is free, also if it was done before."""
    path = disk / "filler"
    with path.open("ab", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return path


def test_a_full_disk_is_told_and_passes(disk: Path, start: Maker) -> None:
    """Of a host that cannot ask, or a worker that cannot answer; shared memory does not need it."""
    session = start("tensors.py", quiet_mode=True)
    pid = session.fetch_response("pid", LONG_MS)
    filler = fill(disk)
    if os.environ["TR_TRANSPORT"] == "shm":
        for _ in range(3):
            assert pid == session.fetch_response("pid", LONG_MS)
            session.send_tensor(np.ones(100_000, np.float32), "t")
            assert 100_000 == session.fetch_tensor("same t", LONG_MS).size
    else:
        with pytest.raises(TimedOut, match=r"No space left|not answered"):  # of the host, or the worker
            while session.fetch_response("pid", 1000):  # a status that took another's place has made room
                fill(disk)
        with pytest.raises((TechRenaissanceError, OSError, DriverFailed), match="No space left"):
            session.send_tensor(np.ones(100_000, np.float32), "t")
    filler.unlink()
    session.terminate()
    session.start()
    assert session.fetch_response("pid", LONG_MS)


def test_a_full_disk_stops_no_deadline(disk: Path, start: Maker, gate: Gate) -> None:
    """Stacks cannot be taken, and over files nobody can be told; the calls end all the same, this one and the next."""
    session = start("stubborn.py", quiet_mode=True, patience=CancelPatience(50, 50, LONG_MS))
    for _ in range(2):
        session.fetch_response("echo on", LONG_MS)
        begin(session, f"sleeps {gate.path}", gate, 1000)
        filler = fill(disk)
        with pytest.raises(TimedOut) as caught:
            session.wait_for_response(LONG_MS)
        assert "deadline_passed" == caught.value.code
        assert "No space left on device" in session.stack() or not session.is_alive()
        filler.unlink()
        session.start()


def test_a_session_on_a_full_disk_does_not_start_or_says_why(disk: Path, make_session: Maker) -> None:
    """It starts once there is room."""
    filler = fill(disk)
    session = make_session("tensors.py", quiet_mode=True)
    with pytest.raises(LaunchError, match="No space left") as caught:
        session.start()
        session.fetch_response("pid", LONG_MS)
    assert caught.value.code in ("launch_failed", "died_at_start")
    assert [] == list((disk / "python_session").iterdir())  # a lock that names nobody would stay
    filler.unlink()
    session.start()
    assert session.fetch_response("pid", LONG_MS)


def test_a_disk_that_nobody_may_write_to_is_told(disk: Path, make_session: Maker) -> None:
    """As one that cannot hold a session."""
    (disk / "python_session").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        with pytest.raises(LaunchError, match="Read-only") as caught:
            make_session().start()
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert "launch_failed" == caught.value.code
    session = make_session("tensors.py", "another", quiet_mode=True)
    session.start()
    assert session.fetch_response("pid", LONG_MS)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_is_not_ours_to_write_to_is_told(workspace: Path, make_session: Maker) -> None:
    """From start."""
    workspace.mkdir()
    workspace.chmod(0o500)
    with pytest.raises(LaunchError) as caught:
        make_session().start()
    assert "launch_failed" == caught.value.code
    workspace.chmod(0o700)


# ----------------------------------------------------------------------------------------------- descriptors and memory


class Limited:
    """A driver with less of something than it would like."""

    def __init__(self, driver: Driver, what: int, limit: int) -> None:
        self._driver = driver
        self._what = what
        self._limit = limit

    def __enter__(self) -> None:
        self._before = resource.prlimit(self._driver.process.pid, self._what)
        resource.prlimit(self._driver.process.pid, self._what, (self._limit, self._before[1]))

    def __exit__(self, *exception: object) -> None:
        resource.prlimit(self._driver.process.pid, self._what, self._before)


@pytest.mark.parametrize("may_have", ["what it has", "none"])
def test_a_host_without_descriptors_has_its_answer_later(
    make_driver: MakeDriver, gate: Gate, may_have: str
) -> None:
    """It waits for them, as for room, and says so when the time is over. Nobody else is blamed; shared memory needs
    none, not even if the system refuses to wait for those that it has.
    """
    driver = make_driver()
    with driver.session(str(WORKERS / "echo.py"), "test", quiet_mode=True) as session, ThreadPoolExecutor(
        1
    ) as threads:
        pid = session.fetch_response("pid", LONG_MS)
        call = threads.submit(session.fetch_response, f"wait {gate.path} answer", LONG_MS)
        gate.wait_for_arrival()
        taken = descriptors_of(driver.process.pid)
        first_free = next(number for number in itertools.count() if number not in taken)
        with Limited(driver, resource.RLIMIT_NOFILE, 0 if may_have == "none" else first_free):
            gate.open()
            if os.environ["TR_TRANSPORT"] == "shm":
                assert "answer" == call.result()
            else:
                for _ in range(2):
                    with pytest.raises(TimedOut, match="Too many open files"):
                        session.fetch_response("echo lost", 300)
                assert not call.done()
        assert "answer" == call.result()
        assert "next" == session.fetch_response("echo next", LONG_MS)
        assert pid == session.fetch_response("pid", LONG_MS)


def test_a_tensor_that_a_host_has_no_memory_for_is_that_calls_error(make_driver: MakeDriver) -> None:
    """The next call is right."""
    driver = make_driver()
    with driver.session(str(WORKERS / "shm_tensors.py"), "test", quiet_mode=True, library="numpy") as session:
        assert session.fetch_tensor("many 1 100", LONG_MS).nbytes  # whatever is loaded once and for all
        pages = int(Path(f"/proc/{driver.process.pid}/statm").read_text().split()[0])
        with Limited(driver, resource.RLIMIT_AS, pages * resource.getpagesize() + (64 << 20)):
            for _ in range(2):
                with pytest.raises(CommandError) as caught:
                    session.fetch_tensor(f"many 1 {200 << 20}", LONG_MS)
                assert caught.value.remote_type in ("MemoryError", "tech_renaissance.ArenaFull")
                assert "next" == session.fetch_response("echo next", LONG_MS)


def test_a_host_without_descriptors_says_so_and_leaks_none(make_driver: MakeDriver) -> None:
    """However many are left: the session starts and answers, or the error is typed; with enough, it starts."""
    driver = make_driver()
    session = driver.session(str(WORKERS / "echo.py"), "test", quiet_mode=True)
    with session:  # whatever is opened once and for all
        assert "on" == session.fetch_response("echo on", LONG_MS)
        session.terminate()
    codes: List[str] = []
    before = descriptors_of(driver.process.pid)
    for left in range(0, 24, 2):
        session = driver.session(str(WORKERS / "echo.py"), "test", quiet_mode=True)
        with Limited(driver, resource.RLIMIT_NOFILE, max(before) + 1 + left):
            try:
                session.start()
                assert "on" == session.fetch_response("echo on", LONG_MS)
            except TechRenaissanceError as error:
                codes.append(error.code)
        session.close()
        assert wait_until(lambda: before == descriptors_of(driver.process.pid)), left
        assert not os.path.exists(session.session_dir), left
    assert {"launch_failed"} >= set(codes), codes
    assert codes
    with driver.session(str(WORKERS / "echo.py"), "test") as session:
        assert "on" == session.fetch_response("echo on", LONG_MS)


@pytest.mark.parametrize("left_mib", [96, 192])  # the driver itself needs some
def test_a_host_without_memory_says_so_and_goes_on(make_driver: MakeDriver, left_mib: int) -> None:
    """With another size for its arena, over files if it may choose, or with an error that names what there is not."""
    driver = make_driver()
    session = driver.session(str(WORKERS / "echo.py"), "test", quiet_mode=True)  # it has loaded what it needs
    status = Path(f"/proc/{driver.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmSize"))
    with Limited(driver, resource.RLIMIT_AS, (int(line.split()[1]) << 10) + (left_mib << 20)):
        try:
            session.start()
            assert "on" == session.fetch_response("echo on", LONG_MS)
        except TechRenaissanceError as error:
            assert "launch_failed" == error.code  # noqa: PT017 - it may succeed, too
        session.close()
    with driver.session(str(WORKERS / "echo.py"), "test") as session:
        assert "on" == session.fetch_response("echo on", LONG_MS)


def test_a_worker_without_memory_says_so_and_serves_on(start: Maker) -> None:
    """It is an exception of its handler."""
    session = start("faulty.py", quiet_mode=True)
    session.fetch_response(f"limit RLIMIT_AS {4 << 40}", LONG_MS)
    with pytest.raises(CommandError) as caught:
        session.fetch_response(f"allocate {8 << 20}", LONG_MS)
    assert "MemoryError" == caught.value.remote_type
    assert "1048576" == session.fetch_response("allocate 1", LONG_MS)


def test_a_worker_without_descriptors_serves_on_or_is_lost(start: Maker) -> None:
    """Over shared memory it needs none; over files it cannot even read."""
    session = start("faulty.py", quiet_mode=True)
    assert "on" == session.fetch_response("echo on", LONG_MS)
    try:
        session.fetch_response("limit RLIMIT_NOFILE 3", LONG_MS)
        assert "on" == session.fetch_response("echo on", LONG_MS)
    except TechRenaissanceError as error:
        assert ("file", "worker_lost") == (os.environ["TR_TRANSPORT"], error.code)  # noqa: PT017 - it may succeed
    session.terminate()
    session.start()
    assert "on" == session.fetch_response("echo on", LONG_MS)


def test_a_worker_with_a_limit_of_file_sizes_says_what_is_too_large(start: Maker) -> None:
    """Over files; shared memory has none."""
    session = start("faulty.py", quiet_mode=True)
    text = "x" * 100_000
    session.fetch_response("limit RLIMIT_FSIZE 20000", LONG_MS)
    if os.environ["TR_TRANSPORT"] == "shm":
        assert text == session.fetch_response(f"echo {text}", LONG_MS)
    else:
        with pytest.raises(CommandError, match="File too large"):
            session.fetch_response(f"echo {text}", LONG_MS)
    assert "on" == session.fetch_response("echo on", LONG_MS)


def test_a_host_with_a_limit_of_file_sizes_says_what_is_too_large(make_driver: MakeDriver) -> None:
    """It is not ended by a signal. What is within the limit goes on."""
    driver = make_driver()
    with driver.session(str(WORKERS / "faulty.py"), "test", quiet_mode=True) as session:
        assert "on" == session.fetch_response("echo on", LONG_MS)
        with Limited(driver, resource.RLIMIT_FSIZE, 20_000):
            if os.environ["TR_TRANSPORT"] == "file":
                with pytest.raises(Exception, match="File too large"):
                    session.send_tensor(np.ones(100_000), "large")
                with pytest.raises(Exception, match="File too large"):
                    session.fetch_response("echo " + "x" * 100_000, LONG_MS)
            assert "on" == session.fetch_response("echo on", LONG_MS)
        with Limited(driver, resource.RLIMIT_FSIZE, 0), pytest.raises(LaunchError, match="File too large"):
            driver.session(str(WORKERS / "faulty.py"), "second", quiet_mode=True).start()


# ------------------------------------------------------------------------------------------------------------- the clock


def test_a_clock_that_jumps_moves_no_deadline(
    start: Maker, host: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back an hour at every look, or forward. The C++ host has std::chrono::steady_clock only, which nothing can set."""
    if host != "python":
        pytest.skip("only this process's clock can be replaced")
    jumps = iter(range(1, 1_000_000))
    truth = time.time

    def jumping() -> float:
        number = next(jumps)
        return truth() + 3600 * number * (-1) ** number

    monkeypatch.setattr(time, "time", jumping)
    session: PythonSession = start("faulty.py", quiet_mode=True, environment={"GATE": gate.path})
    for number in range(20):
        assert str(number) == session.fetch_response(f"echo {number}", LONG_MS, deadline_ms=LONG_MS)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        session.fetch_response("poll", 200)
    gate.wait_for_arrival()
    gate.open()
    assert session.cancel()
    begin(session, "poll", gate, 200)
    gate.open()
    with pytest.raises(TimedOut) as caught:
        session.wait_for_response(LONG_MS)
    assert "deadline_passed" == caught.value.code
    assert time.monotonic() - began >= 0.4
    assert "on" == session.fetch_response("echo on", LONG_MS)
