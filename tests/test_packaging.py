"""What a user installs works: the wheel, and the C++ headers in each way of getting them."""

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import List, Tuple
from zipfile import ZipFile

import numpy as np
import pytest

import tech_renaissance

ROOT = Path(__file__).resolve().parents[1]
CONSUMERS = ROOT / "tests" / "consumers"
CXX = os.environ.get("CXX") or shutil.which("c++") or "g++"

WITH_SESSION = "form=compiled shape=(4, 3) macro=on session=consumer\n"
WITHOUT_SESSION = "form=compiled shape=(4, 3) macro=off session=none\n"


def header_only(expected: str) -> str:
    """What the program prints when it is made of the headers alone."""
    return expected.replace("compiled", "headers")


def run(*command: object) -> str:
    """What a command prints; if it fails, what it printed is the assertion's message."""
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, output
    return output


def cmake_command() -> str:
    """The cmake of this environment, else the system's."""
    found = shutil.which("cmake", path=os.path.dirname(sys.executable)) or shutil.which("cmake")
    return found or pytest.skip("there is no CMake")


def build_consumer(name: str, build: Path, *options: str) -> str:
    """Configure, build and run the consumer project ``name``; returns what it prints."""
    run(cmake_command(), "-S", CONSUMERS / name, "-B", build, *options)
    run(cmake_command(), "--build", build, "--config", "Debug")
    (executable,) = (path for path in build.rglob("consumer*") if path.is_file() and os.access(path, os.X_OK))
    return run(executable)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout, built without network: the build backend is a test dependency."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this Python has no pip, which builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.skipif(shutil.which(CXX) is None, reason="there is no C++ compiler")
@pytest.mark.parametrize(
    "header", ["tech_renaissance.h", "tech_renaissance/utils/python_session.h", "tech_renaissance/tensor.h"]
)
def test_an_older_cpp_is_told_what_is_needed(tmp_path: Path, header: str) -> None:
    """By the first error; from the header that everybody includes it is the only one."""
    (tmp_path / "main.cpp").write_text(f'#include "{header}"\nint main() {{}}\n')
    command = [CXX, "-std=c++14", "-fsyntax-only", "-I", ROOT / "cpp" / "include", tmp_path / "main.cpp"]
    if header != "tech_renaissance.h":
        command.append("-Wfatal-errors")
    done = subprocess.run([str(word) for word in command], stderr=subprocess.PIPE, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert "needs C++17" in errors[0]
    assert header != "tech_renaissance.h" or len(errors) == 1


@pytest.fixture(scope="module")
def installed_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel in it, and the numpy of this one."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel)
    (site_packages,) = {path.parent for path in folder.rglob("tech_renaissance-*.dist-info")}
    # A .pth file makes packages importable from there without following the editable installs beside them.
    (site_packages / "numpy.pth").write_text(f"{Path(np.__file__).parents[1]}\n", encoding="utf-8")
    return python


def locate(python: Path, option: str) -> Path:
    """The folder that ``python -m tech_renaissance`` answers with, run outside the checkout."""
    return Path(run(python, "-m", "tech_renaissance", option).strip())


def test_wheel_holds_the_package_and_every_header(wheel: Path) -> None:
    """The wheel has each module, header and CMake file of the checkout, the typing marker, and nothing else."""
    package = {
        f"tech_renaissance/{path.relative_to(ROOT / 'src' / 'tech_renaissance').as_posix()}"
        for path in (ROOT / "src" / "tech_renaissance").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    cpp = {
        f"tech_renaissance/{path.relative_to(ROOT).as_posix()}"
        for folder in ("include", "src", "cmake")
        for path in (ROOT / "cpp" / folder).rglob("*")
        if path.is_file()
    }

    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert package | cpp == names
    assert "tech_renaissance/py.typed" in names


def test_wheel_is_for_every_platform(wheel: Path) -> None:
    """One wheel serves every Python 3 and every operating system."""
    assert wheel.name.endswith("-py3-none-any.whl")


def test_version_is_the_same_everywhere(installed_python: Path) -> None:
    """Package, metadata and command line tell one version."""
    assert tech_renaissance.__version__ == metadata.version("tech-renaissance")
    assert f"{tech_renaissance.__version__}\n" == run(installed_python, "-m", "tech_renaissance", "--version")


def test_installed_package_is_importable(installed_python: Path) -> None:
    """Every public name can be imported from the wheel, which is not the checkout."""
    script = "import tech_renaissance as t; [getattr(t, name) for name in t.__all__]; print(t.__version__, t.__file__)"

    version, file = run(installed_python, "-c", script).split()

    assert tech_renaissance.__version__ == version
    assert ROOT not in Path(file).parents


@pytest.mark.parametrize("option", ["--include-dir", "--cmake-dir"])
def test_installed_headers_are_located_in_the_package(installed_python: Path, option: str) -> None:
    """The folders named by an installed package are inside it."""
    folder = locate(installed_python, option)

    assert folder.is_dir()
    assert "site-packages" in folder.parts


def test_checkout_headers_are_located_in_the_checkout() -> None:
    """An editable install names the folders of the checkout, so edits take effect."""
    assert ROOT / "cpp" / "include" == locate(Path(sys.executable), "--include-dir")
    assert ROOT / "cpp" / "cmake" == locate(Path(sys.executable), "--cmake-dir")


OPTIONS: List[Tuple[List[str], str]] = [
    ([], WITH_SESSION),
    # The other way around it is compiled below.
    (["-DTR_BUILD_PYTHON_SESSION=OFF", "-DFORM=header_only"], header_only(WITHOUT_SESSION)),
]
in_both_forms = pytest.mark.parametrize(("options", "expected"), OPTIONS, ids=["compiled", "header-only"])


@in_both_forms
def test_source_consumer_builds(options: List[str], expected: str, tmp_path: Path) -> None:
    """A project that adds the sources of this one builds and runs, with the session and without, also header-only; our tests, examples and
    benchmarks stay out of its build.
    """
    source = f"-DTECH_RENAISSANCE_SOURCE={ROOT}"

    assert expected == build_consumer("add_subdirectory", tmp_path, source, *options)
    assert not (tmp_path / "tech_renaissance" / "cpp").exists()


def test_fetching_consumer_builds(tmp_path: Path) -> None:
    """And so does one that fetches them, here header-only and without the session, for which there is less to compile."""
    options = [f"-DTECH_RENAISSANCE_SOURCE={ROOT}", "-DTR_BUILD_PYTHON_SESSION=OFF", "-DFORM=header_only"]

    assert header_only(WITHOUT_SESSION) == build_consumer("fetch_content", tmp_path, *options)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed prefix, moved to another place after the installation."""
    folder = tmp_path_factory.mktemp("prefix")
    run(
        cmake_command(),
        *("-S", ROOT, "-B", folder / "build"),
        *(f"-DTR_BUILD_{part}=OFF" for part in ("TESTS", "EXAMPLES", "BENCHMARKS")),
    )
    run(cmake_command(), "--install", folder / "build", "--prefix", folder / "first")
    return (folder / "first").rename(folder / "moved")


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], WITHOUT_SESSION), (["-DFORM=header_only"], header_only(WITHOUT_SESSION))],
    ids=["compiled", "header-only"],
)
def test_prefix_consumer_builds(prefix: Path, options: List[str], expected: str, tmp_path: Path) -> None:
    """find_package finds an installed prefix, wherever it was moved to; without the session there is less to compile."""
    options = [f"-DCMAKE_PREFIX_PATH={prefix}", "-DTR_BUILD_PYTHON_SESSION=OFF", *options]

    assert expected == build_consumer("find_package", tmp_path, *options)


def test_wheel_consumer_builds(installed_python: Path, tmp_path: Path) -> None:
    """find_package finds the folder that the installed wheel names."""
    options = [
        f"-Dtech_renaissance_DIR={locate(installed_python, '--cmake-dir')}",
        "-DTR_BUILD_PYTHON_SESSION=OFF",
    ]

    assert WITHOUT_SESSION == build_consumer("find_package", tmp_path, *options)


@pytest.mark.parametrize(
    ("wanted", "found"), [("0.1", True), ("0.2", False), ("1.0", False), ("0.0.9", False)]
)
def test_find_package_honours_the_version(wanted: str, found: bool, tmp_path: Path) -> None:
    """Only a request for the same minor version, not later than ours, is satisfied."""
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\n"
        "project(version LANGUAGES CXX)\n"
        f"find_package(tech_renaissance {wanted} CONFIG)\n"
        'message(STATUS "found=${tech_renaissance_FOUND}.")\n',
        encoding="utf-8",
    )

    output = run(
        cmake_command(),
        *("-S", tmp_path, "-B", tmp_path / "build", f"-Dtech_renaissance_DIR={ROOT / 'cpp' / 'cmake'}"),
    )

    assert f"found={int(found)}." in output


@pytest.mark.skipif(os.name == "nt", reason="a command line of g++ and clang++")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Nobody defined the macro before the first include.
        ([], header_only(WITH_SESSION).replace("macro=on", "macro=off")),
        (["-DTR_NO_PYTHON_SESSION"], header_only(WITHOUT_SESSION)),
    ],
    ids=["default", "no-session"],
)
def test_plain_compiler_builds(
    installed_python: Path, options: List[str], expected: str, tmp_path: Path
) -> None:
    """A compiler and the include folder are enough."""
    include = locate(installed_python, "--include-dir")
    executable = tmp_path / "consumer"

    sources = (CONSUMERS / "main.cpp", CONSUMERS / "other.cpp")
    run(CXX, "-std=c++17", *options, "-I", include, *sources, "-o", executable, "-pthread")

    assert expected == run(executable)
