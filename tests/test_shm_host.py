"""Hosts under strain: arenas that are full, tensors beyond 32 bits, forks, threads."""

import errno
import functools
import os
import sys
import threading
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest
from hosts import WORKERS
from kept import read, write
from processes import forks
from segments import Monitor

from tech_renaissance import ArenaFull, PythonSession
from tech_renaissance._transport.shm.segment import UNAVAILABLE, Segment

Maker = Callable[..., Any]

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

GIB = 1 << 30


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> str:
    """This one."""
    monkeypatch.setenv("TR_TRANSPORT", "shm")
    return "shm"


def python_session(name: str) -> PythonSession:
    """A Python host's, with numpy."""
    return PythonSession(WORKERS / "shm_tensors.py", name, transport="shm", library="numpy")


def free_memory_nbytes() -> int:
    """What the system could give."""
    (line,) = (
        line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable")
    )
    return int(line.split()[1]) * 1024


# ------------------------------------------------------------------------------------------------------------- full


def test_more_than_the_arena_has_is_refused_and_the_session_goes_on(start: Maker) -> None:
    """Whatever was asked for, up to sizes that no number of 64 bits holds with its header."""
    session = start("shm_tensors.py", transport="shm")
    for shape in ((1 << 45,), (1 << 60,), ((1 << 63) - 1,), (1 << 31, 1 << 31)):
        with pytest.raises(ArenaFull) as caught:
            session.empty(shape, "uint8")
        assert "arena_full" == caught.value.code
    shared = session.empty((4,), "float32")
    write(shared, 1)
    session.send_tensor(shared, "t")
    assert "4.0" == session.fetch_response("sum t", 60_000)


def test_a_small_arena_is_used_to_its_end(
    workspace: Any, worker_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given up makes room."""
    monkeypatch.setattr(Segment, "create_arena", functools.partial(Segment.create_arena, 64 << 20))
    with python_session("small") as session:
        megabytes = np.ones(15 << 20, np.uint8)
        sent = 0
        with pytest.raises(ArenaFull, match="address space"):
            for sent in range(100):
                session.send_tensor(megabytes, str(sent))
        assert 4 == sent
        with pytest.raises(ArenaFull):
            session.fetch_response("echo " + 20_000_000 * "x", 60_000)
        assert f"{float(15 << 20)}" == session.fetch_response("sum 0", 60_000)
        session.drop_tensor("1")
        assert "" == session.fetch_response("echo")
        session.send_tensor(megabytes, "again")
        assert f"{float(30 << 20)}" == session.fetch_response("sum 0 again")


def test_a_system_without_memory_is_told_and_the_tag_stays(
    workspace: Any, worker_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a full /dev/shm or a container's limit."""

    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with python_session("famine") as session:
        session.send_tensor(np.ones(4, np.float32), "t")
        with monkeypatch.context() as patch:
            patch.setattr(Segment, "commit", refuse)
            for attempt in (
                lambda: session.send_tensor(np.ones(10_000_000, np.uint8), "t"),
                lambda: session.empty((10_000_000,), "uint8"),
                lambda: session.fetch_response("echo " + 10_000_000 * "x", 60_000),
            ):
                with pytest.raises(ArenaFull, match="No space left"):
                    attempt()
            assert "4.0" == session.fetch_response("sum t", 60_000)
        assert 10_000_000 == len(session.fetch_response("echo " + 10_000_000 * "x", 60_000))


# ------------------------------------------------------------------------------------------------------------ large


@pytest.mark.skipif(sys.platform != "linux" or free_memory_nbytes() < 8 * GIB, reason="not enough memory")
def test_tensors_beyond_32_bits(workspace: Any, worker_python: str) -> None:
    """Offsets and sizes are whole numbers of 64 bits."""
    nbytes = 4 * GIB + (64 << 20)
    with python_session("large") as session:
        large = session.empty((nbytes,), "uint8")
        large[0], large[-1] = 3, 7
        session.send_tensor(large, "large")
        session.send_tensor(np.ones(4, np.float32), "behind")
        assert f"3 7 {nbytes}" == session.fetch_response("ends large", 60_000)
        assert "4.0" == session.fetch_response("sum behind")
        assert Monitor(session).arenas_nbytes()[0] <= 4.7 * GIB


# ------------------------------------------------------------------------------------------------------------ forks


@forks
def test_a_fork_of_a_python_host_disturbs_nobody(workspace: Any, worker_python: str) -> None:
    """It lets go of its copies of results, of tensors of ``empty`` and of the session; the parent's are unharmed."""
    session = python_session("forked")
    session.start()
    result, shared = session.fetch_tensor("ordinary 5", 60_000), session.empty((4,), "float32")
    shared[:] = 1
    session.send_tensor(shared, "t")
    child = os.fork()
    if child == 0:
        session.close()
        del result, shared, session
        os._exit(0)
    assert 0 == os.waitpid(child, 0)[1]
    for number in range(20):
        session.fetch_tensor(f"ordinary {number}")
        session.empty((4,), "float32")[:] = 9
    assert [5.0] * 1000 == result.tolist()
    assert "4.0" == session.fetch_response("sum t")
    session.close()


# ---------------------------------------------------------------------------------------------------------- threads


def test_two_sessions_in_two_threads(start: Maker) -> None:
    """They do not touch each other."""
    sessions = [start("shm_tensors.py", f"session_{number}", transport="shm") for number in range(2)]
    failures: List[str] = []

    def work(session: Any, value: int) -> None:
        for index in range(60):
            session.send_tensor(np.full(100, value + index, np.float32), "t")
            total = session.fetch_response("sum t", 60_000)
            result = session.fetch_tensor("same t", 60_000)
            if (total, set(result.tolist())) != (f"{100.0 * (value + index)}", {float(value + index)}):
                failures.append(f"{value} {index}: {total} {result}")

    threads = [threading.Thread(target=work, args=(sessions[number], 1000 * number)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failures


def test_one_session_in_many_threads(start: Maker) -> None:
    """Each with its own tags, its own results, its own shared tensors."""
    session = start("shm_tensors.py", transport="shm")
    failures: List[str] = []

    def work(number: int) -> None:
        shared = session.empty((100,), "float32")
        for index in range(25):
            value = float(100 * number + index)
            write(shared, value)
            session.send_tensor(shared, f"shared_{number}")
            session.send_tensor(np.full(100, value, np.float32), f"copied_{number}")
            answer = session.fetch_response(f"sum shared_{number} copied_{number}", 60_000)
            result = session.calculate("same", read(shared), timeout_ms=60_000)
            if (answer, set(result.tolist())) != (f"{200 * value}", {value}):
                failures.append(f"{number} {index}: {answer} {result}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failures
