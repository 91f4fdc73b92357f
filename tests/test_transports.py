"""Every transport passes the published contract."""

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from tech_renaissance._protocol.frame import Request
from tech_renaissance._transport.file.host import FileHost
from tech_renaissance._transport.file.worker import FileWorker
from tech_renaissance._transport.memory import memory_pair
from tech_renaissance._transport.session_place import SessionPlace
from tech_renaissance._transport.transport import HostTransport
from tech_renaissance.testing import Pair, check_transport


def test_memory_passes() -> None:
    """The reference."""
    check_transport(memory_pair)


@pytest.mark.parametrize("poll_ms", [None, "1:8"])
def test_file_passes(tmp_path: Path, poll_ms: str) -> None:
    """With notifications and without."""
    check_transport(_files_in(tmp_path, poll_ms), spoil=_write_a_broken_response)


def test_the_check_can_fail() -> None:
    """A transport that loses a request is found out."""

    def make_pair() -> Pair:
        host, worker = memory_pair()
        send = host.try_send
        host.try_send = lambda frame: isinstance(frame, Request) or send(frame)  # type: ignore[method-assign]
        return host, worker

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tech_renaissance._transport.conformance_tools.PATIENCE_S", 0.1)
        with pytest.raises(AssertionError, match="a frame was lost"):
            check_transport(make_pair)


def test_the_check_refuses_to_check_nothing() -> None:
    """Where Python leaves out assert statements."""
    program = "from tech_renaissance.testing import check_transport as check; check(lambda: None)"
    run = subprocess.run([sys.executable, "-O", "-c", program], stderr=subprocess.PIPE, check=False)
    assert b"RuntimeError: check_transport would check nothing" in run.stderr


def _files_in(folder: Path, poll_ms: str) -> Callable[[], Pair]:
    numbers = itertools.count()

    def make_pair() -> Pair:
        directory = folder / str(next(numbers))
        directory.mkdir()
        host = FileHost(str(directory), poll_ms, "numpy")
        host.prepare()
        return host, FileWorker(SessionPlace(str(directory)), poll_ms)

    return make_pair


def _write_a_broken_response(host: HostTransport) -> None:
    assert isinstance(host, FileHost)
    Path(host.directory, "new").write_text('{"command": ')
    Path(host.directory, "new").replace(Path(host.directory, "response.json"))
