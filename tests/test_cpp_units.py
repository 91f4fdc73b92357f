"""Each C++ unit test is a test here, in every build that is asked for; the tests of a layer are a program.

TR_TEST_UNIT_BUILDS names the build folders, separated by spaces (default: ``build/address``, if it is there).
"""

import os
import subprocess
from pathlib import Path
from typing import Any, Iterator, List

import pytest
from cpp_programs import ROOT, built_program, names_in

_FOREIGN = ("_posix", "_linux") if os.name == "nt" else ("_windows",)
_LAYERS = sorted(
    folder.name
    for folder in (ROOT / "tests" / "cpp" / "unit").iterdir()
    if any(not source.stem.endswith(_FOREIGN) for source in folder.glob("test_*.cpp"))
)
_WITHOUT_THREADS = ("base", "protocol", "famine")


def _builds() -> List[str]:
    asked_for = os.environ.get("TR_TEST_UNIT_BUILDS")
    if asked_for is not None:
        return asked_for.split()
    return ["build/address"] if (ROOT / "build" / "address" / "bin").is_dir() else []


def _programs() -> Iterator[Path]:
    for build in _builds():
        for layer in _LAYERS:
            # The thread sanitizer looks at what has threads; see THREADED_TESTS in the Makefile.
            if Path(build).name != "thread" or layer not in _WITHOUT_THREADS:
                yield built_program(f"unit_{layer}", build)
    if os.name != "nt" and os.environ.get("TR_TEST_CPP_BUILD"):
        yield built_program("two_forms")


def _names(program: Path) -> List[str]:
    """The tests that a program lists; one that fails if it cannot, or has none."""
    try:
        names = names_in(program)
    except (OSError, subprocess.CalledProcessError):
        names = []
    return names or [f"{program.name} lists its tests"]


def _cases() -> Iterator[Any]:
    for program in _programs():
        for name in _names(program):
            yield pytest.param(program, name, id=f"{program.parents[1].name}-{program.stem}-{name}")


@pytest.mark.parametrize(("program", "name"), list(_cases()))
def test_cpp_unit(program: Path, name: str, tmp_path: Path) -> None:
    """What the C++ test's sentence says holds."""
    run = subprocess.run(
        [str(program), name], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )

    assert run.returncode == 0, run.stdout.decode("utf-8", "replace")
