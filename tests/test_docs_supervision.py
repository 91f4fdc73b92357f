"""docs/supervision.md: its samples print what stands below them, in both languages."""

import re
import sys
import textwrap
from pathlib import Path
from typing import List, NamedTuple

from doc_pages import BLOCK, compile_cpp, needs_compiler, run, text_of, write_named_blocks
from processes import ABORTED_NAME

PAGE = "docs/supervision.md"
CPP_HEAD = (
    "#include <chrono>\n#include <memory>\n#include <string>\n#include <thread>\n#include <vector>\n"
    '#include "tech_renaissance.h"\nusing namespace tr;\n'
)


class Sample(NamedTuple):
    """The same in both languages, and what it prints."""

    python: str
    cpp: str
    output: str


def samples() -> List[Sample]:
    """Those of the page, in order."""
    found: List[Sample] = []
    for match in re.finditer(r"```python\n(?!# )", text_of(PAGE)):
        blocks = BLOCK.findall(text_of(PAGE), match.start())[:3]
        languages = [language for language, _ in blocks]
        assert ["python", "cpp"] == languages[:2]
        output = blocks[2][1] if languages[2:] == ["text"] else ""
        found.append(Sample(blocks[0][1], blocks[1][1], output))
    return found


def test_the_python_samples_run(tmp_path: Path) -> None:
    """They print what the page shows."""
    write_named_blocks(PAGE, tmp_path)
    for sample in samples():
        program = sample.python
        if "PythonSession(" not in program:
            program = 'with PythonSession("jobs.py", "jobs", True) as session:\n' + textwrap.indent(
                program, "    "
            )
        program = "from tech_renaissance import *\n" + program
        expected = sample.output.replace("SIGABRT", ABORTED_NAME)
        assert expected == run([sys.executable, "-c", program], tmp_path)


@needs_compiler
def test_the_cpp_samples_run(tmp_path: Path) -> None:
    """They print the same, compiled as one program."""
    write_named_blocks(PAGE, tmp_path)
    source, started = CPP_HEAD, 'PythonSession session("jobs.py", "jobs", true);\nsession.start();\n'
    for number, sample in enumerate(samples()):
        source += f"void f{number}() {{\n{'' if 'PythonSession' in sample.cpp else started}{sample.cpp}}}\n"
    functions = ", ".join(f"f{number}" for number in range(len(samples())))
    source += (
        f"int main(int, char** argv) {{ std::vector<void (*)()>{{{functions}}}[std::stoul(argv[1])](); }}\n"
    )
    (tmp_path / "samples.cpp").write_text(source, encoding="utf-8")
    compile_cpp(tmp_path / "samples.cpp", tmp_path / "samples")

    for number, sample in enumerate(samples()):
        assert sample.output == run([str(tmp_path / "samples"), str(number)], tmp_path)


def test_there_are_samples_of_each_kind() -> None:
    """Most print something."""
    assert sum(bool(sample.output) for sample in samples()) >= 6
