"""Handlers that talk with a C++ host: tests/cpp/guest_talks.cpp."""

from pathlib import Path

import pytest
from cpp_programs import built_program, names_in, run_with_worker
from hosts import TRANSPORTS

GUEST = built_program("guest_talks")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", names_in(GUEST))
def test_a_talk(name: str, transport: str, tmp_path: Path) -> None:
    """What the C++ test's sentence says holds."""
    run_with_worker(GUEST, name, "talks.py", transport, tmp_path)
