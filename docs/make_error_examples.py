"""Run the snippets of docs/errors.md and write what they print below them; ``--check`` only compares.

A Python snippet runs after the page's first block, in an empty folder that shows the checkout's examples. The C++
snippets, one expression each, become one program. Every error must have the code that is its heading.
"""

import argparse
import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "errors.md"
sys.path.insert(0, str(ROOT / "src"))

from tech_renaissance import TechRenaissanceError  # noqa: E402 - from this checkout, installed or not

SNIPPET = re.compile(
    r"^### (?P<code>\w+)(?:(?!^#).)*?^```(?P<language>python|cpp)\n(?P<source>.*?)^```\n\n```text\n(?P<output>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)

# What differs from run to run: pattern, and what the page shows.
RUN_DEPENDENT = [
    (r"process \d+", "process 4711"),
    (r'("timestamp": ?)\d+', r"\g<1>1699123456790"),
    (r"^ +$", ""),
    (r"(Current t|T)hread 0x\w+", r"\g<1>hread 0x00007f0123456780"),
    (r"[\d.e-]+ s into", "0.01 s into"),
    (  # frames that are not the example's, with their lines of source
        r'(^ +)File "(?!/checkout/(?:examples/|broken)).*\n(?:^\1  .*\n)?(?:^\1File "(?!/checkout/(?:examples/|broken)).*\n(?:^\1  .*\n)?)*',
        r"\g<1>...\n",
    ),
    (r"\n+    Extension modules: .*", ""),
]

CPP_FRAME = r"""
#include <functional>
#include "tech_renaissance.h"
using namespace tr;

void run(const std::string& code, const std::function<void()>& snippet) {
    try {
        snippet();
    } catch (const TRException& error) {
        if (error.code() == code) std::cout << error.what() << "\n";
    }
    std::cout << '\0';
}

int main() {
%s
}
"""


def python_output(code: str, prelude: str, source: str) -> str:
    """What a snippet prints, and the error that it ends with."""
    names: Dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(prelude, names)
        try:
            exec(source, names)
        except TechRenaissanceError as error:
            if error.code != code:
                raise
            print(f"tech_renaissance.{type(error).__name__}: {error}".rstrip())
        finally:
            names["session"].close()
    if code not in printed.getvalue() and "tech_renaissance." not in printed.getvalue():
        raise SystemExit(f"the snippet of {code} does not provoke it")
    return printed.getvalue()


def cpp_outputs(snippets: Dict[str, str]) -> Dict[str, str]:
    """What each C++ snippet throws, by code."""
    calls = [f'    run("{code}", [] {{ {source.strip()} }});' for code, source in snippets.items()]
    Path("errors.cpp").write_text(CPP_FRAME % "\n".join(calls), encoding="utf-8")
    compiler, libraries = (
        shlex.split(os.environ.get(name, by)) for name, by in (("CXX", "c++"), ("LDLIBS", ""))
    )
    include = str(ROOT / "cpp" / "include")
    command = [*compiler, "-std=c++17", "-I", include, "errors.cpp", "-o", "errors", "-pthread", *libraries]
    subprocess.run(command, check=True)
    printed = subprocess.run(["./errors"], stdout=subprocess.PIPE, check=True).stdout.decode()
    return dict(zip(snippets, printed.split("\0")))


def normalised(output: str, folder: str) -> str:
    """The output without what differs from run to run and from machine to machine."""
    output = output.replace(sys.executable, "python")
    for path in (os.path.realpath(folder), folder, str(ROOT)):
        output = output.replace(path, "/checkout")
    for pattern, replacement in RUN_DEPENDENT:
        output = re.sub(pattern, replacement, output, flags=re.MULTILINE)
    return output


@contextlib.contextmanager
def scratch_folder() -> Iterator[str]:
    """An empty current directory in which the page's relative paths work."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "examples").symlink_to(ROOT / "examples")
        os.environ.update(
            {
                "TR_WORKSPACE": folder,
                "TR_PYTHON": sys.executable,
                "TR_TRANSPORT": "file",  # some snippets break files
                "PYTHONPATH": str(ROOT / "src"),
            }
        )
        os.chdir(folder)
        yield folder
        os.chdir(ROOT)


def filled(page: str) -> str:
    """The page with every output as it is now."""
    prelude = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[0]
    snippets = list(SNIPPET.finditer(page))
    with scratch_folder() as folder:
        cpp = cpp_outputs({m["code"]: m["source"] for m in snippets if m["language"] == "cpp"})
        for match in reversed(snippets):
            code, source = match["code"], match["source"]
            output = python_output(code, prelude, source) if match["language"] == "python" else cpp[code]
            page = page[: match.start("output")] + normalised(output, folder) + page[match.end("output") :]
    return page


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    check = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    now = filled(page)
    if check and now != page:
        import difflib

        sys.stdout.writelines(
            difflib.unified_diff(page.splitlines(True), now.splitlines(True), "errors.md", "now")
        )
        sys.exit("docs/errors.md is out of date: run python docs/make_error_examples.py")
    if not check:
        PAGE.write_text(now, encoding="utf-8")


if __name__ == "__main__":
    main()
