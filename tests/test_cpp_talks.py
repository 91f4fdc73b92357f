"""Handlers that talk with a C++ host: tests/cpp/guest_talks.cpp."""

import os
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest
from cpp_programs import built_program
from hosts import TRANSPORTS, WORKERS

GUEST = built_program("guest_talks")


def names() -> List[str]:
    """The tests that the guest lists."""
    if not GUEST.exists():
        return []
    return (
        subprocess.run([str(GUEST), "--list"], stdout=subprocess.PIPE, check=True)
        .stdout.decode()
        .splitlines()
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", names())
def test_a_talk(name: str, transport: str, tmp_path: Path) -> None:
    """What the C++ test's sentence says holds."""
    environment = {
        **os.environ,
        "TALKS_WORKER": str(WORKERS / "talks.py"),
        "TR_PYTHON": os.environ.get("TR_TEST_WORKER_PYTHON") or sys.executable,
        "TR_TRANSPORT": transport,
        "TR_WORKSPACE": str(tmp_path),
    }
    result = subprocess.run(
        [str(GUEST), name], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert result.returncode == 0, result.stdout.decode(errors="replace")
