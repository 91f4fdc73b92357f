"""What errors say, word for word: the same from every host, because users look for a message, and read it."""

import os
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from asyncio_host import asyncio_too
from gates import Gate
from hosts import drop_file
from numpy import zeros

from tech_renaissance import (
    LaunchError,
    LocalProtocolError,
    RemoteProtocolError,
    RestartPolicy,
    SessionClosed,
)

pytestmark = [asyncio_too, pytest.mark.above_transports]

Maker = Callable[..., Any]


def _text_of(kind: Any, action: Callable[..., object], *args: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        action(*args, **options)
    return str(caught.value)


# -------------------------------------------------------------------------------------------------------------- names

NO_NAMES: Dict[str, str] = {
    "": "'' is empty",
    "a/b": "'a/b' contains '/', which no name may contain",
    'a"b': "'a\"b' contains '\"', which no name may contain",
    "a\\b": r"'a\\b' contains '\\', which no name may contain",
    "it's\x1b[31m": r"'it\'s\u001b[31m' contains '\u001b', which no name may contain",
    "a b": "'a b' contains white space",
    "a\n": r"'a\u000a' contains white space",
    "x" * 129: "'" + "x" * 64 + "'... is longer than 128 bytes",
    "\u95ee" * 43: "'" + "\u95ee" * 43 + "' is longer than 128 bytes",
    "-a": "'-a' begins with '.' or '-'",
    "a.": "'a.' ends with '.'",
    "nul": "'nul' is a device name on Windows",
}


def test_what_is_wrong_with_a_name(make_session: Maker) -> None:
    """Of a session, and of a tag."""
    session = make_session()
    for name, text in NO_NAMES.items():
        assert f"tag {text}" == _text_of(LocalProtocolError, session.send_tensor, zeros(1), name)
        assert f"session id {text}" == _text_of(LocalProtocolError, make_session, session_id=name)


def test_a_tag_of_the_system(make_session: Maker) -> None:
    """The message says which they are."""
    session = make_session()
    whose = "belongs to the system, as do all tags result_<number> and those that begin with '_'"
    for tag in ("_a", "result_0"):
        assert f"tag '{tag}' {whose}" == _text_of(LocalProtocolError, session.send_tensor, zeros(1), tag)


# ------------------------------------------------------------------------------------------------------------ options

OPTIONS: Dict[str, Any] = {
    "arguments: 'a\\u0000b' cannot be passed to a process": {"arguments": ["a\0b"]},
    "environment: 'A=B' cannot be a variable of a process: its name is not empty and has no '=', and neither has a NUL": {
        "environment": {"A=B": "x"}
    },
    "python_arguments: '-c' would run something other than the worker": {"python_arguments": ["-c"]},
    "python_arguments: '-X' has no value": {"python_arguments": ["-X"]},
    "python_arguments stand before the script and begin with '-', unlike 'x'; 'arguments' come after it": {
        "python_arguments": ["x"]
    },
    "a waiting schedule is first:max in milliseconds, 0 < first <= max, not '2:1'": {"poll_ms": "2:1"},
    "a transport is 'shm' or 'file', not 'tcp'": {"transport": "tcp"},
    "restart_policy.limit is a number of restarts, 0 or more, not -1": {
        "restart_policy": RestartPolicy(limit=-1)
    },
}


@pytest.mark.parametrize("text", OPTIONS)
def test_what_is_wrong_with_an_option(make_session: Maker, text: str) -> None:
    """And what would be right."""
    assert text == _text_of(LocalProtocolError, make_session, **OPTIONS[text])


# -------------------------------------------------------------------------------------------------------------- start


def _file(path: Path, text: str = "", mode: int = 0o644) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_no_interpreter(make_session: Maker, tmp_path: Path) -> None:
    """No such file or command, a folder, a file that may not be executed."""
    cure = "set the option python, or TR_PYTHON, to the path of one"
    wrong = ["/no/such/python", "no-such-python", str(tmp_path)]
    if os.name == "posix":
        wrong.append(_file(tmp_path / "file"))
    for number, python in enumerate(wrong):
        for options in ({"python": python}, {"environment": {"TR_PYTHON": python}}):
            start = make_session(session_id=f"{number}-{'python' in options}", **options).start
            assert f"there is no Python interpreter '{python}': {cure}" == _text_of(LaunchError, start)


@pytest.mark.skipif(os.name != "posix", reason="the system's words are POSIX's")
def test_an_interpreter_that_is_no_program(make_session: Maker, tmp_path: Path) -> None:
    """The message has the system's reason, and where the process was to start."""
    program = _file(tmp_path / "program", "no program", 0o755)
    start = make_session(python=program).start
    assert f"cannot start '{program}': Exec format error" == _text_of(LaunchError, start)
    start = make_session(session_id="there", python=program, working_directory=str(tmp_path)).start
    assert f"cannot start '{program}' in '{tmp_path}': Exec format error" == _text_of(LaunchError, start)


@pytest.mark.skipif(os.name != "posix", reason="a program for POSIX")
def test_an_interpreter_that_does_not_run_the_script(make_session: Maker, tmp_path: Path) -> None:
    """It ends with success, and nothing that a Python leaves behind."""
    program = _file(tmp_path / "program", "#!/bin/sh\n", 0o755)
    session = make_session(python=program)
    session.start()
    end, run = (
        "the worker ended before it was ready: exit status 0",
        "create its server and call its run(sys.argv[1])",
    )
    advice = f"Nothing shows that {program} has run the script: it must be a Python interpreter, and the script must {run}"
    assert f"{end}\n{advice}" == _text_of(LaunchError, session.fetch_response, "echo")


def test_no_working_directory(make_session: Maker, tmp_path: Path) -> None:
    """There is none, or it is a file."""
    for name, directory in (("none", str(tmp_path / "missing")), ("file", _file(tmp_path / "file"))):
        start = make_session(session_id=name, working_directory=directory).start
        assert f"there is no working directory '{directory}'" == _text_of(LaunchError, start)


def test_no_script(make_session: Maker, tmp_path: Path) -> None:
    """The message has the whole path."""
    script = str(tmp_path / "missing.py")
    assert f"there is no worker script '{script}'" == _text_of(LaunchError, make_session(script).start)


def test_a_worker_that_is_not_ready_in_time(make_session: Maker) -> None:
    """Supervised or not."""
    for restart in ("never", "on-crash"):
        session = make_session("slow_start.py", restart=restart, launch_timeout_ms=1, quiet_mode=True)
        session.start()
        assert "the worker was not ready within 0.001 s" == _text_of(
            LaunchError, session.fetch_response, "echo"
        )
        session.close()


# --------------------------------------------------------------------------------------------------- life of a session

NOT_STARTED = "the session has no worker: call start() first"
ASKED = "the worker was asked to exit: start the session again"
ENDED = "the worker was ended by its host: start the session again"
CLOSED = "the session was closed: make a new one"


def _calls(session: Any) -> Dict[str, Callable[[], object]]:
    """AsyncSession sends without waiting, and tells whoever awaits the value."""
    return {
        "call": lambda: session.call("same", 1),
        "submit": lambda: session.submit("same", 1).result(),
        "stream": lambda: next(session.stream("same", 1)),
        "fetch_response": lambda: session.fetch_response("same x"),
        "send_request": lambda: session.send_request("same x"),
    }


@pytest.mark.parametrize(
    ("end", "text"), [("", NOT_STARTED), ("please_exit", ASKED), ("terminate", ENDED), ("close", CLOSED)]
)
@pytest.mark.parametrize("restart", ["never", "on-crash"])
def test_a_call_of_a_session_without_a_worker(make_session: Maker, end: str, text: str, restart: str) -> None:
    """Whatever the call, and whether supervised or not."""
    session = make_session("value_calls.py", restart=restart)
    if end:
        session.start()
        assert 1 == session.call("same", 1)
        getattr(session, end)()
    told = {name: _text_of(SessionClosed, call) for name, call in _calls(session).items()}
    assert dict.fromkeys(told, text) == told


# ----------------------------------------------------------------------------------------------------------- messages


def test_what_is_no_command(make_session: Maker) -> None:
    """A message, and the name of a command."""
    session = make_session()
    for message, text in {
        " ": "the message is empty",
        "exit": "'exit' has no answer: use please_exit",
        "{}": "the message is not a request: 'command' is missing",
        '{"command": 7}': "the message is not a request: 'command' is not a string",
    }.items():
        assert text == _text_of(LocalProtocolError, session.fetch_response, message)
    what = 'is not the name of a command: arguments are separate, as in call("add", 1, 2)'
    assert f"'add 1' {what}" == _text_of(LocalProtocolError, session.call, "add 1")
    assert "names that begin with _ are reserved: '_mine'" == _text_of(
        LocalProtocolError, session.expose, "_mine", lambda: None
    )


NO_RESPONSES: Dict[str, str] = {
    "{": "not a JSON text: ",  # what follows are the words of the language's parser
    "[]": "the message is not a JSON object",
    "{}": "'command' is missing",
    '{"command": "", "result": "", "id": -1}': "'id' is not a positive integer of 64 bits",
    '{"command": "", "result": "", "id": 99}': "the worker sent a response to request 99, which is not waiting for one",
    '{"command": "", "result": ""}': "the worker sent a response without an id",
}


@pytest.mark.files
@pytest.mark.parametrize("response", NO_RESPONSES)
def test_what_is_no_response(start: Maker, gate: Gate, response: str) -> None:
    """More of them: spec/vectors/message/invalid."""
    session = start()
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    drop_file(session, "response.json", response)
    text = _text_of(RemoteProtocolError, session.wait_for_response, 120_000)
    assert text.startswith(NO_RESPONSES[response]) if response == "{" else text == NO_RESPONSES[response]
    gate.open()
