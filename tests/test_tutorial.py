"""docs/tutorial.md: its worker grows by the lines that each step adds, and both languages' programs print what the step shows."""

import re
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple

import pytest
from doc_pages import BLOCK, compile_cpp, needs_compiler, run, text_of


class Step(NamedTuple):
    """A section of the page that has programs."""

    worker: str
    python: str
    cpp: str
    output: str


def patched(text: str, diff: str) -> str:
    """The text with a hunk applied, whose context stands there once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    assert text.count(before) == 1, before
    return text.replace(before, after)


def steps() -> List[Step]:
    """Those of the page, in order, each with the worker as it is then."""
    found: List[Step] = []
    worker = ""
    for section in re.split(r"^## ", text_of("docs/tutorial.md"), flags=re.MULTILINE):
        blocks = BLOCK.findall(section)
        by_language: Dict[str, str] = dict(blocks)  # the last of each
        if blocks and blocks[0][1].startswith("# trainer.py"):
            worker = blocks[0][1]
        if "diff" in by_language:
            worker = patched(worker, by_language["diff"])
        if "cpp" in by_language:
            found.append(Step(worker, by_language["python"], by_language["cpp"], by_language["text"]))
    return found


def write_workers(folder: Path) -> List[Path]:
    """A folder for each step, with its worker."""
    folders: List[Path] = []
    for number, step in enumerate(steps()):
        folders.append(folder / str(number))
        folders[-1].mkdir()
        (folders[-1] / "trainer.py").write_text(step.worker, encoding="utf-8")
    return folders


def test_the_worker_grows_to_what_stands_at_the_end() -> None:
    """The steps make the whole worker; there are enough of them."""
    whole = text_of("docs/tutorial.md").partition("## The whole worker\n")[2]

    assert BLOCK.findall(whole)[0] == ("python", steps()[-1].worker)
    assert len(steps()) >= 5


def test_the_python_programs_run(tmp_path: Path) -> None:
    """They print what their step shows."""
    for step, folder in zip(steps(), write_workers(tmp_path)):
        assert step.output == run([sys.executable, "-c", step.python], folder)


def test_the_python_programs_run_with_the_whole_worker(tmp_path: Path) -> None:
    """All but the one whose command has become another, which says so."""
    whole = steps()[-1].worker
    (tmp_path / "trainer.py").write_text(whole, encoding="utf-8")
    for step in steps():
        if step.python.startswith("# fit.py"):
            with pytest.raises(AssertionError, match="unknown command 'fit'"):
                run([sys.executable, "-c", step.python], tmp_path)
        elif step.worker != whole:  # else it has run with it already
            assert step.output == run([sys.executable, "-c", step.python], tmp_path)


@needs_compiler
def test_the_cpp_programs_run(tmp_path: Path) -> None:
    """They print what their step shows, compiled as one program."""
    programs = [step.cpp.replace("int main() {", "void host() {") for step in steps()]
    includes = sorted({line for program in programs for line in re.findall(r"#include .*\n", program)})
    source = "".join(includes)
    for number, program in enumerate(programs):
        source += f"namespace step{number} {{\n{re.sub('#include .*', '', program)}}}\n"
    hosts = ", ".join(f"step{number}::host" for number in range(len(programs)))
    source += f"int main(int, char** argv) {{ std::vector<void (*)()>{{{hosts}}}[std::stoul(argv[1])](); }}\n"
    (tmp_path / "steps.cpp").write_text(source, encoding="utf-8")
    compile_cpp(tmp_path / "steps.cpp", tmp_path / "steps")

    for number, (step, folder) in enumerate(zip(steps(), write_workers(tmp_path))):
        assert step.output == run([str(tmp_path / "steps"), str(number)], folder)
