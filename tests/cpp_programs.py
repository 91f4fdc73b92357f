"""C++ programs of the tests: the driver, given or built by CMake or here, and others that are built here."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, Optional

ROOT = Path(__file__).resolve().parents[1]
_CPP = ROOT / "tests" / "cpp"
_SUFFIX = ".exe" if os.name == "nt" else ""
_BLOCKS = ROOT / "tests" / "data" / "reference"


@functools.lru_cache(maxsize=None)
def cpp_driver() -> Optional[str]:
    """Path of the driver: TR_TEST_DRIVER, else that of build/plain unless it is older than its sources, else a new one.

    None where there is no C++ compiler.
    """
    given = os.environ.get("TR_TEST_DRIVER")
    if given:
        return os.path.abspath(given)
    built = ROOT / "build" / "plain" / "bin" / "driver"
    return str(built) if _is_fresh(built) else cpp_program(_CPP / "driver.cpp")


def built_program(name: str, build: str = "") -> Path:
    """Where a program is, or would be, in a build: by default the one under test."""
    build = build or os.environ.get("TR_TEST_CPP_BUILD", "build/plain")
    return ROOT / build / "bin" / f"{name}{_SUFFIX}"


def names_in(program: Path) -> List[str]:
    """The tests that a program like a unit test lists; none if it is not built."""
    if not program.exists():
        return []
    listing = subprocess.run([str(program), "--list"], stdout=subprocess.PIPE, check=True).stdout
    return listing.decode().splitlines()


def run_with_worker(program: Path, name: str, worker: str, transport: str, workspace: Path) -> None:
    """Run one of them, whose sessions have a worker of tests/workers."""
    environment = {
        **os.environ,
        "GUEST_WORKER": str(ROOT / "tests" / "workers" / worker),
        "TR_PYTHON": os.environ.get("TR_TEST_WORKER_PYTHON") or sys.executable,
        "TR_TRANSPORT": transport,
        "TR_WORKSPACE": str(workspace),
    }
    result = subprocess.run(
        [str(program), name], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert result.returncode == 0, result.stdout.decode(errors="replace")


@functools.lru_cache(maxsize=None)
def cpp_program(source: Path) -> Optional[str]:
    """Path of a program built from a source file, kept until something it may depend on changes; None without a compiler."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    target = ROOT / "build" / "pytest" / source.name.partition(".")[0]
    if not _is_fresh(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(f".{os.getpid()}")
        includes = ["-I", str(ROOT / "cpp" / "include"), "-I", str(_BLOCKS)]
        options = ["-std=c++17", "-pthread", *includes, *library_options()]
        command = [
            compiler,
            *options,
            "-x",
            "c++",
            str(source),
            "-x",
            "none",
            *library(),
            "-o",
            str(temporary),
        ]
        subprocess.run(command, check=True)
        temporary.replace(target)
    return str(target)


def library() -> List[str]:
    """The library, if it is built: a program that links it compiles in a fraction of the time. Else none, for the headers alone."""
    built = ROOT / os.environ.get("TR_TEST_CPP_BUILD", "build/plain") / "libtech_renaissance.a"
    return [str(built)] if _is_fresh(built) else []


def library_options() -> List[str]:
    """What a compiler must be told of that library."""
    return ["-DTR_COMPILED"] if library() else []


def _is_fresh(program: Path) -> bool:
    return program.exists() and program.stat().st_mtime > max(path.stat().st_mtime for path in _sources())


def _sources() -> Iterator[Path]:
    yield from (ROOT / "cpp" / "include").rglob("*.h")
    yield from (ROOT / "cpp" / "src").iterdir()
    yield from _CPP.glob("driver*")
    yield from _CPP.glob("reference*")
    yield from _BLOCKS.iterdir()
