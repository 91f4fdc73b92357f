"""Arenas are mapped in windows: how much address space sessions and kept results take, and what happens where there is none."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, List

import numpy as np
import pytest

pytest.importorskip("resource")

import resource

from hosts import WORKERS, Driver
from kept import keep, read
from segments import Monitor

from tech_renaissance import ArenaFull, CommandError, LaunchError
from tech_renaissance._transport.shm.segment import UNAVAILABLE, Segment
from tech_renaissance._transport.shm.window import (
    Windows,
    is_window_begin,
    window_begin,
    window_end,
    window_number,
)

Maker = Callable[..., Any]
MakeDriver = Callable[[], Driver]

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

MIB = 1 << 20
LONG_MS = 60_000
ADDRESS_SPACE = 1 << 47


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> str:
    """This one."""
    monkeypatch.setenv("TR_TRANSPORT", "shm")
    return "shm"


def address_space_of(pid: int) -> int:
    """What a process has mapped, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmSize"))
    return int(line.split()[1]) << 10


@contextmanager
def at_most(pid: int, nbytes: int) -> Iterator[None]:
    """So much more address space for a process."""
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (address_space_of(pid) + nbytes, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_AS, before)


def host_of(session: Any) -> int:
    """The process that has a session: a driver, or this one."""
    return session._driver.process.pid if hasattr(session, "_driver") else os.getpid()


def session_of(driver: Driver, session_id: str = "test") -> Any:
    """One whose worker gets numpy arrays."""
    return driver.session(str(WORKERS / "shm_tensors.py"), session_id, library="numpy", quiet_mode=True)


def test_a_thousand_sessions_leave_half_of_the_address_space(make_driver: MakeDriver) -> None:
    """By what each of three takes, with a tensor each way."""
    driver = make_driver()
    sessions: List[Any] = []
    with session_of(driver, "first") as first:  # whatever is mapped once and for all
        first.fetch_response("echo", LONG_MS)
        before = address_space_of(driver.process.pid)
        for number in range(3):
            sessions.append(session_of(driver, f"session_{number}"))
            sessions[-1].start()
            sessions[-1].send_tensor(np.ones(1000, np.float32), "t")
            assert 1000 == sessions[-1].fetch_tensor("same t", LONG_MS).size
        each = (address_space_of(driver.process.pid) - before) // 3
        assert 1000 * each < ADDRESS_SPACE // 2
        for session in sessions:
            session.close()


def test_results_of_many_dead_workers_take_little(make_session: Maker) -> None:
    """Each keeps one window, whatever else its worker had."""
    session = make_session("shm_tensors.py")
    kept: List[Any] = []
    before = 0
    for number in range(6):
        session.start()
        kept.append(keep(session, f"ordinary {number}", LONG_MS))
        session.fetch_tensors(f"many 2 {40 * MIB}", LONG_MS)
        session.terminate()
        if number == 1:  # the host has now mapped and loaded what it needs
            before = address_space_of(host_of(session))
    assert address_space_of(host_of(session)) - before <= 4 * 40 * MIB
    assert [float(number) for number in range(6)] == [float(read(result)[0]) for result in kept]


def test_a_host_that_may_map_little_says_what_does_not_fit(start: Maker) -> None:
    """What does is served on."""
    session = start("shm_tensors.py")
    with at_most(host_of(session), 1024 * MIB):
        for _ in range(3):
            with pytest.raises(ArenaFull) as caught:
                session.empty((2 << 30,), "uint8")
            assert "arena_full" == caught.value.code
            session.send_tensor(np.full(30 * MIB, 2, np.uint8), "t")
            assert 30 * MIB == read(keep(session, "same t", LONG_MS)).size


@pytest.mark.parametrize("whose", ["host", "worker"])
def test_a_limit_of_file_sizes_is_not_for_texts(start: Maker, whose: str) -> None:
    """They are in no file. Their blocks come back."""
    session = start("shm_tensors.py")
    text = "x" * MIB
    assert text == session.fetch_response(f"echo {text}", LONG_MS)
    monitor = Monitor(session)
    pid = host_of(session) if whose == "host" else monitor.info["pid"]
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        for _ in range(8):
            assert text == session.fetch_response(f"echo {text}", LONG_MS)
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    assert max(monitor.arenas_nbytes()) < 4 * MIB


def test_a_result_that_the_host_cannot_map_is_that_calls_error(make_driver: MakeDriver) -> None:
    """As of one that finds no room in the worker; the next call is right, and the memory is used again."""
    driver = make_driver()
    with session_of(driver) as session:
        session.start()
        assert 1 == len(session.fetch_tensors("many 1 1000", LONG_MS))
        monitor = Monitor(session)
        with at_most(driver.process.pid, 64 * MIB):
            for _ in range(4):
                with pytest.raises(CommandError, match="cannot map") as caught:
                    session.fetch_tensors(f"many 3 {200 * MIB}", LONG_MS)
                assert ("command_failed", "tech_renaissance.ArenaFull") == (
                    caught.value.code,
                    caught.value.remote_type,
                )
                assert 1 == len(session.fetch_tensors("many 1 1000", LONG_MS))
        assert monitor.arenas_nbytes()[1] <= 700 * MIB
        assert 3 == len(session.fetch_tensors(f"many 3 {200 * MIB}", LONG_MS))
        assert monitor.arenas_nbytes()[1] <= 700 * MIB


def test_a_tensor_that_the_worker_cannot_map_is_that_calls_error(make_driver: MakeDriver) -> None:
    """Of the handler that asks for it, each time; the next tensor is right."""
    driver = make_driver()
    with session_of(driver) as session:
        session.start()
        session.send_tensor(np.ones(1000, np.float32), "small")
        assert "1000.0" == session.fetch_response("sum small", LONG_MS)
        session.send_tensor(np.ones(200 * MIB, np.uint8), "large")
        with at_most(Monitor(session).info["pid"], 64 * MIB):
            for _ in range(2):
                with pytest.raises(CommandError, match="cannot map") as caught:
                    session.fetch_response("sum large", LONG_MS)
                assert "tech_renaissance.ArenaFull" == caught.value.remote_type
                assert "1000.0" == session.fetch_response("sum small", LONG_MS)
        assert f"{float(200 * MIB)}" == session.fetch_response("sum large", LONG_MS)


def test_a_host_that_cannot_map_a_worker_s_segments_says_so(make_driver: MakeDriver) -> None:
    """A typed error, and a session once there is room."""
    driver = make_driver()
    with session_of(driver, "first") as first:
        first.fetch_response("echo", LONG_MS)
        session = session_of(driver)
        room = 20 * MIB  # for the stack of a thread, not for both arenas
        with at_most(driver.process.pid, room), pytest.raises(LaunchError, match="memory") as caught:
            session.start()
        assert "launch_failed" == caught.value.code
        session.start()
        assert "there" == session.fetch_response("echo there", LONG_MS)
        session.close()


def test_each_window_is_as_large_as_all_before_it() -> None:
    """The first has 16 MiB."""
    end = 0
    for number in range(18):
        assert end == window_begin(number)
        assert is_window_begin(end)
        assert number == window_number(end) == window_number(end + 16 * MIB - 1)
        end = 2 * end or 16 * MIB
        assert end == window_end(end - 1)
    assert not is_window_begin(48 * MIB)
    assert not is_window_begin(16 * MIB - 64)


def test_windows_that_nothing_needs_are_unmapped() -> None:
    """At the second tidying, unless they are in use."""
    segment = Segment.create(256 * MIB)
    windows = Windows(segment)
    windows.at(16 * MIB)
    used = windows.at(32 * MIB)
    windows.tidy()
    assert {1, 2} == set(windows._others)
    windows.tidy()
    assert {2} == set(windows._others)
    assert used is windows.at(33 * MIB)
    windows.close()
    segment.close()


def test_an_answer_that_the_host_has_no_memory_for_is_that_calls_error(make_driver: MakeDriver) -> None:
    """A long text; the next call is right, and the memory is used again."""
    driver = make_driver()
    with session_of(driver) as session:
        session.start()
        assert "there" == session.fetch_response("echo there", LONG_MS)
        monitor = Monitor(session)
        with at_most(driver.process.pid, 64 * MIB):
            for _ in range(3):
                with pytest.raises(CommandError) as caught:
                    session.fetch_response(f"repeat {200 * MIB} x", LONG_MS)
                assert ("command_failed", "MemoryError") == (caught.value.code, caught.value.remote_type)
                assert "there" == session.fetch_response("echo there", LONG_MS)
        assert monitor.arenas_nbytes()[1] <= 500 * MIB
