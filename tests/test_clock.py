"""The clock by which deadlines travel."""

import subprocess
import sys

from tech_renaissance._system.clock import clock_ns

PROGRAM = "from tech_renaissance._system.clock import clock_ns; print(clock_ns())"


def test_another_process_has_the_same_clock() -> None:
    """Else its worker would begin what is over, or refuse what is not."""
    before = clock_ns()
    theirs = int(subprocess.run([sys.executable, "-c", PROGRAM], check=True, stdout=subprocess.PIPE).stdout)
    assert before < theirs < clock_ns()
