"""C++ sessions in the event loop of their program: tests/cpp/guest_loops.cpp, and the programs of docs/event-loops.md."""

import sys
from pathlib import Path

import pytest
from cpp_programs import ROOT, built_program, names_in, run_with_worker
from doc_pages import compile_and_run, named_blocks, needs_compiler, outputs, run, write_named_blocks
from hosts import TRANSPORTS

GUEST = built_program("guest_loops")
PAGE = "docs/event-loops.md"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", names_in(GUEST))
def test_a_loop(name: str, transport: str, tmp_path: Path) -> None:
    """What the C++ test's sentence says holds."""
    run_with_worker(GUEST, name, "loops.py", transport, tmp_path)


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="one of them uses epoll")
def test_the_pages_programs_run(tmp_path: Path) -> None:
    """They print what the page shows, and its sketches compile against as much of Asio and Qt as they need. The game ends
    with the reason if its worker does not start.
    """
    blocks = named_blocks(PAGE)
    write_named_blocks("docs/commands.md", tmp_path)
    source = (
        f'#include "{ROOT}/tests/data/event_loops.h"\n#include "tech_renaissance.h"\n' + blocks["serves.cpp"]
    )
    for name in ("epoll", "game"):
        program = blocks[f"{name}.cpp"].replace("int main()", f"void {name}()")
        source += program
    source += blocks["asio.cpp"] + blocks["qt.cpp"]
    source += "void executor(tr::PythonSession& session) {\n" + blocks["executor.cpp"] + "}\n"
    source += "int main(int count, char**) {\n    if (count == 1) epoll();\n    game();\n}\n"

    assert "".join(outputs(PAGE)) == compile_and_run(source, tmp_path)

    (tmp_path / "calculator.py").write_text("raise SystemExit(3)\n")
    assert ": exit status 3" in run([str(tmp_path / "program"), "game"], tmp_path)
