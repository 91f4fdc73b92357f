"""The fuzzers run. How long is up to ``make fuzz``; here it is a moment."""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZERS = sorted((Path(__file__).resolve().parents[1] / "fuzz").glob("fuzz_*.py"))


@pytest.mark.parametrize("fuzzer", FUZZERS, ids=lambda path: path.stem)
def test_a_fuzzer_finds_nothing_in_a_moment(fuzzer: Path) -> None:
    """With a seed of its own each time, which it prints with what it finds."""
    run = subprocess.run(
        [sys.executable, str(fuzzer), "--runs", "300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert 0 == run.returncode, run.stdout.decode()
