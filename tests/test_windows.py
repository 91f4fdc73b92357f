"""What only Windows has: files that others hold open, jobs, handles that are inherited."""

import asyncio
import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time
from ctypes import wintypes
from pathlib import Path
from typing import Any, Callable, List

import pytest

if sys.platform != "win32":
    pytest.skip("this is Windows' own", allow_module_level=True)

import msvcrt

from hosts import WORKERS
from hypothesis import given, settings
from hypothesis import strategies as st

from tech_renaissance._process.interrupt_windows import interruptible
from tech_renaissance._process.spawn_windows import create_job, spawn
from tech_renaissance._process.windows import Process
from tech_renaissance._protocol.frame import Ask, Ready, Response
from tech_renaissance._system import files, files_windows
from tech_renaissance._system.event_windows import make_event, set_event
from tech_renaissance._system.open_folder import OpenFolder
from tech_renaissance._system.wait_handle_windows import WaitHandle
from tech_renaissance._transport.file.host import FileHost
from tech_renaissance._transport.session_place import SessionPlace

Maker = Callable[..., Any]

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.IsProcessInJob.argtypes = [wintypes.HANDLE, wintypes.HANDLE, ctypes.POINTER(wintypes.BOOL)]
_kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel32.CreateEventW.restype = wintypes.HANDLE
_kernel32.CreateFileW.restype = wintypes.HANDLE

# Says what it was given, and which of the handles that its last arguments name it has.
_CHILD = """
import ctypes, json, sys
flags = ctypes.c_ulong()
has = [bool(ctypes.windll.kernel32.GetHandleInformation(ctypes.c_void_p(int(n)), ctypes.byref(flags))) for n in sys.argv[1].split()]
print(json.dumps([has, sys.argv[2:]]))
"""


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> List[float]:
    """How long was slept; nobody sleeps."""
    slept: List[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def _failing(error: OSError, times: int) -> Callable[[], str]:
    errors = [error] * times

    def action() -> str:
        if errors:
            raise errors.pop()
        return "done"

    return action


@pytest.mark.parametrize("code", [5, 32, 33])
def test_a_file_that_is_in_use_is_tried_again_at_once(pauses: List[float], code: int) -> None:
    """The other side needs it for microseconds."""
    assert "done" == files_windows.patiently(_failing(OSError(13, "in use", "file", code), 3))
    assert [0.0] * 3 == pauses


def test_a_file_that_stays_in_use_is_given_up_after_a_second(pauses: List[float]) -> None:
    """With the true error."""
    with pytest.raises(PermissionError) as caught:
        files_windows.patiently(_failing(OSError(13, "in use", "file", 32), 1000))
    assert 32 == caught.value.winerror
    assert 1.0 <= sum(pauses) < 1.1


def test_another_failure_of_a_file_is_told_at_once(pauses: List[float]) -> None:
    """Such as a disk that is write protected."""
    with pytest.raises(PermissionError):
        files_windows.patiently(_failing(OSError(13, "write protected", "file", 19), 1))
    assert [] == pauses


def test_a_folder_in_place_of_a_file_is_refused_at_once(pauses: List[float], tmp_path: Path) -> None:
    """It will not become a file."""
    with pytest.raises(OSError, match="not a regular file"):
        files.read(str(tmp_path))
    assert [] == pauses


def _write_and_look(path: Path, text: str) -> int:
    """Write a file, and look at it until the handle is closed, as somebody does who asks whether it exists."""
    path.write_text(text)
    read_attributes, share_all, open_existing = 0x80, 0x7, 3
    handle: int = _kernel32.CreateFileW(str(path), read_attributes, share_all, None, open_existing, 0, None)
    return handle


def _empty_the_folder(path: str) -> None:
    with OpenFolder(os.path.dirname(path)) as folder:
        folder.empty()


@pytest.mark.parametrize("remove", [files.remove, files.discard, _empty_the_folder])
def test_what_is_removed_is_gone_at_once_though_others_look_at_it(
    remove: Callable[[str], None], tmp_path: Path
) -> None:
    """Else what has been read and removed would be read again."""
    path = tmp_path / "file"
    handle = _write_and_look(path, "text")
    remove(str(path))
    left = files.read(str(path))
    files.write_new(str(path), b"new")
    _kernel32.CloseHandle(handle)
    assert left is None
    assert b"new" == files.read(str(path))
    files.remove(str(path))
    files.remove(str(path))


def test_a_file_that_its_reader_does_not_let_others_remove_is_removed_once_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The other side reads it for microseconds."""
    path = tmp_path / "file"
    path.touch()
    reader = path.open()
    monkeypatch.setattr(time, "sleep", lambda _: reader.close())
    files.remove(str(path))
    assert not path.exists()


def test_a_response_and_an_ask_are_read_once_though_the_worker_looks_at_their_files(tmp_path: Path) -> None:
    """A second time they would be answers that nobody waits for, and calls that nobody made."""
    host = FileHost(str(tmp_path))
    host.prepare()
    (tmp_path / "status.txt").write_text("ready")
    ready = host.receive(1)
    handles = [_write_and_look(tmp_path / "ask.json", '{"id": 1, "command": "f", "parameters": ""}')]
    ask = [host.receive(1), host.receive(0)]
    handles.append(_write_and_look(tmp_path / "response.json", '{"command": "a", "result": "b", "id": 1}'))
    response = [host.receive(1), host.receive(0)]
    for handle in handles:
        _kernel32.CloseHandle(handle)
    host.close()
    assert isinstance(ready, Ready)
    assert [Ask, type(None)] == [type(frame) for frame in ask]
    assert [Response, type(None)] == [type(frame) for frame in response]


@pytest.mark.parametrize("most_nbytes", [-1, 0, 5, 1 << 17, 1 << 20])
def test_a_file_is_read_without_asking_what_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, most_nbytes: int
) -> None:
    """Which can take ten times as long as reading it."""
    data = bytes(range(251)) * 1000
    path = str(tmp_path / "file")
    for name in ("stat", "lstat", "fstat"):
        monkeypatch.setattr(os, name, lambda *_: pytest.fail("it was asked"))
    files.write(path, data)
    read = files.read(path, most_nbytes)
    files.discard(path)
    missing = files.read(path)
    monkeypatch.undo()
    assert data[: most_nbytes if most_nbytes >= 0 else None] == read
    assert missing is None


def test_whether_a_directory_is_still_ours_is_told_by_the_name_of_its_lock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its owner holds it open, so nothing takes its place; under wine each look at the file itself would keep it open until it is unlocked."""
    (tmp_path / "session.lock").touch()
    place = SessionPlace(str(tmp_path))
    monkeypatch.setattr(os, "lstat", lambda *_: pytest.fail("it was asked"))
    is_lost = place.is_lost()
    monkeypatch.undo()
    assert not is_lost
    (tmp_path / "session.lock").unlink()
    assert place.is_lost()
    assert SessionPlace(str(tmp_path / "none")).is_lost()


def test_a_folder_in_place_of_a_file_is_refused_for_what_it_is(tmp_path: Path) -> None:
    """Access to it is denied as if somebody else had it open, which would be worth waiting for."""
    with pytest.raises(OSError, match="is not a regular file") as caught:
        files_windows.open_plain(str(tmp_path))
    assert not isinstance(caught.value, PermissionError)


@pytest.mark.parametrize(
    ("folder", "extended"),
    [
        ("C:\\" + "a" * 80, "C:\\" + "a" * 80),
        ("C:\\" + "a" * 100, "\\\\?\\C:\\" + "a" * 100),
        ("\\\\server\\" + "a" * 100, "\\\\?\\UNC\\server\\" + "a" * 100),
        ("\\\\?\\C:\\" + "a" * 300, "\\\\?\\C:\\" + "a" * 300),
    ],
)
def test_a_folder_whose_files_could_have_long_paths_is_in_extended_form(folder: str, extended: str) -> None:
    """Only then."""
    assert extended == files_windows.with_room(folder, 170)


def test_everything_in_an_open_folder_is_reached_in_extended_form(tmp_path: Path) -> None:
    """Also what others put there, whatever its name; wine hides that a path of more than 260 characters is not found without."""
    reached: List[str] = []
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "file").touch()

    class Folder(OpenFolder):
        def names(self) -> List[str]:
            reached.append(self._extended)
            return super().names()

    with Folder(str(tmp_path)) as folder:
        assert str(tmp_path) == folder.path
        with Folder("inner", folder) as within:
            assert str(inner) == within.path
            within.empty()
        folder.empty()
    assert [f"\\\\?\\{inner}", f"\\\\?\\{tmp_path}"] == reached
    assert [] == list(tmp_path.iterdir())


def test_a_folder_in_place_of_a_file_is_removed_in_extended_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See above."""
    (tmp_path / "file" / "inner").mkdir(parents=True)
    listed: List[str] = []
    look = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or look(path))
    files.discard(str(tmp_path / "file"))
    monkeypatch.undo()
    assert not (tmp_path / "file").exists()
    assert listed
    assert all(path.startswith("\\\\?\\") for path in listed)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\\\\?\\C:\\a", "C:\\a"),
        ("\\\\?\\UNC\\server\\a", "\\\\server\\a"),
        ("C:\\a", "C:\\a"),
        (OSError(5, "no", "\\\\?\\C:\\a"), "[Errno 5] no: 'C:\\\\a'"),
        (OSError(5, "no", "\\\\?\\UNC\\server\\a"), "[Errno 5] no: '\\\\\\\\server\\\\a'"),
    ],
)
def test_a_message_has_no_path_in_extended_form(said: object, shown: str) -> None:
    """Users know another."""
    assert shown == files.shown(said)


def test_a_process_that_has_ended_fires_until_it_is_removed() -> None:
    """Its end may come while there is something else to take in, which is done first."""
    loop, handle, fired = asyncio.new_event_loop(), WaitHandle(), []
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        member = int(process._handle)  # type: ignore[attr-defined]

        def act() -> None:
            fired.append(member)
            if len(fired) == 3:
                handle.remove(member)
                loop.stop()

        handle.listen(loop, act)
        handle.add(member)
        loop.call_later(60, loop.stop)
        loop.run_forever()
        handle.close()
    loop.close()
    assert [member] * 3 == fired


def _run(tmp_path: Path, arguments: List[str]) -> str:
    """What a program prints that was started with these arguments."""
    job = create_job()
    path = tmp_path / "output"
    with path.open("wb") as output, open(os.devnull, "rb") as nothing:
        handles = [msvcrt.get_osfhandle(file.fileno()) for file in (nothing, output, output)]
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        process = spawn([sys.executable, "-c", _CHILD, *arguments], os.environ, None, job, handles)
        in_job = wintypes.BOOL()
        assert _kernel32.IsProcessInJob(process.handle, job, ctypes.byref(in_job))
        assert in_job.value
        _kernel32.WaitForSingleObject(process.handle, 0xFFFFFFFF)
    _kernel32.CloseHandle(process.handle)
    _kernel32.CloseHandle(job)
    return path.read_text()


def test_a_process_is_in_its_job_and_has_only_the_handles_that_are_named(tmp_path: Path) -> None:
    """Though the host has others that are inheritable."""
    # So many that the child has none of its own with the last one's number.
    events = [_kernel32.CreateEventW(None, False, False, None) for _ in range(2000)]
    os.set_handle_inheritable(max(events), True)
    assert "[[false], []]" == _run(tmp_path, [str(max(events))]).strip()
    for event in events:
        _kernel32.CloseHandle(event)


# Says how Windows treats it when it breaks.
_WORKER = """
import ctypes, sys
from tech_renaissance import TechRenaissanceServer

class Server(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        self.write_response("", str(ctypes.windll.kernel32.GetErrorMode() & 2))
        return True

Server(library="numpy").run(sys.argv[1])
"""


@pytest.mark.parametrize(("host", "transport"), [("python", "shm")], indirect=True)
def test_a_worker_that_breaks_shows_no_dialog(start: Maker, tmp_path: Path) -> None:
    """Which would keep it until somebody clicks."""
    script = tmp_path / "worker.py"
    script.write_text(_WORKER)
    assert "2" == start(str(script)).fetch_response("mode")


# A host that writes into a file what its worker answers.
_HOST = """
import sys
from tech_renaissance import PythonSession
with PythonSession(sys.argv[1], "test", library="numpy") as session, open(sys.argv[2], "w") as file:
    file.write(session.fetch_response("echo hello", 60_000))
"""
_NEEDED = ("SYSTEMROOT", "PATH", "TR_PYTHON", "TR_WORKSPACE")


def _host_in_a_job(arguments: List[str]) -> None:
    job = create_job()
    with contextlib.ExitStack() as files:  # no handle may be named twice
        streams = [files.enter_context(open(os.devnull, "r+b")).fileno() for _ in range(3)]
        handles = list(map(msvcrt.get_osfhandle, streams))
        process = spawn([sys.executable, *arguments], os.environ, None, job, handles)
        _kernel32.WaitForSingleObject(process.handle, 0xFFFFFFFF)
    _kernel32.CloseHandle(process.handle)
    _kernel32.CloseHandle(job)


def _host_without_a_console(arguments: List[str]) -> None:
    program = Path(sys.executable).with_name("pythonw.exe")
    subprocess.run([program, *arguments], check=True, creationflags=subprocess.DETACHED_PROCESS)


def _host_without_a_user_profile(arguments: List[str]) -> None:
    variables = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    subprocess.run([sys.executable, *arguments], check=True, env=variables)


@pytest.mark.parametrize(
    "run",
    [_host_in_a_job, _host_without_a_console, _host_without_a_user_profile],
    ids=lambda run: run.__name__,
)
def test_a_host_may_be_anything(run: Callable[[List[str]], None], workspace: Path, tmp_path: Path) -> None:
    """In a job of others, a GUI program, a service: its worker answers."""
    script, answer = tmp_path / "host.py", tmp_path / "answer.txt"
    script.write_text(_HOST)
    run([str(script), str(WORKERS / "echo.py"), str(answer)])
    assert "hello" == answer.read_text()


# Leaves a child with its output, says something, and ends.
_LEAVES_A_CHILD = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print("the end")
"""


def test_who_holds_the_output_of_a_dead_process_does_not_delay_its_end() -> None:
    """What the process wrote is there."""
    arguments = [sys.executable, "-c", _LEAVES_A_CHILD]
    process = Process(arguments, os.environ, None, "discard", [], None, lambda *_: None)
    assert process.wait(60.0)
    assert ("the end\r\n", 0) == (process.output_tail(), process.exit_status)
    process.close()


@settings(max_examples=10)
@given(st.lists(st.text(st.sampled_from(" \t\"\\'ab^&%\u00e9\u6c49\U0001f600"), max_size=12), max_size=40))
def test_arguments_arrive_as_they_are(tmp_path_factory: pytest.TempPathFactory, arguments: List[str]) -> None:
    """Whatever is in them: quotation marks, backslashes before them, spaces, nothing."""
    import json

    assert [[], arguments] == json.loads(_run(tmp_path_factory.mktemp("echo"), ["", *arguments]))


def test_an_interrupt_that_comes_with_a_question_for_the_stacks_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both set the same event."""
    event = make_event()
    monkeypatch.setenv("TR_INTERRUPT", str(event))
    heard = threading.Event()
    with interruptible(str(tmp_path), heard.set, lambda: True):
        with (tmp_path / "stack.txt").open("r+b") as stacks:
            stacks.write(b"?")
        set_event(event)
        while not heard.is_set():
            time.sleep(0.01)
        assert b"MainThread" in (tmp_path / "stack.txt").read_bytes()
