"""The headers compile with whichever C++ a program is set to, not only with the oldest."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# clang looks at more in newer standards than g++ does.
COMPILER = shutil.which("clang++") or shutil.which("g++")


@pytest.mark.skipif(COMPILER is None, reason="there is no compiler")
def test_the_headers_compile_as_cpp20(tmp_path: Path) -> None:
    """All that users include, without the library."""
    names = ("tech_renaissance.h", "tech_renaissance/keyword.h", "tech_renaissance/value.h")
    source = tmp_path / "newer.cpp"
    source.write_text("".join(f'#include "{name}"\n' for name in names))
    options = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", "cpp/include"]

    run = subprocess.run([str(COMPILER), *options, str(source)], cwd=ROOT, capture_output=True, check=False)

    assert "" == run.stderr.decode()
