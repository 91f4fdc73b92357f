"""A worker whose script has put something else in the place of its standard streams works, and ends, like any other."""

import os
import signal
from typing import Any, Callable

import pytest
from processes import posix_signals

pytestmark = [
    pytest.mark.above_transports,
    pytest.mark.parametrize("streams", ["none", "closed", "deleted", "tee"]),
]

Start = Callable[..., Any]
WORKER = "replaced_streams.py"


def test_a_worker_starts_and_leaves_without_its_standard_streams(start: Start, streams: str) -> None:
    """They are replaced before it serves."""
    session = start(WORKER, environment={"STREAMS": streams})
    assert "on" == session.fetch_response("echo on")
    session.please_exit(60_000)
    # 120: Python itself could not flush its stdout.
    assert session.post_mortem().exit_status == (120 if streams == "tee" else 0)


@posix_signals
def test_sigterm_ends_a_worker_without_its_standard_streams(start: Start, streams: str) -> None:
    """In order, and the system learns the true reason."""
    session = start(WORKER)
    assert "ok" == session.fetch_response(f"replace {streams}")
    os.kill(int(session.fetch_response("pid")), signal.SIGTERM)
    assert session.join()
    assert -signal.SIGTERM == session.post_mortem().exit_status
