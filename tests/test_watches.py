"""Waiting for a directory to change, and the handle for event loops: the system's own, and on Linux those of macOS on a kqueue that is made up."""

import asyncio
import os
import select
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from hosts import WORKERS
from processes import descriptors

from tech_renaissance import AsyncSession
from tech_renaissance._system import wait_handle
from tech_renaissance._transport.file import watch as watches

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors of POSIX")

FOREVER_S = 3600.0


@pytest.fixture(params=["own", "kqueue"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whose watches and handles the package uses now."""
    if request.param == "kqueue":
        if sys.platform != "linux":
            pytest.skip("the system's own")
        from made_kqueue import use_made_kqueue

        use_made_kqueue(monkeypatch)
        from tech_renaissance._system import wait_handle_kqueue
        from tech_renaissance._transport.file import watch_kqueue

        monkeypatch.setattr(watches, "NotifyWatch", watch_kqueue.NotifyWatch)
        monkeypatch.setattr(wait_handle, "WaitHandle", wait_handle_kqueue.WaitHandle)
        monkeypatch.setattr("tech_renaissance._host.loops.WaitHandle", wait_handle_kqueue.WaitHandle)
    return request.param


@pytest.fixture
def watch(kind: str, tmp_path: Path) -> Iterator[Any]:
    """A watch over ``tmp_path``."""
    del kind
    made = watches.watch_directory(str(tmp_path), notify=True)
    assert type(made).__name__ == "NotifyWatch"
    yield made
    made.close()


@pytest.fixture
def handle(kind: str) -> Iterator[Any]:
    """A wait handle without members."""
    del kind
    made = wait_handle.WaitHandle()
    yield made
    made.close()


def _put(folder: Path, name: str) -> None:
    """As a session's files come."""
    (folder / f".{name}").write_text("text")
    (folder / f".{name}").replace(folder / name)


def _is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def test_a_change_ends_the_wait(watch: Any, tmp_path: Path) -> None:
    """That of another thread, during it."""
    writer = threading.Thread(target=_put, args=(tmp_path, "request.json"))
    writer.start()
    assert watch.wait(FOREVER_S)
    writer.join()


def test_no_change_between_two_waits_is_missed(watch: Any, tmp_path: Path) -> None:
    """Whether a file comes or goes; each is told once."""
    for change in (lambda: _put(tmp_path, "a"), (tmp_path / "a").unlink):
        change()
        assert watch.wait(FOREVER_S)
        assert not watch.wait(0)


def test_a_wake_ends_a_wait_or_the_next_one(watch: Any) -> None:
    """From any thread, once."""
    watch.wake()
    watch.wake()
    assert watch.wait(FOREVER_S)
    assert not watch.wait(0)
    waker = threading.Thread(target=watch.wake)
    waker.start()
    assert watch.wait(FOREVER_S)
    waker.join()


def test_an_exit_handle_ends_the_wait(watch: Any) -> None:
    """And stays as it is."""
    read, write = os.pipe()
    os.write(write, b"!")
    assert watch.wait(FOREVER_S, read)
    assert watch.wait(FOREVER_S, read)
    os.close(read)
    os.close(write)


def test_another_directory_is_followed(watch: Any, tmp_path: Path) -> None:
    """What changes there ends the wait."""
    other = tmp_path / "other"
    other.mkdir()
    watch.follow(str(other))
    watch.wait(0)
    _put(other, "a")
    assert watch.wait(FOREVER_S)
    watch.follow(str(tmp_path / "missing"))  # then it sleeps, at the worst
    watch.wait(0)


def test_its_handles_fire_as_a_wait_would_end(watch: Any, tmp_path: Path) -> None:
    """Until a wait has forgotten why."""
    changes: List[Callable[[], object]] = [lambda: _put(tmp_path, "a"), watch.wake]
    for change in changes:
        assert not any(map(_is_readable, watch.handles()))
        change()
        assert any(map(_is_readable, watch.handles()))
        assert watch.wait(0)


def test_a_watch_that_cannot_be_made_leaves_nothing_open(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there is one that only sleeps, if that can be made."""
    del kind
    before = descriptors()
    watches.watch_directory(str(tmp_path / "missing"), notify=True).close()
    assert before == descriptors()

    def fail() -> Any:
        raise OSError(24, "too many open files")

    monkeypatch.setattr("tech_renaissance._transport.file.watch_posix.make_pipe", fail)
    with pytest.raises(OSError, match="too many"):
        watches.watch_directory(str(tmp_path), notify=True)
    assert before == descriptors()


def test_a_wait_handle_is_readable_while_a_member_is(handle: Any) -> None:
    """A member may be added twice, and removed although it is none."""
    read, write = os.pipe()
    handle.add(read)
    handle.add(read)
    assert not _is_readable(handle.fileno())
    os.write(write, b"!")
    assert _is_readable(handle.fileno())
    handle.remove(read)
    handle.remove(read)
    assert not _is_readable(handle.fileno())
    os.close(read)
    os.close(write)
    handle.close()  # as the fixture will again


def test_a_session_works_with_them(
    kind: str, monkeypatch: pytest.MonkeyPatch, workspace: Path, worker_python: str
) -> None:
    """Calls that are awaited, over files."""
    del kind, workspace, worker_python
    monkeypatch.setenv("TR_TRANSPORT", "file")

    async def run() -> None:
        async with AsyncSession(WORKERS / "value_calls.py", "watched", True, library="numpy") as session:
            values = [await session.call("same", number) for number in range(5)]
            assert list(range(5)) == values
            assert list(range(5)) == await asyncio.gather(
                *(session.call("same", number) for number in range(5))
            )

    asyncio.run(run())
