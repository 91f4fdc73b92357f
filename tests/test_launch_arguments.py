"""The options ``arguments`` and ``python_arguments``: what stands on a worker's command line besides its script and session."""

import json
import os
from pathlib import Path
from typing import Any, Callable, List

import pytest

from tech_renaissance import LaunchError, LocalProtocolError, PythonSession
from tech_renaissance._process.command_line import checked_arguments

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]

ARGUMENTS = [
    "--verbose",
    "",
    "two words",
    "--",
    "-c",
    '"quo\'ted"',
    "back\\slash\\",
    'both\\"',
    "$HOME *",
    "\n\t",
    "汉字 😀",
]


@pytest.mark.interpreters
def test_arguments_reach_the_script_unchanged(start: Maker) -> None:
    """After the session id, and again after a new start."""
    session = start("launched.py", arguments=ARGUMENTS)
    assert ARGUMENTS == json.loads(session.fetch_response("arguments"))
    session.terminate()
    session.start()
    assert ARGUMENTS == json.loads(session.fetch_response("arguments"))


@pytest.mark.interpreters
def test_python_arguments_are_the_interpreters(start: Maker) -> None:
    """They stand before the script, those with a value of their own in either form; the script does not see them."""
    options = ["-OO", "-X", "mark=1", "-Wignore", "-W", "error::BytesWarning", "-u"]
    session = start("launched.py", python_arguments=options)
    assert "2 1 ['ignore', 'error::BytesWarning']" == session.fetch_response("optimize")
    assert [] == json.loads(session.fetch_response("arguments"))


def test_the_default_worker_has_python_arguments_too(start: Maker) -> None:
    """It has no script for arguments, and says so."""
    assert "Hello World" == start("default", python_arguments=["-X", "dev"]).fetch_response("hello world")
    session = start("default", "other", arguments=["--verbose"])
    with pytest.raises(LaunchError, match=r"usage: python -m tech_renaissance\.default_server SESSION_ID"):
        session.fetch_response("hello world")


NO_PYTHON_ARGUMENTS = {
    ("worker.py",): "begin with '-', unlike 'worker.py'",
    ("-u", ""): "unlike ''",
    ("-",): "unlike '-'",
    ("-X", "dev", "dev"): "unlike 'dev'",
    ("-c", "print(1)"): "'-c' would run something other",
    ("-uc", "print(1)"): "'-uc' would run something other",
    ("-mtimeit",): "'-mtimeit' would run something other",
    ("-u", "-X"): "'-X' has no value",
    ("-uW",): "'-uW' has no value",
    ("-X", "a\0b"): "cannot be passed to a process",
}


@pytest.mark.parametrize(("arguments", "reason"), NO_PYTHON_ARGUMENTS.items())
def test_what_would_not_run_the_worker_is_refused(
    make_session: Maker, arguments: List[str], reason: str
) -> None:
    """When the session is made."""
    with pytest.raises(LocalProtocolError, match="python_arguments") as caught:
        make_session(python_arguments=list(arguments))
    assert "bad_option" == caught.value.code
    assert reason in str(caught.value)


def test_what_no_process_can_be_given_is_refused(make_session: Maker) -> None:
    """When the session is made."""
    with pytest.raises(LocalProtocolError, match=r"arguments: .*cannot be passed to a process") as caught:
        make_session(arguments=["fine", "a\0b"])
    assert "bad_option" == caught.value.code


def test_arguments_are_a_list_of_texts() -> None:
    """In Python, where a text would be a list of letters; a path is taken as text."""
    wrongs: List[object] = ["--verbose", b"--verbose", None, 5, [5], [b"bytes"], [None]]
    if os.name == "posix":  # Windows passes halves of characters to a process
        wrongs.append(["\udfff\ud800"])
    for wrong in wrongs:
        with pytest.raises(
            LocalProtocolError, match=r"arguments.*(list of texts|cannot be passed)"
        ) as caught:
            PythonSession(arguments=wrong)  # type: ignore[arg-type]
        assert "bad_option" == caught.value.code
    assert ("model", "\udc80") == checked_arguments("arguments", (Path("model"), "\udc80"))  # type: ignore[arg-type]
