"""Each C++ unit test is a test here, in every build that is asked for.

TR_TEST_UNIT_BUILDS names the build folders, separated by spaces (default: ``build/address``, if it is there).
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest

ROOT = Path(__file__).resolve().parents[1]
_THREADED = re.compile(r"<thread>|(children|process|exchange|ladder|supervisor|watch)\.h")
_SUFFIX = ".exe" if os.name == "nt" else ""
# Those of other platforms are not built, see cpp/CMakeLists.txt.
_FOREIGN = ("_posix", "_linux", "_two_forms") if os.name == "nt" else ("_windows",)
SOURCES = sorted(
    path for path in (ROOT / "tests" / "cpp").glob("test_*.cpp") if not path.stem.endswith(_FOREIGN)
)


def _builds() -> Iterator[Path]:
    asked_for = os.environ.get("TR_TEST_UNIT_BUILDS")
    if asked_for is not None:
        yield from (ROOT / folder for folder in asked_for.split())
    elif (ROOT / "build" / "address" / "bin").is_dir():
        yield ROOT / "build" / "address"


def _names(executable: Path) -> Iterator[str]:
    """The tests that an executable lists; its own name if it cannot, so that this shows as a failure."""
    try:
        listing = subprocess.run([str(executable), "--list"], stdout=subprocess.PIPE, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return iter([f"{executable.name} lists its tests"])
    return iter(listing.decode().splitlines())


def _is_built(build: Path, source: Path) -> bool:
    """The thread sanitizer looks at what has threads; see THREADED_TESTS in the Makefile."""
    return build.name != "thread" or bool(_THREADED.search(source.read_text(encoding="utf-8")))


def _cases() -> Iterator[Any]:
    for build in _builds():
        for source in SOURCES:
            if not _is_built(build, source):
                continue
            executable = build / "bin" / f"{source.stem}{_SUFFIX}"
            for name in _names(executable):
                yield pytest.param(executable, name, id=f"{build.name}-{source.stem}-{name}")


@pytest.mark.parametrize(("executable", "name"), list(_cases()))
def test_cpp_unit(executable: Path, name: str, tmp_path: Path) -> None:
    """What the C++ test's sentence says holds."""
    run = subprocess.run(
        [str(executable), name], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )

    assert run.returncode == 0, run.stdout.decode("utf-8", "replace")
