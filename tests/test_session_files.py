"""The files of a session directory, seen from outside: names, order of the words in status.txt, nothing half-written."""

import contextlib
import json
import os
import stat
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from gates import Gate
from leaks import wait_until
from processes import KILLED_TEXT, kill, moves_open_folders, posix_files

from tech_renaissance import CommandError, LocalProtocolError, SessionClosed
from tech_renaissance._protocol.frame import Exit, Exiting, Ready, Request, Response
from tech_renaissance._system import files
from tech_renaissance._system.forks import Forks
from tech_renaissance._transport.file import worker as file_worker
from tech_renaissance._transport.file.host import FileHost
from tech_renaissance._transport.file.worker import FileWorker
from tech_renaissance._transport.session_place import SessionPlace

pytestmark = pytest.mark.files

Maker = Callable[..., Any]


def _status(session: Any) -> str:
    return (files.read(str(Path(session.session_dir) / "status.txt")) or b"").decode()


def test_status_txt_tells_the_workers_state(start: Maker, gate: Gate) -> None:
    """Every word, in order."""
    session = start()
    assert session.wait_until_ready(60_000)
    assert "ready" == _status(session)
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    assert "busy" == _status(session)
    gate.open()
    session.wait_for_response()
    assert wait_until(lambda: "ok" == _status(session))
    with pytest.raises(CommandError):
        session.fetch_response("no-such-command")
    assert wait_until(lambda: "error: unknown command 'no-such-command'" == _status(session))
    session.please_exit(10_000)
    assert "terminated" == _status(session)


def test_exiting_comes_before_terminated(start: Maker, gate: Gate) -> None:
    """A worker that leaves says so first."""
    session = start("slow_end.py", environment={"GATE": gate.path})
    assert session.wait_until_ready(60_000)
    session.send_request("exit")
    gate.wait_for_arrival()
    assert "exiting" == _status(session)
    gate.open()
    assert session.join()
    assert "terminated" == _status(session)


def test_the_host_says_the_last_word_for_a_worker_that_cannot(start: Maker) -> None:
    """One that was killed, as soon as the host knows."""
    session = start()
    pid = int(session.fetch_response("pid"))
    kill(pid)
    with pytest.raises(Exception, match=KILLED_TEXT):
        session.fetch_response("echo")
    assert "terminated" == _status(session)


def test_the_files_have_the_names_of_the_reference_text(start: Maker) -> None:
    """Tensors under their tags, results by number, no temporary files but a heartbeat's that is being written."""
    session = start("tensors.py")
    session.send_tensors([np.ones(1, np.float32)] * 2, ["input_a", "input_b"])
    session.fetch_tensors("pair input_a input_b")
    names = {path.name for path in Path(session.session_dir).iterdir()}
    names -= {name for name in names if name.startswith(".status.txt.")}
    tensors = {"input_a.tsr", "input_b.tsr", "result_0.tsr", "result_1.tsr"}
    assert tensors | {"status.txt", "stack.txt", "worker.json", "session.lock"} == names


def test_results_of_an_earlier_response_are_removed_by_the_next(start: Maker) -> None:
    """A directory does not fill up."""
    session = start("tensors.py")
    session.fetch_tensors("many 5")
    session.fetch_tensors("many 2")
    assert {"result_0.tsr", "result_1.tsr"} == {
        path.name for path in Path(session.session_dir).glob("result_*")
    }


@posix_files
def test_files_are_for_their_user_alone(start: Maker) -> None:
    """The directory is closed, and so are the files."""
    session = start()
    assert session.wait_until_ready(60_000)
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in Path(session.session_dir).glob("*.json")}
    assert {0} == modes


@pytest.mark.parametrize(
    ("message", "keys"),
    [
        ("echo 汉字", {"command": "echo", "parameters": "汉字", "timestamp": int, "id": 2}),
        ('{"cmd": "echo", "params": "汉字"}', {"cmd": "echo", "params": "汉字", "id": 2}),
    ],
)
def test_a_request_is_readable_json(start: Maker, gate: Gate, message: str, keys: Any) -> None:
    """In the dialect of the message, with an id, and with a time in the long one."""
    session = start()
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    session.send_request(message)
    request = json.loads((Path(session.session_dir) / "request.json").read_text(encoding="utf-8"))
    if "timestamp" in keys:
        keys["timestamp"] = request["timestamp"]
        assert isinstance(request["timestamp"], int)
    assert list(keys.items()) == list(request.items())
    gate.open()
    assert session.wait_until_ok()


@pytest.mark.parametrize("poll_ms", ["1:1", "32:1024"])
def test_a_waiting_schedule_works_without_notifications(start: Maker, poll_ms: str) -> None:
    """The reference text's, and a quick one; by option, and by variable."""
    session = start("tensors.py", poll_ms=poll_ms)
    assert [2, 4] == session.calculate("double-in-place", np.array([1, 2], np.int32)).tolist()
    session.please_exit()
    session.close()
    session = start(session_id="variable", environment={"TR_POLL_MS": poll_ms})
    assert poll_ms == session.fetch_response("variable TR_POLL_MS")


@pytest.mark.parametrize("poll_ms", ["x", "0:1", "2:1", "1.5:2", "-1:1", "1:"])
def test_a_schedule_that_is_none_is_refused(make_session: Maker, poll_ms: str) -> None:
    """When the session is made."""
    with pytest.raises(LocalProtocolError) as caught:
        make_session(poll_ms=poll_ms)
    assert "bad_option" == caught.value.code


@moves_open_folders
@pytest.mark.parametrize("late", range(3))
def test_a_directory_that_goes_while_the_worker_writes_is_lost_and_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """It may have looked just before."""
    (tmp_path / "session").mkdir()
    worker = FileWorker(SessionPlace(str(tmp_path / "session")))
    (tmp_path / "session").rmdir()
    looks = iter(range(100))
    is_lost = SessionPlace.is_lost
    monkeypatch.setattr(SessionPlace, "is_lost", lambda place: next(looks) >= late and is_lost(place))
    with pytest.raises(SessionClosed, match="was removed or replaced"):
        worker.try_send(Response("late", "word", id=1))
    looks = iter(range(100))
    with pytest.raises(SessionClosed, match="was removed or replaced"):
        while worker.receive(60) is None:  # it may return early
            pass
    worker.close()
    assert not (tmp_path / "session").exists()


def _swap_at_call(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, directory: Path) -> None:
    """Put another directory in place of this one when a function is called, with files of the same names."""
    function = getattr(where, name)

    def swapped(*arguments: Any) -> Any:
        directory.rename(directory.with_name("aside"))
        directory.mkdir()
        for left in (".request.claimed", "result_1.tsr"):
            (directory / left).write_text("another's")
        return function(*arguments)

    monkeypatch.setattr(where, name, swapped)


def test_a_directory_that_is_swapped_while_the_worker_reads_keeps_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request had been claimed in the other one."""
    directory = tmp_path / "session"
    directory.mkdir()
    worker = FileWorker(SessionPlace(str(directory)))
    (directory / "request.json").write_text('{"cmd": "late", "id": 1}')
    _swap_at_call(monkeypatch, file_worker, "decode_request", directory)
    with contextlib.suppress(SessionClosed):
        while worker.receive(60) is None:
            pass
    worker.close()
    assert {".request.claimed", "result_1.tsr"} == {path.name for path in directory.iterdir()}


def test_a_directory_that_is_swapped_while_the_worker_writes_tensors_keeps_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large tensor takes long; whatever has been written goes where the session was."""
    directory = tmp_path / "session"
    directory.mkdir()
    worker = FileWorker(SessionPlace(str(directory)))
    _swap_at_call(monkeypatch, files, "replace", directory)
    with pytest.raises(SessionClosed):
        worker.try_send(Response("late", "word", id=1, attachments=(np.ones(3, np.float32),)))
    worker.close()
    assert {".request.claimed", "result_1.tsr"} == {path.name for path in directory.iterdir()}


def test_a_fork_in_the_middle_of_a_wait_takes_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a signal handler forks: it comes back into the wait, with descriptors or without, and is told to leave."""
    worker = FileWorker(SessionPlace(str(tmp_path)))
    (tmp_path / "request.json").write_text('{"cmd": "work", "id": 1}')
    monkeypatch.setattr(Forks, "generation", Forks.generation + 1)
    assert worker.receive(60) == Exit()
    monkeypatch.setattr(worker, "_look", lambda: os.read(-1, 1))
    assert worker.receive(60) == Exit()
    worker.close()
    assert ["request.json"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("says", [Ready({}), Response("late", "word", id=1)])
def test_a_directory_whose_lock_goes_while_the_worker_starts_is_lost(tmp_path: Path, says: Any) -> None:
    """It is known since the worker found its lock."""
    (tmp_path / "session.lock").write_text("1")
    place = SessionPlace(str(tmp_path))
    place.check_owned()
    (tmp_path / "session.lock").unlink()
    worker = FileWorker(place)
    with pytest.raises(SessionClosed):
        worker.try_send(says)
    with pytest.raises(SessionClosed):
        worker.receive(0)
    worker.close()
    assert [] == list(tmp_path.iterdir())


def test_a_response_just_before_the_last_word_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that looks for it, is a moment too early, and then reads the word."""
    host, worker = FileHost(str(tmp_path)), FileWorker(SessionPlace(str(tmp_path)))
    host.prepare()
    assert worker.try_send(Ready({}))
    assert isinstance(host.receive(0), Ready)
    assert host.try_send(Request("last", id=1))
    assert isinstance(worker.receive(0), Request)
    read, has_left = files.read, False

    def read_too_early(path: str, *most: int) -> Any:
        nonlocal has_left
        data = read(path, *most)
        if path.endswith("response.json") and not has_left:
            assert data is None
            has_left = True
            assert worker.try_send(Response("last", "word", id=1))
            assert worker.try_send(Exiting())
        return data

    monkeypatch.setattr(files, "read", read_too_early)
    response = host.receive(0)
    assert isinstance(response, Response)
    assert "word" == response.result
    assert isinstance(host.receive(0), Exiting)
    host.close()
    worker.close()


def test_a_request_that_is_still_being_written_has_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is sent again if the worker dies in the meantime."""
    host, worker = FileHost(str(tmp_path)), FileWorker(SessionPlace(str(tmp_path)))
    host.prepare()
    assert worker.try_send(Ready({}))
    assert isinstance(host.receive(0), Ready)
    write, seen = files.write_new, []

    def look_and_write(path: str, data: Any) -> None:
        seen.append(host.begun([1]))
        write(path, data)
        seen.append(host.begun([1]))

    monkeypatch.setattr(files, "write_new", look_and_write)
    assert host.try_send(Request("first", id=1))
    monkeypatch.undo()
    assert [{}, {}] == seen
    assert {} == host.begun([1])
    assert isinstance(worker.receive(0), Request)
    assert {1: None} == host.begun([1])
    host.close()
    worker.close()


def test_a_workspace_may_have_a_long_path(
    make_session: Maker, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the 260 characters that Windows allows in its ordinary form."""
    deep = workspace.joinpath(*["a folder with a name of forty characters"] * 8)
    monkeypatch.setenv("TR_WORKSPACE", str(deep))
    session = make_session("tensors.py", session_id="s" * 128)
    session.start()
    session.send_tensor(np.arange(3.0), "t" * 128)
    assert np.array_equal(np.arange(3.0), session.fetch_tensor("one " + "t" * 128))


def test_a_request_that_is_put_on_the_list_while_another_is_being_put_there_stays_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another thread, or a signal handler: nobody writes an older list over a newer one for good."""
    host, worker = FileHost(str(tmp_path)), FileWorker(SessionPlace(str(tmp_path)))
    write = files.write

    def slowly(path: str, data: bytes) -> None:
        monkeypatch.setattr(files, "write", write)
        host.ask_to_cancel(2)
        write(path, data)

    monkeypatch.setattr(files, "write", slowly)
    host.ask_to_stop(1)
    listed = [worker.is_stopping(1), worker.is_cancelled(2)]
    host.close()
    worker.close()
    assert [True, True] == listed
