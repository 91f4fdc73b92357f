"""Every example runs, in both languages or in the one that has it, and prints what docs/examples.md says."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest
from cpp_programs import built_program
from doc_pages import COMPILER, needs_compiler

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
PYTHONS_OWN = {"async_session"}
NAMES = sorted({path.stem for path in (ROOT / "examples" / "python").glob("*.py")} - PYTHONS_OWN)
LOOPS = {"game", "epoll"} if sys.platform == "linux" else {"game"}
COMPILED_LOOPS = ("asio", "qt")
WITH_TORCH = {"default_server", "demo", "matmul"}


def promised(name: str) -> List[str]:
    """The outputs that the page shows for an example: one for both languages, or C++'s and Python's."""
    section = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    return re.findall(r"```text\n(.*?)```", section, re.DOTALL)


def environment(workspace: Path) -> Dict[str, str]:
    """The tests' environment with a workspace of its own, and an interpreter for workers."""
    return {
        **os.environ,
        "TR_PYTHON": os.environ.get("TR_TEST_WORKER_PYTHON") or sys.executable,
        "TR_WORKSPACE": str(workspace),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
    }


def as_on_posix(output: str) -> str:
    """What a program would print there: other ends of lines, other paths, in a repr, too, and another word for the end by a bad pointer."""
    if sys.platform != "win32":
        return output
    output = output.replace("ended: exception 0xC0000005 (access violation)", "ended: signal 11 (SIGSEGV)")
    output = output.replace("worker_lost, access violation", "worker_lost, SIGSEGV")
    output = output.replace("\r\n", "\n").replace("\\\\", "\\")
    return re.sub(r"\\(?=\w)", "/", output)  # of paths, not of a list of characters


def run(command: List[str], workspace: Path) -> str:
    """What a program prints; it must succeed and leave no session behind."""
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(workspace),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert (0, "") == (result.returncode, result.stderr.decode())
    assert [] == list((workspace / "python_session").iterdir())
    output = as_on_posix(result.stdout.decode()).replace(f"{ROOT.as_posix()}/", "/checkout/")
    return re.sub(r"[\d.e-]+ s into", "0.01 s into", output)


@pytest.fixture(params=["cpp", "python"])
def language(request: pytest.FixtureRequest) -> str:
    """Both languages."""
    return str(request.param)


def command_of(name: str, language: str) -> List[str]:
    """How an example is run, or a skip."""
    if name in WITH_TORCH and importlib.util.find_spec("torch") is None:
        pytest.skip("this example needs PyTorch, and this interpreter has none")
    if language == "python":
        return [sys.executable, str(ROOT / "examples" / "python" / f"{name}.py")]
    program = built_program(name)
    if not program.exists():
        pytest.skip(f"{program} is not built: make build")
    return [str(program)]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "demo"])
def test_an_example_prints_what_the_page_shows(name: str, language: str, tmp_path: Path) -> None:
    """The program succeeds, prints the page's text, and leaves nothing behind."""
    expected = promised(name)

    actual = run(command_of(name, language), tmp_path)

    assert expected[0 if language == "cpp" else -1] == actual


def test_the_demo_checks_its_answers_and_prints_a_table(language: str, tmp_path: Path) -> None:
    """The demo says that everything is right, shows the product, and times each call."""
    output = run(command_of("demo", language), tmp_path)

    assert "WRONG" not in output
    assert 5 == output.count("  ok    ")
    assert "tensor([[9., 9., 9., 9., 9.]," in output
    assert 8 == len(re.findall(r"^  \S.* +\d+\.\d{3} ms$", output, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(LOOPS | PYTHONS_OWN))
def test_an_example_of_one_language_prints_what_the_page_shows(name: str, tmp_path: Path) -> None:
    """The program succeeds, prints the page's text, and leaves nothing behind."""
    command = command_of(name, "cpp" if name in LOOPS else "python")

    assert promised(name) == [run(command, tmp_path)]


@needs_compiler
def test_the_examples_for_asio_and_qt_compile(tmp_path: Path) -> None:
    """Against the real headers, if they are installed, else against as much of these libraries as the examples need."""
    source = "".join(
        f'#define main {name}_main\n#include "{ROOT}/examples/event_loops/{name}.cpp"\n#undef main\n'
        for name in COMPILED_LOOPS
    )
    (tmp_path / "loops.cpp").write_text(source, encoding="utf-8")
    options = ["-std=c++17", "-fsyntax-only", "-fPIC", "-I", str(ROOT / "cpp" / "include"), *qt_options()]
    stubs = ["-idirafter", str(ROOT / "tests" / "data" / "stubs")]
    subprocess.run([*COMPILER, *options, *stubs, str(tmp_path / "loops.cpp")], check=True)


def qt_options() -> List[str]:
    """What a compiler must be told of Qt, if that is installed."""
    if shutil.which("pkg-config") is None:
        return []
    for package in ("Qt6Core", "Qt5Core"):
        result = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, check=False)
        if result.returncode == 0:
            return result.stdout.decode().split()
    return []


def test_both_languages_have_the_same_examples() -> None:
    """A C++ example has its Python twin, and the other way round; the page shows each, also those of one language."""
    loops = {path.stem for path in (ROOT / "examples" / "event_loops").iterdir()}

    assert NAMES == sorted(path.stem for path in (ROOT / "examples" / "cpp").glob("*.cpp"))
    assert LOOPS | {"epoll", *COMPILED_LOOPS} == loops
    assert sorted({*NAMES, *PYTHONS_OWN, *loops}) == sorted(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE))
