"""What compilers say of the headers: nothing, whichever C++ a program is set to; and one sentence with a cure about what is no value."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# clang looks at more in newer standards than g++ does.
COMPILER = shutil.which("clang++") or shutil.which("g++")
NO_VALUES = {
    "encode_call('x')": "a character is no value: use std::string, or std::int8_t for a number",
    "encode_call(&number)": "a pointer is no value: pass what it points to",
    "encode_call(numbers)": "an array of C is no value: use std::array or std::vector, std::string for text",
    "encode_call(1.0L)": "a long double is no value: use double",
    "encode_call(wide)": "an integer of more than 64 bits is no value: send it as text, or as a double",
    "encode_call(Derived())": "only the base class has TR_FIELDS: give this class its own, which names the fields of both",
    "encode_call(std::vector<Nameless>())": "this type is no value: give it TR_FIELDS, or a tr::Codec",
    "encode_call(std::map<int, int>())": "the keys of a dict are std::string",
    "encode_call(std::optional<std::optional<int>>())": "null cannot tell which of two std::optional is empty",
    'encode_call(kw("a", 1), 2)': "an argument without a name stands after one with a name",
}

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no compiler")


def complaints(source: Path, text: str, *options: str, compiler: str = str(COMPILER)) -> str:
    """What the compiler says."""
    source.write_text(text)
    command = [compiler, *options, "-Wall", "-Wextra", "-fsyntax-only", "-I", "cpp/include", str(source)]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, check=False).stderr.decode()


def test_the_headers_compile_as_cpp20(tmp_path: Path) -> None:
    """All that users include, without the library."""
    names = ("tech_renaissance.h", "tech_renaissance/keyword.h", "tech_renaissance/value.h")
    includes = "".join(f'#include "{name}"\n' for name in names)

    assert "" == complaints(tmp_path / "newer.cpp", includes, "-std=c++20")


def installed(compiler: str) -> str:
    """A cross compiler; skips the test where there is none."""
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    return compiler


def test_the_headers_compile_for_32_bits(tmp_path: Path) -> None:
    """Without shared memory, for which there is no room."""
    options = ["-std=c++17", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wsign-conversion"]
    text = '#include "tech_renaissance.h"\n#if defined(TR_HAS_SHARED_MEMORY)\n#error "no room"\n#endif\n'

    assert "" == complaints(
        tmp_path / "it.cpp", text, *options, compiler=installed("arm-linux-gnueabihf-g++")
    )


def test_a_big_endian_processor_is_refused_with_the_reason(tmp_path: Path) -> None:
    """The first that the compiler says; elements would have to be turned around on their way."""
    compiler = installed("s390x-linux-gnu-g++")

    options = ["-std=c++17", "-Wfatal-errors"]
    said = complaints(tmp_path / "it.cpp", '#include "tech_renaissance.h"\n', *options, compiler=compiler)

    assert "elements are little-endian" in said


def test_what_is_no_value_is_told_by_the_compiler(tmp_path: Path) -> None:
    """Each in a sentence."""
    text = '#include <map>\n#include "tech_renaissance/keyword.h"\n#include "tech_renaissance/value.h"\nusing namespace tr;\n'
    text += "struct Nameless {};\nint number;\nint numbers[2];\n__int128 wide;\n"
    text += "struct Base { int x; TR_FIELDS(x) };\nstruct Derived : Base { int y; };\n"
    for place, expression in enumerate(NO_VALUES):
        text += f"auto body{place} = {expression};\n"

    said = complaints(tmp_path / "no_values.cpp", text, "-std=gnu++17", "-DTR_COMPILED")

    assert [] == [sentence for sentence in NO_VALUES.values() if sentence not in said]
