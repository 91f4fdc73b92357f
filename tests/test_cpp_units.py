"""Each C++ unit test is a test here, in every build that is asked for; the tests of a layer are a program.

TR_TEST_UNIT_BUILDS names the build folders, separated by spaces (default: ``build/address``, if it is there).
"""

import os
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest
from cpp_programs import ROOT, built_program, names_in

_SUFFIX = ".exe" if os.name == "nt" else ""
_FOREIGN = ("_posix", "_linux") if os.name == "nt" else ("_windows",)
_LAYERS = sorted(
    folder.name
    for folder in (ROOT / "tests" / "cpp" / "unit").iterdir()
    if any(not source.stem.endswith(_FOREIGN) for source in folder.glob("test_*.cpp"))
)
_WITHOUT_THREADS = ("base", "protocol", "famine")


def _builds() -> Iterator[Path]:
    asked_for = os.environ.get("TR_TEST_UNIT_BUILDS")
    if asked_for is not None:
        yield from (ROOT / folder for folder in asked_for.split())
    elif (ROOT / "build" / "address" / "bin").is_dir():
        yield ROOT / "build" / "address"


def _programs() -> Iterator[Path]:
    for build in _builds():
        # The thread sanitizer looks at what has threads; see THREADED_TESTS in the Makefile.
        layers = [layer for layer in _LAYERS if build.name != "thread" or layer not in _WITHOUT_THREADS]
        yield from (build / "bin" / f"unit_{layer}{_SUFFIX}" for layer in layers)
    if os.name != "nt" and os.environ.get("TR_TEST_CPP_BUILD"):
        yield built_program("two_forms")


def _cases() -> Iterator[Any]:
    for program in _programs():
        # If it lists none, that shows as a failure.
        for name in names_in(program) or [f"{program.name} has tests"]:
            yield pytest.param(program, name, id=f"{program.parents[1].name}-{program.stem}-{name}")


@pytest.mark.parametrize(("program", "name"), list(_cases()))
def test_cpp_unit(program: Path, name: str, tmp_path: Path) -> None:
    """What the C++ test's sentence says holds."""
    run = subprocess.run(
        [str(program), name], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )

    assert run.returncode == 0, run.stdout.decode("utf-8", "replace")
