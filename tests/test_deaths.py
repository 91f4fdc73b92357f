"""Workers that fail: each failure is one typed error that says what happened; none harms the host."""

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest
from asyncio_host import asyncio_everywhere, asyncio_too
from gates import Gate
from hosts import WORKERS, drop_file
from leaks import wait_until
from processes import KILLED_TEXT, SEGFAULT, SEGFAULT_TEXT, is_alive, kill, moves_open_folders, posix_signals

import tech_renaissance
from tech_renaissance import CommandError, LaunchError, RemoteProtocolError, WorkerLost
from tech_renaissance._system.files import patiently

Maker = Callable[..., Any]

PACKAGE = os.path.dirname(tech_renaissance.__file__)
TOO_OLD_PYTHONS: List[str] = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "interpreters.py"))[
    "too_old"
]()


@pytest.mark.interpreters
def test_an_exception_arrives_with_type_message_and_traceback(start: Maker) -> None:
    """The handler's own lines; the worker serves on."""
    session = start("crash.py")
    with pytest.raises(CommandError, match="raise: ValueError: a reason") as caught:
        session.fetch_response("raise a reason")
    error = caught.value
    assert ("command_failed", "ValueError", "ValueError: a reason") == (
        error.code,
        error.remote_type,
        error.remote_message,
    )
    assert "raise ValueError(parameters)" in error.remote_traceback
    assert "crash.py" in error.remote_traceback
    assert "_server.py" not in error.remote_traceback
    assert "error" == error.result
    assert "on" == session.fetch_response("echo on")


@pytest.mark.above_transports
def test_an_exception_of_a_users_own_arrives_with_its_cause(start: Maker) -> None:
    """Also one whose message cannot be had."""
    session = start("crash.py")
    with pytest.raises(CommandError) as caught:
        session.fetch_response("raise-nested")
    assert caught.value.remote_type.endswith("Unspeakable")
    assert "KeyError: 'the cause'" in caught.value.remote_traceback


@pytest.mark.above_transports
@pytest.mark.parametrize("name", ["GeneratorExit", "CancelledError", "Unstoppable"])
def test_only_systemexit_and_keyboardinterrupt_end_the_worker(start: Maker, name: str) -> None:
    """Whatever else a handler raises is an error of its command, also what is no Exception, and what has no message."""
    session = start("crash.py")
    with pytest.raises(CommandError) as caught:
        session.fetch_response(f"raise-base {name}")
    assert ("command_failed", name) == (caught.value.code, caught.value.remote_type.rpartition(".")[2])
    assert "on" == session.fetch_response("echo on")


@pytest.mark.files
def test_a_failure_is_in_status_txt(start: Maker) -> None:
    """Its first line, for people."""
    session = start("crash.py")
    with pytest.raises(CommandError):
        session.fetch_response("raise first\nsecond")
    assert wait_until(lambda: "error: ValueError: first" == _status(session))


@pytest.mark.above_transports
@pytest.mark.parametrize(("command", "status"), [("exit-in-order 5", 5), ("interrupt", 0)])
def test_a_handler_may_end_the_worker_in_order(start: Maker, command: str, status: int) -> None:
    """SystemExit and KeyboardInterrupt: the caller gets an error reply first, then the process ends."""
    session = start("crash.py")
    with pytest.raises(CommandError) as caught:
        session.fetch_response(command)
    assert caught.value.remote_type in {"SystemExit", "KeyboardInterrupt"}
    assert session.join()
    assert "terminated" == _status(session)
    with pytest.raises(WorkerLost) as lost:
        session.fetch_response("echo")
    assert status == lost.value.exit_status


def test_an_end_without_a_word_is_worker_lost(start: Maker) -> None:
    """With the exit status and the last lines."""
    session = start("crash.py")
    with pytest.raises(
        WorkerLost, match=r"exit status 11, .* s into 'os-exit 11'; its last lines:\n    last words"
    ) as caught:
        session.fetch_response("os-exit 11")
    assert ("worker_lost", 11, f"last words{os.linesep}") == (
        caught.value.code,
        caught.value.exit_status,
        caught.value.output_tail,
    )
    assert not session.is_alive()
    assert not session.is_ready()
    assert not session.is_busy()
    assert session.join(0)
    assert "terminated" == _status(session)
    for call in (session.wait_until_ready, session.wait_until_ok):
        with pytest.raises(WorkerLost):
            call()
    session.please_exit()
    session.terminate()


@asyncio_too
def test_a_native_crash_shows_the_python_stack(start: Maker) -> None:
    """Signal by name, stack in the tail."""
    session = start("crash.py")
    with pytest.raises(WorkerLost, match=SEGFAULT_TEXT) as caught:
        session.fetch_response("segfault")
    assert SEGFAULT == caught.value.exit_status
    assert "in main_logic" in caught.value.output_tail


@asyncio_everywhere
def test_every_waiting_call_hears_of_the_death(start: Maker, gate: Gate) -> None:
    """Those that were sent, and those that are."""
    session = start("crash.py")
    session.send_request(f"wait {gate.path}")
    session.send_request("os-exit 4")
    gate.wait_for_arrival()
    gate.open()
    assert "" == session.wait_for_response()
    with pytest.raises(WorkerLost):
        session.wait_for_response()
    with pytest.raises(WorkerLost):
        session.send_request("echo")


def test_what_was_answered_before_the_death_is_an_answer(start: Maker) -> None:
    """The death does not take it away."""
    session = start("crash.py")
    session.send_request("echo kept")
    session.send_request("os-exit 4")
    assert session.join()
    assert "kept" == session.wait_for_response()


def test_a_killed_worker_is_noticed_at_once(start: Maker, gate: Gate) -> None:
    """Whoever kills it."""
    session = start("crash.py")
    pid = int(session.fetch_response("pid"))
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    kill(pid)
    with pytest.raises(WorkerLost, match=KILLED_TEXT):
        session.wait_for_response()
    assert not session.is_alive()


@posix_signals
@pytest.mark.above_transports
def test_sigterm_ends_an_idle_worker_in_order(start: Maker) -> None:
    """It says its last word, and the system learns the true reason."""
    session = start("crash.py")
    os.kill(int(session.fetch_response("pid")), signal.SIGTERM)
    assert session.join()
    assert "terminated" == _status(session)
    with pytest.raises(WorkerLost, match="SIGTERM") as caught:
        session.fetch_response("echo")
    assert -signal.SIGTERM == caught.value.exit_status


@posix_signals
@pytest.mark.above_transports
def test_sigint_ends_an_idle_worker_in_order(start: Maker) -> None:
    """Ctrl+C."""
    session = start("crash.py")
    os.kill(int(session.fetch_response("pid")), signal.SIGINT)
    assert session.join()
    with pytest.raises(WorkerLost) as caught:
        session.fetch_response("echo")
    assert 0 == caught.value.exit_status


@posix_signals
@pytest.mark.above_transports
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_a_handler_is_answered_first(start: Maker, name: str) -> None:
    """As an error reply, then the worker leaves."""
    session = start("crash.py")
    with pytest.raises(CommandError) as caught:
        session.fetch_response(f"signal {name}")
    assert "command_failed" == caught.value.code
    assert session.join()


@posix_signals
@pytest.mark.above_transports
@pytest.mark.parametrize("where", ["except", "callback"])
def test_sigterm_that_a_handler_swallows_ends_the_worker_all_the_same(start: Maker, where: str) -> None:
    """After the call, whose answer counts. Python ignores exceptions in callbacks, wherever the signal meets one."""
    session = start("crash.py")
    assert "never mind" == session.fetch_response(f"swallows-sigterm {where}")
    assert session.join()
    with pytest.raises(WorkerLost, match="SIGTERM") as caught:
        session.fetch_response("echo")
    assert -signal.SIGTERM == caught.value.exit_status


@pytest.mark.above_transports
def test_a_worker_that_closes_its_output_is_alive(start: Maker) -> None:
    """The end of its output is not its end."""
    session = start("crash.py")
    with pytest.raises(CommandError):
        session.fetch_response("closes-its-output")
    assert "alive" == session.fetch_response("echo alive")


@pytest.mark.above_transports
def test_an_import_error_names_the_package(start: Maker) -> None:
    """And the interpreter and command that install it."""
    session = start("import_error.py")
    with pytest.raises(LaunchError, match="-m pip install a-package-that-is-not-there") as caught:
        session.wait_until_ready()
    assert ("died_at_start", 1) == (caught.value.code, caught.value.exit_status)
    assert "ModuleNotFoundError" in caught.value.output_tail
    assert not session.is_alive()
    with pytest.raises(LaunchError):
        session.fetch_response("echo")
    session.please_exit()


@pytest.mark.above_transports
def test_an_interpreter_without_the_package_is_told_with_the_advice(start: Maker) -> None:
    """Which interpreter, which command."""
    session = start("default", python=sys.executable, python_arguments=["-I", "-S"])  # none of its packages
    with pytest.raises(LaunchError) as caught:
        session.fetch_response("hello")
    cure = f"in a checkout of the project this installs it: {sys.executable} -m pip install ."
    assert cure in str(caught.value)


@pytest.mark.above_transports
@pytest.mark.parametrize(
    ("mistake", "status", "text"),
    [
        ("does not run", 0, r"call its run\(sys.argv\[1\]\)"),
        ("misspelt", 1, "defines main_logik, not main_logic"),
        ("empty", 1, "no main_logic. Write @command above"),
    ],
)
def test_a_script_that_cannot_serve_is_told_why(start: Maker, mistake: str, status: int, text: str) -> None:
    """The mistakes of a first script, each with its cure."""
    session = start("mistaken.py", environment={"MISTAKE": mistake})
    with pytest.raises(LaunchError, match=text) as caught:
        session.wait_until_ready()
    assert ("died_at_start", status) == (caught.value.code, caught.value.exit_status)


@pytest.mark.above_transports
def test_a_server_need_not_call_the_init_of_its_base(start: Maker) -> None:
    """It is forgotten easily, and does no harm."""
    session = start("mistaken.py", environment={"MISTAKE": "uninitialised"})
    assert "hello you test" == session.fetch_response("greet you")


@pytest.mark.above_transports
@pytest.mark.skipif(sys.platform == "win32", reason="the interpreter is a shell script")
def test_an_interpreter_that_is_too_old_is_told_as_such(start: Maker, tmp_path: Path) -> None:
    """It cannot say so itself where the package is not installed; its name does."""
    python = tmp_path / "python3.7"
    python.write_text(
        "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'tech_renaissance'\" >&2; exit 1\n"
    )
    python.chmod(0o700)
    (tmp_path / "python").symlink_to(python)
    session = start(python=str(tmp_path / "python"))
    with pytest.raises(
        LaunchError, match=r"Python is 3.7, and tech_renaissance needs 3.8 or later"
    ) as caught:
        session.wait_until_ready()
    assert "pip install" not in str(caught.value)
    assert "3.7" == caught.value.post_mortem.python


@pytest.mark.above_transports
@pytest.mark.parametrize("python", TOO_OLD_PYTHONS, ids=lambda path: Path(str(path)).name)
def test_an_interpreter_that_is_too_old_says_so_itself(start: Maker, tmp_path: Path, python: str) -> None:
    """Where it finds the package: in one sentence, and not by a SyntaxError."""
    # Python 2 would leave what it compiles beside the source.
    environment = {"PYTHONPATH": os.path.dirname(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"}
    session = start("default", python=python, environment=environment)
    with pytest.raises(LaunchError, match=r"tech_renaissance needs Python 3\.8 or later") as caught:
        session.wait_until_ready()
    assert "SyntaxError" not in str(caught.value)


@pytest.mark.above_transports
def test_an_end_before_readiness_is_a_launch_error(start: Maker) -> None:
    """With status and output."""
    session = start("exits_at_start.py")
    with pytest.raises(LaunchError, match="exit status 3") as caught:
        session.fetch_response("echo")
    assert ("died_at_start", 3) == (caught.value.code, caught.value.exit_status)
    assert f"there is nothing to do{os.linesep}" == caught.value.output_tail


@pytest.mark.above_transports
@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ({"script": "/no/such/script.py"}, "script_not_found", "no.+such.+script"),
        ({"script": str(WORKERS)}, "script_not_found", "workers"),
        ({"python": "/no/such/python"}, "interpreter_not_found", "/no/such/python"),
        ({"python": "no-such-python"}, "interpreter_not_found", "no-such-python"),
        ({"environment": {"TR_PYTHON": "/no/such/python"}}, "interpreter_not_found", "TR_PYTHON"),
        ({"working_directory": "/no/such/directory"}, "launch_failed", "/no/such/directory"),
        ({"output": "/no/such/directory/output.txt"}, "launch_failed", "output"),
        ({"workspace": "/dev/null/no-directory"}, "launch_failed", "dev.+null"),
    ],
)
def test_what_cannot_be_started_says_so_at_once(
    make_session: Maker, options: Any, code: str, text: str
) -> None:
    """From start itself."""
    session = make_session(**options)
    with pytest.raises(LaunchError, match=text) as caught:
        session.start()
    assert code == caught.value.code
    assert not session.is_alive()


@pytest.mark.above_transports
def test_a_failed_start_can_be_repeated(make_session: Maker, tmp_path: Path) -> None:
    """Once its reason is gone."""
    directory = tmp_path / "later"
    session = make_session(working_directory=str(directory))
    for _ in range(2):
        with pytest.raises(LaunchError):
            session.start()
    directory.mkdir()
    session.start()
    assert str(directory) == session.fetch_response("directory")


UNREADABLE = (
    "",
    "{",
    "[]",
    '{"command": 1}',
    '{"result": "no command"}',
    '{"command": "echo", "result": "x", "id": "1"}',
    "\x00",
)


@pytest.mark.files
def test_an_unreadable_answer_is_the_workers_fault(start: Maker, gate: Gate) -> None:
    """The call fails with what is wrong."""
    session = start()
    for text in UNREADABLE:
        session.send_request(f"wait {gate.path}")
        gate.wait_for_arrival()
        drop_file(session, "response.json", text)
        with pytest.raises(RemoteProtocolError):
            session.wait_for_response()
        session.terminate()
        session.start()


@pytest.mark.files
def test_an_answer_to_another_request_is_the_workers_fault(start: Maker, gate: Gate) -> None:
    """It does not answer ours."""
    session = start()
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    drop_file(session, "response.json", '{"command": "echo", "result": "no", "id": 4711}')
    with pytest.raises(RemoteProtocolError) as caught:
        session.wait_for_response()
    assert "bad_state" == caught.value.code


@pytest.mark.files
def test_an_answer_to_nothing_is_ignored(start: Maker) -> None:
    """It answers no call that comes later."""
    session = start()
    assert session.wait_until_ready(60_000)
    drop_file(session, "response.json", '{"command": "echo", "result": "no", "id": 1}')
    assert wait_until(
        lambda: not (session.is_busy() or os.path.exists(f"{session.session_dir}/response.json"))
    )
    assert "yes" == session.fetch_response("echo yes")


@pytest.mark.files
@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "missing"])
def test_a_result_is_read_from_the_session_only(start: Maker, gate: Gate, name: str) -> None:
    """Names of tensors are checked, whoever wrote them."""
    session = start()
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    drop_file(
        session, "response.json", f'{{"command": "wait", "result": "ok", "id": 1, "tensors": ["{name}"]}}'
    )
    with pytest.raises(RemoteProtocolError) as caught:
        session.wait_for_tensor()
    assert "bad_frame" == caught.value.code


@moves_open_folders
@pytest.mark.files
def test_a_vanished_session_directory_ends_the_worker(start: Maker, tmp_path: Path) -> None:
    """Nothing can be said any more, and closing is no error."""
    session = start()
    pid = int(session.fetch_response("pid"))
    os.rename(session.session_dir, tmp_path / "elsewhere")
    assert wait_until(lambda: not is_alive(pid))
    with pytest.raises(WorkerLost):
        session.fetch_response("echo")


@moves_open_folders
def test_a_session_whose_directory_vanishes_can_be_closed(start: Maker, tmp_path: Path) -> None:
    """At once, while the worker may still live."""
    session = start()
    pid = int(session.fetch_response("pid"))
    os.rename(session.session_dir, tmp_path / "elsewhere")
    session.close()
    assert not is_alive(pid)


def test_an_emptied_session_directory_can_be_closed(start: Maker) -> None:
    """Whatever someone has removed of it."""
    session = start()
    assert session.wait_until_ready(60_000)
    for path in Path(session.session_dir).iterdir():
        patiently(path.unlink)  # on Windows someone may be reading it


def _status(session: Any) -> str:
    return (Path(session.session_dir) / "status.txt").read_text()
