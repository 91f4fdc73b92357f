"""Functions of C++ programs that own sessions, or calls of them: tests/cpp/guest_owners.cpp."""

from pathlib import Path

import pytest
from cpp_programs import built_program, names_in, run_with_worker
from hosts import TRANSPORTS

GUEST = built_program("guest_owners")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", names_in(GUEST))
def test_an_owner(name: str, transport: str, tmp_path: Path) -> None:
    """What the C++ test's sentence says holds."""
    run_with_worker(GUEST, name, "talks.py", transport, tmp_path)
