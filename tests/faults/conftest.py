"""What the tests of faults share: the stopwatch, and the table of times at the end of a run."""

import os
import sys
from typing import Any

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from moments import Stopwatch, table, times


@pytest.fixture
def stopwatch(host: str, transport: str) -> Stopwatch:
    """For the time from a fault to its error."""
    return Stopwatch(host, transport)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show how long it took until faults were told. No test judges it: that is for ``make faults``, on a quiet machine."""
    if times:
        terminalreporter.section("times of faults")
        for line in table():
            terminalreporter.write_line(line)
