"""A worker that lives and does nothing, or nothing sensible: time limits hold, its host can end it, and what works goes on working.

Left out: handlers that ignore what ends a call, each with the step that it takes (tests/test_deadlines.py), and a stopped worker
that is idle (there, too).
"""

import contextlib
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
import pytest
from gates import Gate
from late import late
from leaks import wait_until
from moments import LONG_MS, Held, Stopwatch, hold, in_thread, pid_beside
from processes import is_alive, moves_open_folders, posix_files, posix_signals, posix_sockets

from tech_renaissance import (
    CancelPatience,
    CommandError,
    LaunchError,
    SessionClosed,
    TechRenaissanceError,
    TimedOut,
    WorkerLost,
)

Maker = Callable[..., Any]

IMPATIENT = CancelPatience(20, 20, 20)


def stop(pid: int) -> None:
    """As a debugger or Ctrl+Z does."""
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(lambda: _state(pid) == "T")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class FrozenDisk:
    """A file system of our own. While it is frozen, who writes is in uninterruptible sleep."""

    _FREEZE, _THAW = 0xC0045877, 0xC0045878  # FIFREEZE, FITHAW of linux/fs.h

    def __init__(self, folder: Path) -> None:
        self.path = folder / "disk"
        self.path.mkdir()
        image = folder / "image"
        with image.open("wb") as file:
            file.truncate(1 << 20)
        for command in (["mkfs.ext2", "-q", str(image)], ["mount", "-o", "loop", str(image), str(self.path)]):
            if not shutil.which(command[0]) or subprocess.run(command, check=False).returncode:
                pytest.skip(f"this process cannot {command[0]}")

    def freeze(self) -> None:
        """Until ``thaw``."""
        self._control(self._FREEZE)

    def thaw(self) -> None:
        """No harm in doing it twice."""
        with contextlib.suppress(OSError):
            self._control(self._THAW)

    def close(self) -> None:
        """Remove it, once nobody uses it any more."""
        self.thaw()
        assert wait_until(lambda: not subprocess.run(["umount", str(self.path)], check=False).returncode)

    def _control(self, request: int) -> None:
        import fcntl  # which Windows does not have

        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, request, 0)
        finally:
            os.close(descriptor)


@pytest.fixture
def frozen_disk(tmp_path: Path) -> Iterator[FrozenDisk]:
    """A disk that is not frozen yet, and removed at the end."""
    disk = FrozenDisk(tmp_path)
    yield disk
    disk.close()


@posix_files
def test_a_worker_that_nobody_can_kill_is_left_behind(
    start: Maker, transport: str, frozen_disk: FrozenDisk
) -> None:
    """Its call and its session are told so, in bounded time; the next worker takes its place, and the kernel ends it when it can."""
    if transport == "file":
        pytest.skip("the same, and it takes ten seconds")
    session = start("children.py", quiet_mode=True)
    session.send_tensor(np.ones(3, np.float32), "kept")
    pid = int(session.fetch_response("pid"))
    frozen_disk.freeze()
    session.send_request(f"hold-the-gil {frozen_disk.path / 'file'}")
    assert wait_until(lambda: _state(pid) == "D")
    with pytest.raises(TimedOut) as caught:
        session.wait_for_response(200)
    assert "it is in uninterruptible sleep" in caught.value.stack
    session.terminate()
    assert session.is_alive()
    with pytest.raises(TechRenaissanceError, match="its process still runs"):
        session.fetch_response("echo", 200)
    session.start()
    assert str(pid) != session.fetch_response("pid")
    assert "D" == _state(pid)
    frozen_disk.thaw()
    assert wait_until(lambda: not is_alive(pid))
    assert "back" == session.fetch_response("echo back")


@posix_signals
@pytest.mark.above_transports
def test_a_worker_that_is_stopped_while_it_starts_is_a_launch_timeout(start: Maker, gate: Gate) -> None:
    """A call says why, and it is ended."""
    held = hold(start, gate, "starting", launch_timeout_ms=300)
    stop(held.pid)
    with pytest.raises(LaunchError) as caught:
        held.session.fetch_response("echo")
    assert "launch_timeout" == caught.value.code
    assert not is_alive(held.pid)
    assert "lost" == held.session.state().name


@posix_signals
@pytest.mark.parametrize("moment", ["busy", "replying"])
def test_a_stopped_worker_ends_by_a_deadline(start: Maker, gate: Gate, moment: str) -> None:
    """By a step that needs nothing of it. Its stacks are replaced by the reason."""
    held = hold(start, gate, moment, patience=IMPATIENT)
    stop(held.pid)
    held.read_answers()
    with pytest.raises(TimedOut) as caught:
        held.session.fetch_response("echo behind", LONG_MS, deadline_ms=50)
    assert ("deadline_passed", "queue") == (caught.value.code, caught.value.step)
    with ThreadPoolExecutor(1) as threads:
        waiting = in_thread(threads, held.wait)
        assert held.session.cancel() in ("terminate", "kill")
        error, _ = waiting.result()
    assert error.step in ("terminate", "kill")
    assert "it is stopped" in error.stack
    assert "was cancelled" in error.post_mortem.ended_by_host
    assert not is_alive(held.pid)


@posix_signals
@pytest.mark.parametrize("moment", ["idle", "busy", "replying"])
def test_a_worker_that_was_stopped_for_a_while_serves_on(start: Maker, gate: Gate, moment: str) -> None:
    """A timeout lets go of the call, not of the worker."""
    held = hold(start, gate, moment)
    stop(held.pid)
    held.read_answers()
    with pytest.raises(TimedOut) as caught:
        held.session.fetch_response("echo late", 150)
    assert ("timed_out", "") == (caught.value.code, caught.value.step)
    assert "it is stopped" in caught.value.stack
    os.kill(held.pid, signal.SIGCONT)
    held.gate.open()
    if moment != "idle":
        assert held.session.wait_for_response(LONG_MS).strip() in ("", str(held.answers))
    assert "on" == held.session.fetch_response("echo on", LONG_MS)


@pytest.mark.above_transports
@pytest.mark.parametrize(
    ("how", "fault"),
    [
        pytest.param("terminate", "stop", marks=posix_signals),
        ("terminate", "hold-the-gil"),
        pytest.param("close", "stop", marks=posix_signals),
    ],
)
def test_a_worker_that_hears_nothing_can_be_ended(
    host: str, start: Maker, gate: Gate, stopwatch: Stopwatch, fault: str, how: str
) -> None:
    """Who waits for it hears of that; or, if it listened after all, that its handler was told to end."""
    if (host, how) == ("cpp", "close"):
        pytest.skip(
            "in C++ that is the destructor, which nobody may run while another thread uses the object"
        )
    held = hold(start, gate, "busy", fault)
    gate.open()
    assert fault != "stop" or wait_until(lambda: _state(held.pid) == "T")
    with ThreadPoolExecutor(1) as threads:
        waiting = in_thread(threads, held.wait)
        stopwatch.start()
        getattr(held.session, how)()
        error, _ = waiting.result()
        stopwatch.stop(f"{how} of a worker that hears nothing")
    # SIGTERM may come before the lock is held, and is followed by SIGCONT.
    assert isinstance(error, (SessionClosed, CommandError)), repr(error)
    assert getattr(error, "remote_type", "SystemExit") == "SystemExit"
    assert not is_alive(held.pid)


@pytest.mark.above_transports
def test_taking_stacks_harms_no_worker(start: Maker) -> None:
    """Though threads begin and end at every moment at which they are taken."""
    session = start("faulty.py", quiet_mode=True)
    pid = session.fetch_response("pid")
    session.fetch_response("churn")
    for _ in range(40):
        assert session.stack()
    assert pid == session.fetch_response("pid", LONG_MS)


@posix_files
@pytest.mark.above_transports
def test_a_full_pipe_holds_up_nobody_but_the_worker(start: Maker, gate: Gate, tmp_path: Path) -> None:
    """A call that prints into it ends at its deadline; once somebody takes the output, the worker serves on."""
    output = str(tmp_path / "output")
    os.mkfifo(output)
    reader = os.open(output, os.O_RDWR | os.O_NONBLOCK)
    try:
        session = start(
            "faulty.py",
            output=output,
            environment={"GATE": gate.path},
            patience=CancelPatience(20, interrupt_ms=LONG_MS),
        )
        pid = session.fetch_response("pid")
        error = late(
            lambda deadline_ms: session.fetch_response("chatter 64", LONG_MS, deadline_ms=deadline_ms),
            lambda _: os.path.exists(f"{gate.path}.pid"),
        )
        assert "interrupt" == error.step
        assert int(pid) == pid_beside(gate)
        assert "on" == session.fetch_response("echo on", LONG_MS)
        with contextlib.suppress(BlockingIOError):
            while os.read(reader, 1 << 20):
                pass
        assert pid == session.fetch_response("pid", LONG_MS)
        session.close()
    finally:
        os.close(reader)


@moves_open_folders
def test_a_worker_that_removes_its_directory_answers_or_leaves(start: Maker, gate: Gate) -> None:
    """Over shared memory nothing is lost; over files there is nothing to say it with. A new start makes it good."""
    session = start("faulty.py", quiet_mode=True)
    if os.environ["TR_TRANSPORT"] == "shm":
        assert "removed" == session.fetch_response("remove-directory", LONG_MS)
        assert "on" == session.fetch_response("echo on", LONG_MS)
    else:
        with pytest.raises(WorkerLost) as caught:
            session.fetch_response("remove-directory", LONG_MS)
        assert "worker_lost" == caught.value.code
    session.terminate()
    session.start()
    assert "on" == session.fetch_response("echo on", LONG_MS)


@posix_sockets
def test_a_worker_that_hangs_up_is_asked_in_vain_and_ended_for_certain(start: Maker, gate: Gate) -> None:
    """A silent one is waited for until the deadline."""
    held = hold(start, gate, "busy", "hang-up", patience=IMPATIENT)
    if os.environ["TR_TRANSPORT"] == "shm":
        gate.open()
        gate.wait_for_arrival()
    error = _error_of(held)
    assert "deadline_passed" == error.code
    held.session.terminate()
    assert not is_alive(held.pid)
    held.session.start()
    assert "again" == held.session.fetch_response("echo again", LONG_MS)


def _error_of(held: Held) -> TimedOut:
    with pytest.raises(TimedOut) as caught:
        held.session.fetch_response("echo behind", LONG_MS, deadline_ms=100)
    return caught.value
