"""What is removed is what is ours: session directories that somebody swaps, removes, or puts where he likes."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator, List

import numpy as np
import pytest
from driver_session import DriverFailed
from gates import Gate
from hosts import WORKERS, Driver
from leaks import wait_until
from processes import moves_open_folders, posix_files

from tech_renaissance import LaunchError, PythonSession, TechRenaissanceError, TimedOut, WorkerLost
from tech_renaissance._system.open_folder import OpenFolder
from tech_renaissance._transport.session_directory import SessionDirectory, remove_leftovers
from tech_renaissance._transport.session_place import SessionPlace

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]
MakeDriver = Callable[[], Driver]

as_root = pytest.mark.skipif(
    sys.platform != "win32" and os.geteuid() != 0, reason="only root can give files to others"
)

STRANGER = 54321  # some user


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """Somebody's folder, with names that a session has, too; it may not change."""
    folder = tmp_path / "precious"
    (folder / "folder").mkdir(parents=True)
    for name in ("file", "request.json", "response.json", "a.tsr", "folder/file"):
        (folder / name).write_text("precious")
    before = _contents(folder)
    yield folder
    assert before == _contents(folder)


def _contents(folder: Path) -> List[str]:
    return sorted(f"{path}: {path.read_text() if path.is_file() else ''}" for path in folder.rglob("*"))


def leave_behind(path: Path, lock: str = "4711") -> Path:
    """A directory as a dead host leaves it."""
    (path / "folder").mkdir(parents=True)
    (path / "a.tsr").write_text("left")
    (path / "folder" / "file").write_text("left")
    (path / "session.lock").write_text(lock)
    return path


def clean(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    command = [sys.executable, "-m", "tech_renaissance", "clean", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# ------------------------------------------------------------------------------------------------- swapped or taken over


@posix_files
@pytest.mark.parametrize("what", ["session", "folder", "workspace"])
def test_a_link_in_place_of_a_session_costs_its_target_nothing(
    start: Maker, workspace: Path, tmp_path: Path, what: str
) -> None:
    """Nor a link above it: the close removes what it made, or nothing."""
    session = start()
    assert session.wait_until_ready(60_000)
    directory = Path(session.session_dir)
    swapped = {"session": directory, "folder": directory.parent, "workspace": workspace}[what]
    target = leave_behind(tmp_path / "other" / directory.relative_to(swapped), lock="")
    before = _contents(target)
    swapped.rename(tmp_path / "moved")
    swapped.symlink_to(tmp_path / "other")
    session.close()
    assert swapped.is_symlink()
    assert before == _contents(target)
    swapped.unlink()


@moves_open_folders
def test_a_session_id_that_a_second_host_took_is_the_seconds(
    make_driver: MakeDriver, workspace: Path
) -> None:
    """Once somebody has removed the workspace under the first: its close leaves the second's files alone."""
    first, second = make_driver(), make_driver()
    session = first.session(str(WORKERS / "echo.py"), "shared")
    session.start()
    assert session.wait_until_ready(60_000)
    shutil.rmtree(workspace)
    with second.session(str(WORKERS / "echo.py"), "shared") as taken:
        assert "mine" == taken.fetch_response("echo mine")
        session.close()
        assert Path(taken.session_dir, "session.lock").read_text() == str(second.process.pid)
        assert "still mine" == taken.fetch_response("echo still mine")


@moves_open_folders
def test_a_replaced_lock_leaves_the_directory_to_who_replaced_it(start: Maker) -> None:
    """Whoever that is."""
    session = start()
    assert session.wait_until_ready(60_000)
    directory = Path(session.session_dir)
    (directory / "new.lock").write_text("1")
    (directory / "new.lock").replace(directory / "session.lock")
    session.close()
    assert (directory / "session.lock").read_text() == "1"
    shutil.rmtree(directory)


@posix_files
def test_a_directory_that_is_swapped_during_a_sweep_costs_nothing(
    tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each step of it; tests/cpp/unit/transport/test_session_directory.cpp swaps at random moments."""
    steps = (
        "is_ours",
        "open_lock",
        "identity_at",
        "names",
        "is_folder",
        "remove_file",
        "remove_empty_folder",
    )
    for step in steps:
        folder = tmp_path / step
        left = leave_behind(folder / "tr_session_x")
        moved = tmp_path / f"moved_{step}"
        operation = getattr(OpenFolder, step)

        def swap_first(
            self: OpenFolder,
            *args: Any,
            _do: Any = operation,
            _left: Path = left,
            _to: Path = moved,
            **more: Any,
        ) -> Any:
            if not _to.exists():
                _left.rename(_to)
                _left.symlink_to(precious)
            return _do(self, *args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(OpenFolder, step, swap_first)
            remove_leftovers(str(folder))
        assert left.is_symlink()


# ----------------------------------------------------------------------------------------------------- who may swap them


@posix_files
@as_root
@pytest.mark.parametrize("what", ["folder", "link", "session"])
def test_a_place_that_belongs_to_another_user_is_refused(
    make_session: Maker, workspace: Path, tmp_path: Path, what: str
) -> None:
    """He could swap whatever is made there."""
    folder = workspace / "python_session"
    owned = folder / "tr_session_test" if what == "session" else folder
    if what == "link":
        (tmp_path / "ours").mkdir()
        workspace.mkdir()
        folder.symlink_to(tmp_path / "ours")
    else:
        owned.mkdir(parents=True)
    os.lchown(owned, STRANGER, STRANGER)
    with pytest.raises(LaunchError, match="belongs to another user") as caught:
        make_session().start()
    assert "launch_failed" == caught.value.code
    assert [] == [path for path in folder.iterdir() if path != owned]
    assert [] == list((folder / "tr_session_test").glob("*"))
    if what == "link":
        folder.unlink()
    else:
        owned.rmdir()


@posix_files
@pytest.mark.parametrize("mode", [0o775, 0o707, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(
    make_session: Maker, workspace: Path, mode: int
) -> None:
    """The message has the cure."""
    folder = workspace / "python_session"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    session = make_session()
    with pytest.raises(LaunchError, match="chmod go-w") as caught:
        session.start()
    assert "launch_failed" == caught.value.code
    assert [] == list(folder.iterdir())
    folder.chmod(mode & ~0o022)
    session.start()
    assert "on" == session.fetch_response("echo on")


@posix_files
def test_a_shared_folder_with_the_sticky_bit_is_good(start: Maker, workspace: Path) -> None:
    """As /tmp is: what we make there, others cannot rename."""
    folder = workspace / "python_session"
    folder.mkdir(parents=True)
    folder.chmod(0o1777)
    assert "on" == start().fetch_response("echo on")


@posix_files
def test_the_folder_is_made_for_its_user_alone(start: Maker, workspace: Path) -> None:
    """Whatever the umask: the second start must not refuse what the first has made."""
    before = os.umask(0)
    try:
        start(session_id="first").close()
        assert "on" == start(session_id="second").fetch_response("echo on")
    finally:
        os.umask(before)
    assert not (workspace / "python_session").stat().st_mode & 0o022


@posix_files
@pytest.mark.skipif(
    sys.platform != "win32" and os.geteuid() == 0, reason="root may read everything, whatever the mode"
)
def test_a_workspace_that_cannot_be_listed_is_good(start: Maker, workspace: Path) -> None:
    """Only what is below it must be readable."""
    (workspace / "python_session").mkdir(parents=True, mode=0o700)
    workspace.chmod(0o311)
    try:
        assert "on" == start().fetch_response("echo on")
    finally:
        workspace.chmod(0o700)


@posix_files
@as_root
def test_what_another_user_left_is_his(make_session: Maker, workspace: Path) -> None:
    """In a shared folder; neither a start nor the command removes it."""
    folder = workspace / "python_session"
    left = leave_behind(folder / "tr_session_his")
    folder.chmod(0o1777)
    os.chown(left, STRANGER, STRANGER)
    with make_session():
        pass
    assert "" == clean().stdout
    assert (left / "folder" / "file").exists()
    shutil.rmtree(left)


# -------------------------------------------------------------------------------------------------------------- cleaning


def test_cleaning_what_is_no_workspace_says_so(tmp_path: Path) -> None:
    """In a line, without a traceback."""
    (tmp_path / "file").write_text("text")
    done = clean("--workspace", str(tmp_path / "file"))
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("cannot clean ")
    assert 1 == len(done.stderr.splitlines())


@posix_files
def test_cleaning_where_others_may_write_is_refused(workspace: Path) -> None:
    """As a start is."""
    left = leave_behind(workspace / "python_session" / "tr_session_left")
    left.parent.chmod(0o777)
    done = clean()
    assert 1 == done.returncode
    assert "chmod go-w" in done.stderr
    assert left.exists()
    left.parent.chmod(0o755)
    assert f"removed {left}\n" == clean().stdout


def test_a_lock_that_names_nobody_is_left_over_after_a_minute(make_session: Maker, workspace: Path) -> None:
    """Its owner died while making it, or its disk was full. A new one is about to be locked."""
    folder = workspace / "python_session"
    old, new = (leave_behind(folder / f"tr_session_{name}", lock="") for name in ("old", "new"))
    stamp = os.stat(old / "session.lock").st_mtime - 61
    os.utime(old / "session.lock", (stamp, stamp))
    with make_session():
        pass
    assert (False, True) == (old.exists(), new.exists())
    shutil.rmtree(new)


@posix_files
def test_a_directory_in_use_is_locked_for_those_who_clean_up(start: Maker) -> None:
    """systemd-tmpfiles removes what is old in /tmp, but not from a folder that somebody has locked."""
    import fcntl

    session = start()
    assert session.wait_until_ready(60_000)
    for _ in range(2):
        folder = os.open(session.session_dir, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(folder)
        session.terminate()
        session.start()


# --------------------------------------------------------------------------------------------------------- interrupted


@pytest.mark.parametrize("at", ["is_ours", "make_private", "empty", "identity_at"])
def test_an_interrupted_start_holds_nothing(
    workspace: Path, worker_python: str, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The next one succeeds, and the end of that leaves nothing."""
    leave_behind(workspace / "python_session" / "tr_session_test")
    operation = getattr(OpenFolder, at)

    def interrupted(self: OpenFolder, *args: Any, **more: Any) -> Any:
        operation(self, *args, **more)
        raise KeyboardInterrupt

    session = PythonSession(str(WORKERS / "echo.py"), "test", python=worker_python)
    with monkeypatch.context() as patch:
        patch.setattr(OpenFolder, at, interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.start()
    session.start()
    assert "on" == session.fetch_response("echo on")
    session.close()


def test_an_interrupted_end_can_be_repeated(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on where it was."""
    path = workspace / "python_session" / "tr_session_x"
    directory = SessionDirectory(str(path), empty=True)
    (path / "file").write_text("text")

    def interrupted(self: OpenFolder, name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(OpenFolder, "remove_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            directory.remove()
    directory.remove()
    assert not path.exists()


# ----------------------------------------------------------------------------------------- a directory that is lost in use


def take_away(directory: Path, how: str) -> None:
    """Have a session directory go, or its lock."""
    if how == "lock":
        (directory / "session.lock").unlink()
    elif how == "removed":
        subprocess.run(["rm", "-rf", str(directory)], check=True)
    elif how == "moved":
        directory.rename(directory.parents[2] / "moved")
    else:
        (directory / "new.lock").write_text("1")
        (directory / "new.lock").replace(directory / "session.lock")


WAYS = ("lock", "removed", "moved", "replaced")


@moves_open_folders
@pytest.mark.parametrize("how", WAYS)
def test_a_worker_that_loses_its_directory_leaves_or_needs_none(
    start: Maker, transport: str, how: str
) -> None:
    """Over files it leaves by itself, and its callers hear of it; over shared memory it serves on."""
    session = start()
    assert session.fetch_response("pid")
    directory = Path(session.session_dir)
    assert wait_until(lambda: (directory / "status.txt").read_text() in ("ok", "serving"))
    take_away(directory, how)
    before = _contents(directory)
    if transport == "shm":
        assert "on" == session.fetch_response("echo on")
    else:
        assert session.join()
        with pytest.raises(WorkerLost, match="was removed or replaced"):
            session.fetch_response("echo on")
    session.terminate()
    assert before == _contents(directory)
    session.close()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.parametrize("is_there", [False, pytest.param(True, marks=posix_files)])
def test_a_worker_that_starts_without_its_directory_leaves_at_once(
    workspace: Path, worker_python: str, precious: Path, is_there: bool
) -> None:
    """Its host's directory has a lock. What else bears the name is somebody's: a link, for one."""
    folder = workspace / "python_session"
    folder.mkdir(parents=True)
    if is_there:
        (folder / "tr_session_x").symlink_to(precious)
    worker = subprocess.run(
        [worker_python, str(WORKERS / "echo.py"), "x"],
        env={**os.environ, "TR_HOST_PID": str(os.getpid())},
        stderr=subprocess.PIPE,
        check=False,
    )
    assert 1 == worker.returncode
    assert b"was removed or replaced" in worker.stderr
    assert is_there == (folder / "tr_session_x").is_symlink()
    if is_there:
        (folder / "tr_session_x").unlink()


@moves_open_folders
@pytest.mark.parametrize("how", ["removed", "moved", "lock"])
def test_a_session_whose_directory_was_taken_away_starts_again(start: Maker, how: str) -> None:
    """In a new one, whose changes are noticed."""
    session = start()
    assert session.fetch_response("pid")
    for _ in range(2):
        take_away(Path(session.session_dir), how)
        session.terminate()
        session.start()
        assert "on" == session.fetch_response("echo on")
        session.send_tensor(np.ones(3, np.float32), "t")
        assert session.state().name == "ready"
        shutil.rmtree(Path(session.session_dir).parents[2] / "moved", ignore_errors=True)


@moves_open_folders
def test_a_session_whose_directory_somebody_took_does_not_start(
    start: Maker, make_driver: MakeDriver
) -> None:
    """Until they are done with it."""
    session = start()
    assert session.wait_until_ready(60_000)
    shutil.rmtree(session.session_dir)
    other = make_driver().session(str(WORKERS / "echo.py"), "test")
    with other:
        session.terminate()
        with pytest.raises(LaunchError) as caught:
            session.start()
        assert "session_in_use" == caught.value.code
        assert "exited" == session.state().name
        assert "mine" == other.fetch_response("echo mine")
    session.start()
    assert "on" == session.fetch_response("echo on")


@moves_open_folders
def test_nobody_speaks_into_the_directory_that_another_session_has_now(
    start: Maker, make_driver: MakeDriver, gate: Gate
) -> None:
    """Neither the first session's worker, which was at work, nor its host; and neither takes what is there."""
    session = start()
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    shutil.rmtree(session.session_dir)
    with make_driver().session(str(WORKERS / "echo.py"), "test") as other:
        assert "mine" == other.fetch_response("echo mine")
        status = Path(other.session_dir, "status.txt")
        assert wait_until(lambda: status.read_text() in ("ok", "serving"))
        before = _contents(Path(other.session_dir))
        with pytest.raises((TimedOut, WorkerLost)):
            session.fetch_response("echo lost", 100)
        with contextlib.suppress(TechRenaissanceError, OSError, DriverFailed):  # over files
            session.send_tensor(np.ones(3, np.float32), "t")
        gate.open()
        session.stack()
        session.terminate()
        session.close()
        assert before == _contents(Path(other.session_dir))
        assert "still mine" == other.fetch_response("echo still mine")


@moves_open_folders
def test_a_lock_that_vanishes_while_it_is_looked_for_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that starts at that moment must not believe that its directory is as it was."""
    lock = tmp_path / "session.lock"
    lock.touch()
    looks = itertools.count()
    truth = os.lstat

    def vanishing(path: Any) -> os.stat_result:
        if next(looks) == 1:
            lock.unlink()
        return truth(path)

    monkeypatch.setattr(os, "lstat", vanishing)
    assert SessionPlace(str(tmp_path)).is_lost()
