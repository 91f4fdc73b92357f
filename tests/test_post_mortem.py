"""One record of every death: the object, the file, and in every error that the death causes."""

import dataclasses
import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from gates import Gate
from leaks import wait_until
from processes import KILLED, KILLED_NAME, SEGFAULT_NAME, SEGFAULT_STACK, SEGFAULT_TEXT, is_alive, kill

from tech_renaissance import CommandError, LaunchError, PostMortem, WorkerLost, __version__

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]


def record_of(session: Any) -> PostMortem:
    """The session's, which is there once the end is known."""
    record = session.post_mortem()
    assert record is not None
    return record


@pytest.mark.interpreters
def test_a_death_in_a_call_is_told_with_all_that_is_known(start: Maker) -> None:
    """What it was doing, how it ended, its last words, who it was."""
    before = time.time()
    session = start("mortal.py", quiet_mode=True)
    pid = int(session.fetch_response("pid"))
    with pytest.raises(WorkerLost, match=r"exit status 11, .* s into 'os-exit 11'") as caught:
        session.fetch_response("os-exit 11")
    record = record_of(session)
    assert record == caught.value.post_mortem
    assert (pid, 11, "", "busy", "", "os-exit 11") == (
        record.pid,
        record.exit_status,
        record.signal,
        record.moment,
        record.ended_by_host,
        record.message,
    )
    assert record.running_s >= 0
    assert f"last words{os.linesep}" == record.output_tail
    assert ("", "", False) == (record.traceback, record.stack, record.out_of_memory)
    assert record.interpreter
    assert record.python.startswith("3.")
    assert __version__ == record.tech_renaissance
    assert before <= record.started_at <= record.ended_at <= time.time()
    written = json.loads((Path(session.session_dir) / "post_mortem.json").read_text())
    assert dataclasses.asdict(record) == written


def test_the_record_is_there_though_nobody_asks(start: Maker) -> None:
    """The file, soon after an idle worker has died."""
    session = start("mortal.py")
    kill(int(session.fetch_response("pid")))
    path = Path(session.session_dir) / "post_mortem.json"
    assert wait_until(path.exists)
    assert wait_until(lambda: session.post_mortem() is not None)
    record = record_of(session)
    assert (KILLED_NAME, KILLED, "idle", "") == (
        record.signal,
        record.exit_status,
        record.moment,
        record.message,
    )


def test_every_waiting_call_has_the_same_record(start: Maker, gate: Gate) -> None:
    """From as many threads."""
    session = start("mortal.py")
    assert session.wait_until_ready(60_000)
    errors: List[WorkerLost] = []

    def call(message: str) -> None:
        with pytest.raises(WorkerLost) as caught:
            session.fetch_response(message, 60_000)
        errors.append(caught.value)

    with ThreadPoolExecutor(4) as threads:
        threads.submit(call, f"wait-and-die {gate.path}")
        gate.wait_for_arrival()
        for number in range(3):
            threads.submit(call, f"echo {number}")
        gate.open()
    assert [record_of(session)] * 4 == [error.post_mortem for error in errors]


def test_a_native_fault_has_the_python_stack(start: Maker) -> None:
    """And the signal's name."""
    session = start("mortal.py", quiet_mode=True)
    with pytest.raises(WorkerLost, match=SEGFAULT_TEXT):
        session.fetch_response("segfault")
    record = record_of(session)
    assert SEGFAULT_NAME == record.signal
    assert record.stack.startswith(SEGFAULT_STACK)
    assert "in main_logic" in record.stack


def test_a_python_error_has_its_traceback(start: Maker) -> None:
    """The last one, if that is how it ended."""
    session = start("mortal.py", quiet_mode=True)
    with pytest.raises(CommandError):
        session.fetch_response("traceback the reason")
    assert session.join()
    record = record_of(session)
    assert record.traceback.startswith("Traceback (most recent call last):")
    assert "KeyError: 'the reason'" in record.traceback


def test_an_end_at_the_start_has_a_record(start: Maker) -> None:
    """With the traceback of the script; of its Python, what the interpreter's name tells."""
    session = start("import_error.py", quiet_mode=True)
    with pytest.raises(LaunchError) as caught:
        session.wait_until_ready()
    record = caught.value.post_mortem
    assert record is not None
    assert ("starting", 1, "") == (record.moment, record.exit_status, record.tech_renaissance)
    assert re.fullmatch(r"(3\.\d+)?", record.python)
    assert "ModuleNotFoundError" in record.traceback


def test_an_end_that_was_asked_for_says_so(start: Maker) -> None:
    """By the host, or by itself in order."""
    session = start("mortal.py")
    session.fetch_response("echo")
    session.terminate()
    assert "terminate()" == record_of(session).ended_by_host
    session.start()
    session.fetch_response("echo")
    session.please_exit()
    assert ("exiting", 0, "") == (
        record_of(session).moment,
        record_of(session).exit_status,
        record_of(session).ended_by_host,
    )


def test_the_record_stays_until_the_next_end(make_session: Maker) -> None:
    """Also while the next worker serves."""
    session = make_session("mortal.py", quiet_mode=True)
    assert session.post_mortem() is None
    for status in (3, 4):
        session.start()
        session.fetch_response("echo")
        assert status == 3 or record_of(session).exit_status == 3
        with pytest.raises(WorkerLost):
            session.fetch_response(f"os-exit {status}")
        assert status == record_of(session).exit_status


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_memory_is_known(start: Maker) -> None:
    """The most it had, if that is more than what the system counts for its host."""
    import resource

    mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10) + 100
    session = start("mortal.py", quiet_mode=True)
    session.fetch_response(f"eat {mib}", 60_000)
    with pytest.raises(WorkerLost):
        session.fetch_response("os-exit 1")
    record = record_of(session)
    assert record.memory_peak_nbytes is not None
    assert mib << 20 <= record.memory_peak_nbytes < (mib + 500) << 20
    assert not record.out_of_memory


@pytest.fixture
def memory_group(tmp_path: Path) -> Iterator[Path]:
    """A control group with 200 MiB of memory, if this system lets us make one."""
    if sys.platform != "linux":
        pytest.skip("control groups are Linux's")
    for root, limit in (("memory", "memory.limit_in_bytes"), (".", "memory.max")):
        group = Path("/sys/fs/cgroup", root, f"tech_renaissance_{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(200 << 20))
        except OSError:
            group.rmdir()
            continue
        yield group
        processes = group / "cgroup.procs"
        assert wait_until(lambda: not processes.read_text())  # noqa: B023 - called at once
        group.rmdir()
        return
    pytest.skip("control groups cannot be made here")


def test_an_end_for_want_of_memory_says_so(start: Maker, memory_group: Path) -> None:
    """By the kernel's out-of-memory killer."""
    session = start("mortal.py", quiet_mode=True)
    (memory_group / "cgroup.procs").write_text(session.fetch_response("pid"))
    with pytest.raises(WorkerLost, match="most likely by the kernel because memory ran out"):
        session.fetch_response("eat 500", 60_000)
    record = record_of(session)
    assert ("SIGKILL", True, "eat 500") == (record.signal, record.out_of_memory, record.message)


def test_what_a_dead_worker_left_is_ended(start: Maker) -> None:
    """Its children, that is."""
    session = start("mortal.py", quiet_mode=True)
    child = int(session.fetch_response("child"))
    with pytest.raises(WorkerLost):
        session.fetch_response("os-exit 1")
    assert wait_until(lambda: not is_alive(child))
