"""The examples of the reference text, as they stand (tests/data/reference): programs compile, servers run."""

import subprocess
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest
from cpp_programs import ROOT, cpp_program
from hosts import WORKERS

from tech_renaissance import CommandError, decode, encode

BLOCKS = Path(__file__).parent / "data" / "reference"

pytestmark = pytest.mark.usefixtures("worker_python", "transport")


def _run(source: Path, arguments: List[str], directory: Path) -> str:
    """Compile a program and run it there; its output, without that of its worker."""
    program = cpp_program(source)
    if program is None:
        pytest.skip("there is no C++ compiler")
    directory.mkdir(exist_ok=True)
    run = subprocess.run([program, *arguments], cwd=directory, capture_output=True, check=False)
    assert 0 == run.returncode, run.stderr.decode()
    return run.stdout.decode()


def _block(name: str, *, before: str = "") -> str:
    return before + (BLOCKS / f"{name}.block").read_text(encoding="utf-8")


@pytest.mark.torch
def test_the_matrix_example_runs(tmp_path: Path, workspace: Path) -> None:
    """C++ host, Python server with the missing ``import torch``: 4x3 times 3x5."""
    server = tmp_path / "python" / "module" / "python_server.py"
    server.parent.mkdir(parents=True)
    server.write_text(_block("python_server.py", before="import torch\n"), encoding="utf-8")
    output = _run(BLOCKS / "matmul.cpp.block", [], tmp_path / "build")
    assert "矩阵乘法结果形状: " in output
    assert 20 == output.count("9.")


def test_the_hello_example_runs(tmp_path: Path, workspace: Path) -> None:
    """C++ host, default server."""
    assert "Python响应: Hello World\n" == _run(BLOCKS / "hello.cpp.block", [], tmp_path / "build")


@pytest.mark.interpreters
def test_the_hello_server_runs(start: Callable[..., Any], tmp_path: Path) -> None:
    """As it stands, on both hosts."""
    server = tmp_path / "hello_server.py"
    server.write_text(_block("hello_server.py"), encoding="utf-8")
    assert "Hello World" == start(str(server), "hello_test").fetch_response("hello world", 30_000)


@pytest.mark.torch
@pytest.mark.above_transports
def test_the_matrix_server_answers_invalid_input(start: Callable[..., Any], tmp_path: Path) -> None:
    """With the reason."""
    server = tmp_path / "python_server.py"
    server.write_text(_block("python_server.py", before="import torch\n"), encoding="utf-8")
    session = start(str(server))
    session.send_tensor(np.ones((4, 3), np.float32), "a")
    session.send_tensor(np.ones((3, 5), np.float32), "b")
    assert [[3.0] * 5] * 4 == session.fetch_tensor("MatMul a b", 60_000).tolist()
    with pytest.raises(CommandError, match="missing") as caught:
        session.fetch_tensor("matmul a missing")
    assert "invalid" == caught.value.result


def test_the_other_blocks_compile_and_run(tmp_path: Path, workspace: Path) -> None:
    """Each in a function around it; and so does what people who know the reference system write besides: a timeout after the tensors or
    in their place, a warm-up time, errors of their own.
    """
    source = ROOT / "tests" / "cpp" / "reference_blocks.cpp"
    output = _run(source, [str(WORKERS / "reference_blocks.py")], tmp_path / "build")
    assert ["01", "0", "3", "3", "12", "error:30", "1", "0"] == output.split()


@pytest.mark.torch
def test_the_advice_on_formats_works() -> None:
    """What it makes of a tensor can be sent."""
    import torch

    for dtype in (torch.float64, torch.int8):
        names = {"torch": torch, "tensor": torch.ones(2, dtype=dtype)}
        exec(_block("to_cpu.py"), names)
        expected = torch.int8 if dtype is torch.int8 else torch.float32
        assert expected == decode(encode(names["tensor"]), "torch").dtype
