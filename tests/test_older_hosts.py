"""Older hosts: they know the files and both dialects, no ids, no locks, no variables but TR_WORKSPACE."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import numpy as np
import pytest
from gates import Gate
from hosts import WORKERS
from leaks import wait_until
from older_host import OlderHost
from processes import forks, is_alive, moves_open_folders, posix_signals

import tech_renaissance
from tech_renaissance import export_tsr, import_tsr
from tech_renaissance._worker import unhosted

Maker = Callable[..., OlderHost]


def was_replaced(source: Path, target: Path) -> bool:
    """Windows refuses to while the worker has the target open."""
    try:
        source.replace(target)
    except PermissionError:
        return False
    return True


@pytest.fixture
def older(workspace: Path, worker_python: str) -> Iterator[Maker]:
    """Makes an older host whose worker is ready."""
    workspace.mkdir()
    hosts = []

    def make(script: str = "echo.py", **options: Any) -> OlderHost:
        hosts.append(OlderHost(worker_python, WORKERS / script, workspace, **options))
        assert hosts[-1].wait_for_status("ready")
        return hosts[-1]

    yield make
    for host in reversed(hosts):
        host.close()


@pytest.mark.interpreters
@pytest.mark.parametrize("from_directory", [False, True])
def test_a_worker_finds_its_session_by_place(older: Maker, from_directory: bool) -> None:
    """TR_WORKSPACE, else ``workspace`` in the current directory."""
    host = older(from_directory=from_directory)
    response = host.ask('{"cmd": "echo", "params": "found"}')
    assert {"cmd": "echo", "params": "found"} == response


def test_the_short_dialect_is_answered_in_kind(older: Maker) -> None:
    """No keys that an older host does not know."""
    host = older()
    assert {"cmd": "echo", "params": "text"} == host.ask('{"cmd":"echo","params":"text"}')
    assert {"cmd": "silent", "params": "ok"} == host.ask('{"cmd": "silent"}')


def test_the_long_dialect_is_answered_in_kind(older: Maker) -> None:
    """With or without a timestamp in the request."""
    host = older()
    for timestamp in ("", ', "timestamp": 1699123456789'):
        response = host.ask(f'{{"command": "echo", "parameters": "text"{timestamp}}}')
        assert ["command", "result", "message", "timestamp"] == list(response)
        assert ("echo", "text", "") == (response["command"], response["result"], response["message"])
        assert isinstance(response["timestamp"], int)


def test_params_stand_where_older_hosts_search_for_them(older: Maker) -> None:
    """They look for ``"params":`` and take the string that follows."""
    host = older()
    (host.directory / "request.json").write_text('{"cmd": "echo", "params": "needle"}')
    path = host.directory / "response.json"
    assert wait_until(path.exists)
    assert "needle" == path.read_text().partition('"params":')[2].split('"')[1]
    path.unlink()


def test_tensors_are_named_in_params(older: Maker) -> None:
    """Comma-separated; the files are beside the response."""
    host = older("tensors.py")
    tensors = [np.arange(3, dtype=np.float32), np.ones((2, 2), np.int32)]
    for tag, tensor in zip(("input_a", "input_b"), tensors):
        export_tsr(tensor, str(host.directory / f"{tag}.tsr"))
    response = host.ask('{"cmd": "same", "params": "input_a input_b"}')
    assert "result_0,result_1" == response["params"]
    results = [
        import_tsr(str(host.directory / f"{name}.tsr"), "numpy") for name in response["params"].split(",")
    ]
    assert [tensor.tolist() for tensor in tensors] == [result.tolist() for result in results]


def test_errors_are_told_in_params(older: Maker) -> None:
    """And in an ``error`` that newer programs read."""
    host = older("crash.py")
    response = host.ask('{"cmd": "ehco"}')
    assert response["params"].startswith("error: unknown command 'ehco'")
    assert "unknown_command" == response["error"]["code"]
    assert host.wait_for_status("error: unknown command 'ehco'; did you mean 'echo'?")
    response = host.ask('{"command": "raise", "parameters": "reason"}')
    assert ("error", "ValueError: reason") == (response["result"], response["message"])
    assert "raise ValueError" in response["error"]["traceback"]


@pytest.mark.parametrize("handler", ["pair", "pair-without-a-word"])
def test_missing_tensors_are_the_word_invalid(older: Maker, handler: str) -> None:
    """Hosts compare ``params`` with what such handlers have always written; the reason stands beside it."""
    response = older("tensors.py").ask(json.dumps({"cmd": handler, "params": "missing gone"}))
    assert "invalid" == response["params"]
    assert "there is no tensor 'missing'" == response["error"]["message"]


MALFORMED = {
    "": "not a JSON text",
    "not json": "not a JSON text",
    "[1]": "not a JSON object",
    '{"command": 5}': "'command' is not a string",
    '{"parameters": "x"}': "'command' is missing",
    '{"command": ""}': "empty",
    '{"command": "echo", "parameters": {}}': "parameters",
    '{"command": "echo", "id": -1}': "'id'",
    "[" * 100_000: "nested",
    '{"command": "echo", "parameters": "\\x"}': "not a JSON text",
}


def test_malformed_requests_are_answered(older: Maker) -> None:
    """With what is wrong; the worker serves on."""
    host = older()
    for text, reason in MALFORMED.items():
        response = host.ask(text)
        assert "malformed_request" == response["error"]["code"], text
        assert "error" == response["result"]
        assert reason in response["message"]
    response = host.ask('{"cmd": 5, "params": "x"}')
    assert response["params"].startswith("error: malformed request")
    (host.directory / "request.json").write_bytes(b'{"command": "echo", "parameters": "\xff"}')
    assert "malformed_request" == host.response()["error"]["code"]
    assert "on" == host.ask('{"cmd": "echo", "params": "on"}')["params"]


def test_a_request_that_is_written_in_place_is_read_whole(older: Maker) -> None:
    """In two halves, with the worker awake in between. It claims what is open by a rename, which on Windows has to wait."""
    host = older()
    whole = json.dumps({"command": "echo", "parameters": "both halves"})
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        with (host.directory / "request.json").open("w") as request:
            request.write(whole[:cut])
            request.flush()
            assert sys.platform == "win32" or wait_until((host.directory / ".request.claimed").exists)
            request.write(whole[cut:])
        assert "both halves" == host.response()["result"]


def test_a_request_with_a_byte_order_mark_is_read(older: Maker) -> None:
    """Some editors write one."""
    host = older()
    (host.directory / "request.json").write_bytes(b'\xef\xbb\xbf{"cmd": "echo", "params": "marked"}')
    assert "marked" == host.response()["params"]


def test_a_request_before_the_worker_is_served(workspace: Path, worker_python: str) -> None:
    """The worker takes what it finds."""
    directory = workspace / "python_session" / "tr_session_older"
    directory.mkdir(parents=True)
    (directory / "request.json").write_text('{"cmd": "echo", "params": "early"}')
    host = OlderHost(worker_python, WORKERS / "echo.py", workspace)
    assert "early" == host.response()["params"]
    host.close()


def test_a_response_is_not_overwritten(older: Maker) -> None:
    """The worker waits until it is consumed."""
    host = older()
    path = host.directory / "request.json"
    path.write_text('{"cmd": "echo", "params": "first"}')
    assert wait_until((host.directory / "response.json").exists)
    path.write_text('{"cmd": "echo", "params": "second"}')
    assert wait_until(lambda: not path.exists())
    assert "first" == host.response()["params"]
    assert "second" == host.response()["params"]


def test_requests_that_pile_up_are_answered_in_order(older: Maker) -> None:
    """Each with its id, the malformed ones, too."""
    host = older()
    requests = [f'{{"command": "echo", "parameters": "{number}", "id": {number}}}' for number in range(1, 6)]
    requests[3] = '{"command": 4, "id": 4}'
    path = host.directory / "request.json"
    for request in requests:
        (host.directory / "new").write_text(request)
        assert wait_until(lambda: was_replaced(host.directory / "new", path))
        assert wait_until(lambda: not path.exists())
    responses = [host.response() for _ in requests]
    assert [1, 2, 3, 4, 5] == [response["id"] for response in responses]
    assert ["1", "2", "3", "error", "5"] == [response["result"] for response in responses]


@forks
def test_a_child_that_outlives_its_worker_does_not_hold_the_session(older: Maker, gate: Gate) -> None:
    """The lock is the worker's, which may be started again at once."""
    host = older("forker.py")
    child = int(host.ask(json.dumps({"cmd": "linger", "params": gate.path}))["params"])
    gate.wait_for_arrival()
    host.say_exit()
    assert 0 == host.process.wait(60)
    assert {"cmd": "echo", "params": "again"} == older().ask('{"cmd": "echo", "params": "again"}')
    gate.open()
    assert wait_until(lambda: not is_alive(child))


@pytest.mark.parametrize("how", ["in place", "by rename", "with white space"])
def test_exit_in_status_txt_ends_the_worker(older: Maker, how: str) -> None:
    """The last word is ``terminated``, the exit status 0."""
    host = older()
    path = host.directory / "status.txt"
    if how == "by rename":
        (host.directory / "new").write_text("exit")
        assert wait_until(lambda: was_replaced(host.directory / "new", path))
    else:
        path.write_text("exit" if how == "in place" else "exit\n")
    assert 0 == host.process.wait(60)
    assert "terminated" == host.status()


def test_exit_in_status_txt_is_not_lost_while_the_worker_is_busy(older: Maker, gate: Any) -> None:
    """The status that the worker writes afterwards does not cover it."""
    host = older()
    (host.directory / "request.json").write_text(json.dumps({"cmd": "wait", "params": gate.path}))
    gate.wait_for_arrival()
    host.say_exit()
    gate.open()
    assert 0 == host.process.wait(60)


def test_exit_in_status_txt_ends_a_worker_whose_response_nobody_reads(older: Maker) -> None:
    """It does not wait for the response to be consumed."""
    host = older()
    for text in ("first", "second"):
        (host.directory / "request.json").write_text(json.dumps({"cmd": "echo", "params": text}))
        assert wait_until(lambda: not (host.directory / "request.json").exists())
    host.say_exit()
    assert 0 == host.process.wait(60)


@pytest.mark.parametrize("request_", [{"cmd": "exit"}, {"command": "exit"}])
def test_an_exit_request_ends_the_worker(older: Maker, request_: Dict[str, str]) -> None:
    """It has no response."""
    host = older()
    (host.directory / "request.json").write_text(json.dumps(request_))
    assert 0 == host.process.wait(60)
    assert not (host.directory / "response.json").exists()
    assert "terminated" == host.status()


@moves_open_folders
def test_a_worker_leaves_when_its_directory_does(older: Maker, tmp_path: Path) -> None:
    """There is nobody left to talk to."""
    host = older()
    os.rename(host.directory, tmp_path / "gone")
    assert 0 == host.process.wait(60)


@moves_open_folders
def test_a_worker_leaves_when_its_lock_does(older: Maker) -> None:
    """It is no longer the owner, and writes no last word."""
    host = older()
    host.ask('{"cmd": "echo", "params": "on"}')
    assert host.wait_for_status("ok")
    (host.directory / "session.lock").unlink()
    assert 0 == host.process.wait(60)
    assert "was removed or replaced, so the worker leaves" in host.output
    assert "ok" == host.status()


@moves_open_folders
@pytest.mark.parametrize("attempt", range(15))
def test_a_directory_can_be_removed_while_answers_wait_in_it(older: Maker, attempt: int) -> None:
    """With ``rm -rf``, which makes room for the next answer when it gets to the one that nobody has read."""
    del attempt
    host = older()
    for number in (1, 2):
        request = host.directory / "request.json"
        request.write_text(f'{{"cmd": "echo", "params": "{number}"}}')
        assert wait_until(lambda path=request: not path.exists())
    assert wait_until((host.directory / "response.json").exists)
    assert host.wait_for_status("busy")
    assert wait_until(lambda: not (host.directory / ".request.claimed").exists())
    done = subprocess.run(["rm", "-rf", str(host.directory)], stderr=subprocess.PIPE, check=False)
    assert (0, b"") == (done.returncode, done.stderr)
    assert 0 == host.process.wait(60)
    assert not host.directory.exists()


def test_a_worker_says_where_it_waits_and_what_it_runs(older: Maker) -> None:
    """One line, for who looks elsewhere, or has another module of the same name."""
    host = older(from_directory=True)
    assert "there" == host.ask('{"cmd": "echo", "params": "there"}')["params"]
    (line,) = host.output.splitlines()
    package = Path(tech_renaissance.__file__).parent
    expected = f"tech_renaissance {tech_renaissance.__version__} ({package}): the worker waits in "
    assert (expected, str(host.directory)) == (line[: len(expected)], line[-len(str(host.directory)) :])


def test_a_worker_to_which_nobody_comes_leaves(workspace: Path, worker_python: str) -> None:
    """It has made the directory itself, and takes it away."""
    host = OlderHost(
        worker_python,
        WORKERS / "impatient.py",
        workspace,
        from_directory=True,
        variables={"PATIENCE_S": "0.1"},
    )
    assert 0 == host.process.wait(60)
    assert not host.directory.exists()
    assert "nobody came to " in host.output
    assert f"{host.directory} within 0.1 s, so the worker leaves" in host.output


def test_a_worker_waits_in_a_directory_that_its_host_has_made(older: Maker, workspace: Path) -> None:
    """For as long as it takes."""
    (workspace / "python_session" / "tr_session_older").mkdir(parents=True)
    host = older("impatient.py", variables={"PATIENCE_S": "0"})
    assert "late" == host.ask('{"cmd": "echo", "params": "late"}')["params"]


@posix_signals
def test_a_worker_that_is_told_to_end_takes_its_directory_away(workspace: Path, worker_python: str) -> None:
    """If it has made it, and nobody came."""
    host = OlderHost(worker_python, WORKERS / "echo.py", workspace)
    assert host.wait_for_status("ready")
    host.process.terminate()
    assert -signal.SIGTERM == host.process.wait(60)
    assert not host.directory.exists()


VISITS = {
    "input_a.tsr": b"",
    "request.tmp": b"{",
    "readme": b"",
    "request.json": b'{"command": "x"}',
    "status.txt": b"exit",
}


@pytest.mark.parametrize("name", VISITS)
def test_whatever_comes_into_the_directory_is_the_hosts(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker waits on, and leaves the directory to its host."""
    monkeypatch.setattr(unhosted, "PATIENCE_S", 0.0)
    directory = tmp_path / "tr_session_x"
    session = unhosted.UnhostedSession(str(directory))
    for own in ("status.txt", "worker.json", "stack.txt"):
        (directory / own).write_text("ours")
    assert 0.0 == session.remaining_s()
    assert session.is_in_vain()
    (directory / name).write_bytes(VISITS[name])
    if name == "status.txt":  # the transport reads it
        session.host_came()
    assert not session.is_in_vain()
    assert session.remaining_s() is None
    (directory / name).unlink()
    assert not session.is_in_vain()
    session.end()
    assert ["stack.txt", "status.txt", "worker.json"] == sorted({*os.listdir(directory), "status.txt"})


def test_a_second_worker_of_a_session_is_refused(older: Maker, workspace: Path, worker_python: str) -> None:
    """It says so and ends; the first goes on."""
    host = older()
    second = subprocess.run(
        [worker_python, str(WORKERS / "echo.py"), "older"],
        env={**os.environ, "TR_WORKSPACE": str(workspace)},
        stderr=subprocess.PIPE,
        check=False,
    )
    assert second.returncode
    assert f"process {host.process.pid} holds the session".encode() in second.stderr
    assert "still" == host.ask('{"cmd": "echo", "params": "still"}')["params"]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a b", "nul", "-x", "x" * 129])
def test_a_worker_refuses_a_bad_session_id(workspace: Path, worker_python: str, name: str) -> None:
    """Whoever started it."""
    worker = subprocess.run(
        [worker_python, str(WORKERS / "echo.py"), name],
        stderr=subprocess.PIPE,
        check=False,
        env={**os.environ},
    )
    assert worker.returncode
    assert b"LocalProtocolError: session id" in worker.stderr
    assert not workspace.exists()
