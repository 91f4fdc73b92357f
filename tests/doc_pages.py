"""The pages of the documentation: their blocks and tables, and how their programs run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

import pytest
from cpp_programs import library, library_options

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "spec").rglob("*.md")])
READMES = ["README.md", "README.zh-CN.md"]
API = ["docs/api.md", "docs/zh/api.md"]
# Headings of the Chinese page that differ.
CHINESE = {
    "Calls": "调用",
    "Options": "选项",
    "Output": "输出",
    "What a session tells": "会话能告诉你什么",
    "Errors": "错误",
    "Tests of a worker": "测试工作进程",
    r"Values in C\+\+": r"C\+\+ 的值",
    "Futures": "Future",
    "Streams": "流",
    r"Progress, stop, callbacks and inputs in C\+\+": r"C\+\+ 的进度、停止、回调与输入",
}
HEADERS = ROOT / "cpp" / "include" / "tech_renaissance"
COMPILER = shlex.split(os.environ.get("CXX", "c++"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

needs_compiler = pytest.mark.skipif(
    shutil.which(COMPILER[0]) is None, reason=f"there is no C++ compiler {COMPILER[0]!r}"
)


def text_of(page: str) -> str:
    """A page of the checkout."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> List[Tuple[str, str]]:
    """The code blocks of a page: language and text."""
    return BLOCK.findall(text_of(page))


def named_blocks(page: str) -> Dict[str, str]:
    """The blocks whose first line is a comment with a file name, by that name."""
    named: Dict[str, str] = {}
    for _, block in blocks_of(page):
        name = re.match(r"(?:#|//) (\w+\.\w+)", block)
        if name:
            named[name.group(1)] = block
    return named


def outputs(page: str) -> List[str]:
    """The ``text`` blocks of a page."""
    return [block for language, block in blocks_of(page) if language == "text"]


def tables(page: str) -> List[List[List[str]]]:
    """The tables of a text, each a list of rows of cells; the first row is the header."""
    found: List[List[List[str]]] = []
    is_inside = False
    for line in BLOCK.sub("", page).splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            if not is_inside:
                found.append([])
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        is_inside = line.startswith("|")
    return found


def table(page: str, heading: str, number: int = 0) -> List[List[str]]:
    """Rows of the table under a heading, without the header."""
    if "/zh/" in page:
        heading = CHINESE.get(heading, heading)
    section = re.split(rf"^#+ {heading}$", text_of(page), maxsplit=1, flags=re.MULTILINE)[1]
    section = re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0]
    return tables(section)[number][1:]


def in_backticks(rows: List[List[str]], column: int = 0) -> Set[str]:
    """The names in backticks of a column, without what is in parentheses."""
    return {name for row in rows for name in re.findall(r"^`([\w]+)", row[column])}


def run(
    command: List[str], folder: Path, stderr: str = "", variables: Optional[Dict[str, str]] = None
) -> str:
    """What a program prints; it must succeed. ``stderr``: a pattern of what it writes there."""
    environment = {
        **os.environ,
        "TR_PYTHON": os.environ.get("TR_TEST_WORKER_PYTHON") or sys.executable,
        "TR_WORKSPACE": str(folder / "workspace"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
        **(variables or {}),
    }
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    output, complaints = (text.decode().replace("\r\n", "\n") for text in (result.stdout, result.stderr))
    assert result.returncode == 0, complaints
    assert re.fullmatch(stderr, complaints), complaints
    return output


def write_named_blocks(page: str, folder: Path) -> None:
    """Put the named blocks of a page into files."""
    for name, block in named_blocks(page).items():
        (folder / name).write_text(block, encoding="utf-8")


def compile_cpp(source: Path, program: Path) -> None:
    """Make a C++ program."""
    options = ["-std=c++17", "-pthread", "-I", str(ROOT / "cpp" / "include"), *library_options()]
    run([*COMPILER, *options, str(source), *library(), "-o", str(program)], source.parent)


def compile_and_run(source: str, folder: Path) -> str:
    """What a C++ program prints."""
    (folder / "program.cpp").write_text(source, encoding="utf-8")
    compile_cpp(folder / "program.cpp", folder / "program")
    return run([str(folder / "program")], folder)
