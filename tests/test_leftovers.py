"""What dead hosts left in a workspace goes at the next start, or by ``python -m tech_renaissance clean``; nothing else goes."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest
from hosts import WORKERS, Driver
from processes import posix_files

Maker = Callable[..., Any]
MakeDriver = Callable[[], Driver]


@pytest.fixture
def folder(workspace: Path) -> Path:
    """The folder of all session directories."""
    path = workspace / "python_session"
    path.mkdir(parents=True)
    return path


def leave_behind(folder: Path, name: str, lock: str = "4711") -> Path:
    """A directory as a dead host leaves it."""
    directory = folder / f"tr_session_{name}"
    (directory / "__pycache__").mkdir(parents=True)
    (directory / "a.tsr").write_bytes(b"TSR!")
    (directory / "session.lock").write_text(lock)
    return directory


def clean(*arguments: str) -> List[str]:
    """The lines that the command prints."""
    command = [sys.executable, "-m", "tech_renaissance", "clean", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()


def test_a_start_removes_what_dead_hosts_left(make_session: Maker, folder: Path) -> None:
    """In the directories of other sessions, too."""
    left = [leave_behind(folder, name) for name in ("one", "two")]
    with make_session() as session:
        assert not any(path.exists() for path in left)
        assert "on" == session.fetch_response("echo on")


def test_living_sessions_stay(make_driver: MakeDriver, folder: Path) -> None:
    """Of other hosts, and of this one."""
    first, second = make_driver(), make_driver()
    with first.session(str(WORKERS / "echo.py"), "first") as session:
        with first.session(str(WORKERS / "echo.py"), "sibling"), second.session(
            str(WORKERS / "echo.py"), "second"
        ):
            assert [] == clean()
            assert 3 == len(list(folder.iterdir()))
        assert "on" == session.fetch_response("echo on")


def test_the_command_removes_and_says_so(folder: Path, tmp_path: Path) -> None:
    """In the workspace of the environment, or another."""
    path = leave_behind(folder, "one")
    assert [f"removed {path}"] == clean()
    assert not path.exists()
    other = tmp_path / "other" / "python_session"
    other.mkdir(parents=True)
    path = leave_behind(other, "one")
    assert [f"removed {path}"] == clean("--workspace", str(tmp_path / "other"))
    assert [] == clean("--workspace", str(tmp_path / "no-such-folder"))


def test_what_is_none_of_ours_stays(make_session: Maker, folder: Path, tmp_path: Path) -> None:
    """Another name, no lock, a lock that was made just now."""
    kept = [leave_behind(folder, "new", lock=""), leave_behind(folder, "bare"), folder / "another"]
    leave_behind(folder, "renamed").rename(kept[-1])
    (kept[1] / "session.lock").unlink()
    _assert_left_alone(make_session, folder, kept, tmp_path)


@posix_files
def test_links_are_none_of_ours(make_session: Maker, folder: Path, tmp_path: Path) -> None:
    """Neither a link to a directory, nor a directory whose lock is one."""
    elsewhere = leave_behind(tmp_path, "elsewhere")
    (folder / "tr_session_link").symlink_to(elsewhere)
    outside = leave_behind(folder, "outside")
    (outside / "session.lock").unlink()
    (outside / "session.lock").symlink_to(elsewhere / "session.lock")
    kept = [folder / "tr_session_link", outside, elsewhere]
    _assert_left_alone(make_session, folder, kept, tmp_path)


def _assert_left_alone(make_session: Maker, folder: Path, kept: List[Path], elsewhere: Path) -> None:
    """By the command and by a start; then they are moved away, or the test would have left them behind."""
    assert [] == clean()
    with make_session():
        pass
    assert all((path / "a.tsr").exists() for path in kept)
    for path in folder.iterdir():
        path.rename(elsewhere / path.name)
