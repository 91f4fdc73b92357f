"""Who owns a session directory, and what becomes of what others left."""

import os
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest
from hosts import HOSTS, WORKERS, Driver, driver_command
from leaks import wait_until
from processes import posix_files

from tech_renaissance import LaunchError

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]
MakeDriver = Callable[[], Driver]


@posix_files
def test_a_session_directory_is_private(start: Maker) -> None:
    """Mode 0700, whatever the umask."""
    before = os.umask(0)
    try:
        session = start()
        assert session.wait_until_ready(60_000)
    finally:
        os.umask(before)
    assert 0o700 == stat.S_IMODE(os.stat(session.session_dir).st_mode)


@posix_files
def test_a_directory_that_was_there_becomes_private(start: Maker, workspace: Path) -> None:
    """Another program may have made it."""
    directory = workspace / "python_session" / "tr_session_test"
    directory.mkdir(parents=True, mode=0o755)
    assert start().wait_until_ready()
    assert 0o700 == stat.S_IMODE(directory.stat().st_mode)


def test_a_second_session_of_a_name_in_a_program_is_refused(start: Maker, make_session: Maker) -> None:
    """With the cure."""
    first = start()
    second = make_session()
    with pytest.raises(LaunchError, match=r"this program holds .* another session id") as caught:
        second.start()
    assert "session_in_use" == caught.value.code
    second.close()
    assert "unharmed" == first.fetch_response("echo unharmed")
    first.close()


@pytest.mark.parametrize("other", HOSTS)
def test_hosts_of_both_languages_respect_each_other(
    make_driver: MakeDriver, other: str, tmp_path: Path
) -> None:
    """One lock for all."""
    rival_command = driver_command(other)
    if rival_command is None:
        pytest.skip("there is no C++ compiler")
    holder = make_driver()
    rival = Driver(rival_command, tmp_path)
    try:
        with holder.session(str(WORKERS / "echo.py"), "shared") as session:
            assert session.wait_until_ready(60_000)
            with pytest.raises(LaunchError, match=f"process {holder.process.pid} "):
                rival.session(str(WORKERS / "echo.py"), "shared").start()
        with rival.session(str(WORKERS / "echo.py"), "shared") as session:
            assert "mine now" == session.fetch_response("echo mine now")
    finally:
        rival.close()


def test_sessions_of_different_names_do_not_touch_each_other(start: Maker) -> None:
    """Each has its directory."""
    one, two = start(session_id="one"), start(session_id="two")
    assert ("1", "2") == (one.fetch_response("echo 1"), two.fetch_response("echo 2"))
    one.close()
    assert "2" == two.fetch_response("echo 2")


def test_what_a_dead_owner_left_is_removed(make_session: Maker, workspace: Path) -> None:
    """Its requests, answers and tensors are nobody's."""
    directory = workspace / "python_session" / "tr_session_test"
    (directory / "folder").mkdir(parents=True)
    for name in ("request.json", "response.json", "status.txt", "old.tsr", ".old.tmp", "folder/file"):
        (directory / name).write_text("exit")
    (directory / "session.lock").write_text("999999999")
    session = make_session()
    session.start()
    assert "clean" == session.fetch_response("echo clean")
    assert not (directory / "old.tsr").exists()
    assert not (directory / "folder").exists()


@posix_files
def test_a_link_in_place_of_the_directory_is_refused(
    make_session: Maker, workspace: Path, tmp_path: Path
) -> None:
    """Emptying it would empty something else."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    link = workspace / "python_session" / "tr_session_test"
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    with pytest.raises(LaunchError) as caught:
        make_session().start()
    assert "launch_failed" == caught.value.code
    link.unlink()
    assert ["file"] == [path.name for path in precious.iterdir()]


def test_links_among_the_leftovers_are_not_followed(
    make_session: Maker, workspace: Path, tmp_path: Path
) -> None:
    """They go, what they name stays."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    directory = workspace / "python_session" / "tr_session_test"
    directory.mkdir(parents=True)
    (directory / "link").symlink_to(precious)
    session = make_session()
    session.start()
    session.close()
    assert (precious / "file").exists()


def test_a_worker_without_a_host_owns_its_session(
    make_session: Maker, workspace: Path, worker_python: str, gate: Any
) -> None:
    """A host is refused with the worker's pid while it runs."""
    worker = subprocess.Popen(
        [worker_python, str(WORKERS / "slow_start.py"), "test"], env={**os.environ, "GATE": gate.path}
    )
    gate.open()
    try:
        assert _wait_for_status(workspace, "ready")
        with pytest.raises(LaunchError, match=f"process {worker.pid} ") as caught:
            make_session().start()
        assert "session_in_use" == caught.value.code
    finally:
        (workspace / "python_session" / "tr_session_test" / "status.txt").write_text("exit")
        assert 0 == worker.wait()
    session = make_session()
    session.start()
    assert "mine" == session.fetch_response("echo mine")


def _wait_for_status(workspace: Path, word: str) -> bool:
    path = workspace / "python_session" / "tr_session_test" / "status.txt"
    return wait_until(lambda: path.exists() and word == path.read_text())
