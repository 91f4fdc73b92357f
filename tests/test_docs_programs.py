"""The programs and commands of the pages do what the pages say."""

import ast
import inspect
import os
import re
import shlex
import shutil
import sys
import textwrap
from pathlib import Path

import pytest
from cpp_programs import library, library_options
from doc_pages import (
    API,
    COMPILER,
    PAGES,
    READMES,
    ROOT,
    blocks_of,
    compile_and_run,
    compile_cpp,
    needs_compiler,
    outputs,
    run,
    text_of,
    write_named_blocks,
)
from processes import ABORTED_NAME

import tech_renaissance
from tech_renaissance import (
    PythonSession,
)

SESSION = ast.Name("session", ast.Load())


def test_the_readmes_python_programs_run(tmp_path: Path) -> None:
    """The worker and the Python host print what the page shows."""
    write_named_blocks("README.md", tmp_path)

    assert run([sys.executable, "host.py"], tmp_path) in outputs("README.md")


def test_what_goes_wrong_in_the_readme_goes_wrong_as_it_says(tmp_path: Path) -> None:
    """The README's own worker fails, takes too long and crashes, and the Python host prints what the page shows."""
    write_named_blocks("README.md", tmp_path)

    expected = outputs("README.md")[-1].replace("SIGABRT", ABORTED_NAME)
    assert run([sys.executable, "trouble.py"], tmp_path) == expected


@needs_compiler
def test_what_goes_wrong_in_the_readme_goes_wrong_in_cpp(tmp_path: Path) -> None:
    """The C++ host prints the same."""
    write_named_blocks("README.md", tmp_path)

    assert compile_and_run((tmp_path / "trouble.cpp").read_text(), tmp_path) == outputs("README.md")[-1]


def test_the_default_servers_programs_run(tmp_path: Path) -> None:
    """They print what the page shows."""
    page = "docs/default-server.md"
    write_named_blocks(page, tmp_path)

    assert outputs(page) == [run([sys.executable, name], tmp_path) for name in ("names.py", "own_host.py")]


@pytest.mark.parametrize("name", ["beside.py", pytest.param("beside.cpp", marks=needs_compiler)])
def test_the_deployment_pages_programs_find_their_worker(tmp_path: Path, name: str) -> None:
    """It is beside the program, wherever that is started."""
    program = tmp_path / "installed"
    program.mkdir()
    write_named_blocks("docs/deployment.md", program)
    shutil.copy(ROOT / "examples" / "workers" / "hello_worker.py", program / "worker.py")
    if name == "beside.py":
        answer = run([sys.executable, str(program / name)], tmp_path)
    else:
        compile_cpp(program / name, program / "beside")
        answer = run([str(program / "beside")], tmp_path)

    assert answer.startswith("Hello")


def test_the_deployment_pages_worker_gets_its_arguments(tmp_path: Path) -> None:
    """With an interpreter that forbids what a careful program forbids."""
    write_named_blocks("docs/deployment.md", tmp_path)
    script, workspace = tmp_path / "model_worker.py", str(tmp_path / "workspace")
    arguments, python_arguments = ["--model", "large model.pt"], ["-X", "dev", "-W", "error"]
    with PythonSession(
        script, workspace=workspace, arguments=arguments, python_arguments=python_arguments
    ) as session:
        assert "large model.pt" == session.call("model")


@needs_compiler
def test_the_readmes_cpp_program_runs(tmp_path: Path) -> None:
    """The C++ host prints what the page shows. That the page's command is enough is tested in test_packaging.py."""
    write_named_blocks("README.md", tmp_path)

    assert compile_and_run((tmp_path / "main.cpp").read_text(), tmp_path) in outputs("README.md")


def test_the_tensor_pages_python_program_runs(tmp_path: Path) -> None:
    """It prints what the page shows."""
    source = next(block for language, block in blocks_of("docs/tensors.md") if language == "python")

    assert outputs("docs/tensors.md")[0] == run([sys.executable, "-c", source], tmp_path)


@needs_compiler
def test_the_tensor_pages_cpp_program_runs(tmp_path: Path) -> None:
    """It prints what the page shows."""
    source = next(block for language, block in blocks_of("docs/tensors.md") if language == "cpp")

    assert outputs("docs/tensors.md")[1] == compile_and_run(source, tmp_path)


def test_the_tensor_pages_weights_are_kept(tmp_path: Path) -> None:
    """By the worker of the page, whose host prints what the page shows."""
    write_named_blocks("docs/tensors.md", tmp_path)

    assert outputs("docs/tensors.md")[2] == run([sys.executable, "scores.py"], tmp_path)


@needs_compiler
def test_the_tensor_pages_weights_are_kept_for_cpp(tmp_path: Path) -> None:
    """The C++ host gets the same numbers."""
    write_named_blocks("docs/tensors.md", tmp_path)

    assert compile_and_run((tmp_path / "scores.cpp").read_text(), tmp_path) == outputs("docs/tensors.md")[2]


def test_the_command_pages_programs_run(tmp_path: Path) -> None:
    """The host prints what the page shows, and the worker of functions serves."""
    write_named_blocks("docs/commands.md", tmp_path)

    assert outputs("docs/commands.md")[0] == run([sys.executable, "host.py"], tmp_path)
    program = 'from tech_renaissance import PythonSession as P\nwith P("functions.py", "f") as s: print(s.call("count", 3), s.call("double", 2))'
    assert run([sys.executable, "-c", program], tmp_path) == "3 4\n"
    program = 'from tech_renaissance import PythonSession as P\nwith P("lookups.py", "l") as s: print([f.result() for f in [s.submit("lookup", c) for c in "ab"]])'
    assert run([sys.executable, "-c", program], tmp_path) == "['A', 'B']\n"


@needs_compiler
def test_the_command_pages_cpp_program_runs(tmp_path: Path) -> None:
    """It prints what the page shows."""
    write_named_blocks("docs/commands.md", tmp_path)

    assert outputs("docs/commands.md")[1] == compile_and_run((tmp_path / "host.cpp").read_text(), tmp_path)


def test_the_async_pages_programs_run(tmp_path: Path) -> None:
    """They print what the page shows; futures are done in whatever order."""
    write_named_blocks("docs/async.md", tmp_path)
    at_once, pool = outputs("docs/async.md")

    assert at_once == run([sys.executable, "host.py"], tmp_path)
    assert sorted(pool) == sorted(run([sys.executable, "pool.py"], tmp_path))


def test_the_text_pages_programs_run(tmp_path: Path) -> None:
    """The host prints what the page shows."""
    write_named_blocks("docs/text-calls.md", tmp_path)

    assert outputs("docs/text-calls.md")[0] == run([sys.executable, "matrix_host.py"], tmp_path)


@needs_compiler
def test_the_text_pages_cpp_program_runs(tmp_path: Path) -> None:
    """To its end."""
    write_named_blocks("docs/text-calls.md", tmp_path)

    assert "hello world" in compile_and_run((tmp_path / "matrix_host.cpp").read_text(), tmp_path)


@needs_compiler
def test_the_value_pages_cpp_program_runs(tmp_path: Path) -> None:
    """It prints what the page shows."""
    source = next(block for language, block in blocks_of("docs/values.md") if language == "cpp")

    assert outputs("docs/values.md")[0] == compile_and_run(source, tmp_path)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_older_host_runs(tmp_path: Path) -> None:
    """A shell script that knows only the files gets its answer, and its worker says where it waits as the page shows."""
    write_named_blocks("docs/older-hosts.md", tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    answer, announcement = outputs("docs/older-hosts.md")
    announced = re.sub(r"(\\\(|waits\\ in\\ )/.*?(\\\)|/python_session)", r"\1.*\2", re.escape(announcement))

    assert answer == run(["bash", "older_host.sh"], tmp_path, announced)


def test_the_api_pages_python_blocks_run(tmp_path: Path) -> None:
    """All in one program, whose worker has what they call."""
    program = (
        "import numpy as np\nfrom tech_renaissance import PythonSession\n"
        "a, b, batches = np.eye(2), np.ones((2, 2)), [1.0, 2.0]\n"
        f"with PythonSession({str(ROOT / 'tests' / 'workers' / 'api_page.py')!r}, 'api') as session:\n"
    )
    for language, block in blocks_of("docs/api.md"):
        if language == "python":
            program += textwrap.indent(block, "    ") + "    print()\n"
    program += "    print(product.tolist(), loss)\n"

    # The third's progress, the fourth's total, which nobody prints, and the fifth's loss.
    assert "\nhello\n100% trained\n\n\n\n[[2.0, 2.0], [2.0, 2.0]] 0.30000000000000004\n" == run(
        [sys.executable, "-c", program], tmp_path
    )


@needs_compiler
@pytest.mark.skipif(
    os.name == "nt" or shutil.which("bash") is None, reason="a command line of g++ and clang++"
)
def test_the_library_is_compiled_once_without_cmake(tmp_path: Path) -> None:
    """By the commands of the page, and the README's program runs with it."""
    write_named_blocks("README.md", tmp_path)
    commands = next(block for _, block in blocks_of("docs/api.md") if block.startswith("include="))
    commands = (
        commands.replace("g++", shlex.join(COMPILER))
        .replace("python ", f"{sys.executable} ")
        .replace("-O2 ", "")
    )
    run(["bash", "-e", "-c", commands], tmp_path)

    assert run([str(tmp_path / "main")], tmp_path) in outputs("README.md")


@needs_compiler
def test_the_error_examples_are_up_to_date(tmp_path: Path) -> None:
    """Every snippet of docs/errors.md provokes its error and prints what stands below it."""
    command = [sys.executable, str(ROOT / "docs" / "make_error_examples.py"), "--check"]
    compiled = {"CXX": shlex.join([*COMPILER, *library_options()]), "LDLIBS": shlex.join(library())}
    assert "" == run(command, tmp_path, variables=compiled)


@needs_compiler
def test_cpp_snippets_compile(tmp_path: Path) -> None:
    """What these pages show in C++ is a valid body of a function, which has a session where it makes none."""
    pages = (
        "README.md",
        "docs/api.md",
        "docs/text-calls.md",
        "docs/deployment.md",
        "docs/errors.md",
        "docs/default-server.md",
    )
    blocks = [block for page in pages for language, block in blocks_of(page) if language == "cpp"]
    snippets = [block for block in blocks if "int main()" not in block]
    source = '#include "tech_renaissance.h"\nusing namespace tr;\nTensor a, b, images, weights;\n'
    for number, snippet in enumerate(snippets):
        parameter = "" if "PythonSession session" in snippet else "[[maybe_unused]] PythonSession& session"
        source += f"void f{number}({parameter}) {{\n{snippet}}}\n"
    (tmp_path / "snippets.cpp").write_text(source, encoding="utf-8")

    run(
        [
            *COMPILER,
            "-std=c++17",
            "-fsyntax-only",
            "-DTR_COMPILED",
            "-I",
            str(ROOT / "cpp" / "include"),
            "snippets.cpp",
        ],
        tmp_path,
    )


@pytest.mark.parametrize("page", [page.relative_to(ROOT).as_posix() for page in PAGES])
def test_python_snippets_use_the_api(page: str) -> None:
    """Every Python block is valid Python, and calls our classes and a session's methods with arguments that fit."""
    for language, block in blocks_of(page):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Call):
                check_call(node)


def check_call(call: ast.Call) -> None:
    """Raise if this is a call of one of our classes, or of a session's method, that could not be made."""
    function, arguments = call.func, [None] * len(call.args)
    if isinstance(function, ast.Name) and function.id in tech_renaissance.__all__:
        target = getattr(tech_renaissance, function.id)
    elif isinstance(function, ast.Attribute) and ast.dump(function.value) == ast.dump(SESSION):
        target = getattr(PythonSession, function.attr)
        arguments.append(None)
    else:
        return
    keywords = {keyword.arg: None for keyword in call.keywords if keyword.arg}
    inspect.signature(target).bind(*arguments, **keywords)


def test_shell_blocks_name_targets_and_options_that_exist(tmp_path: Path) -> None:
    """``make x`` is a target, ``python -m tech_renaissance --x`` prints a folder, and ``x`` is an action."""
    shell = "\n".join(block for page in PAGES for kind, block in blocks_of(str(page)) if kind in ("bash", ""))
    targets = set(re.findall(r"^make (\w[\w-]*)", shell, re.MULTILINE))
    written = "\n".join(map(text_of, READMES + API))
    options = set(re.findall(r"-m tech_renaissance (--[\w-]+)", written))

    assert {"demo", "test"} <= targets <= set(re.findall(r"^([\w-]+):", text_of("Makefile"), re.MULTILINE))
    actions = set(re.findall(r"-m tech_renaissance (\w+)", written))

    assert {"--cmake-dir", "--include-dir", "--version"} == options
    assert {"clean"} == actions
    assert "" == run([sys.executable, "-m", "tech_renaissance", "clean"], tmp_path)
    for option in options - {"--version"}:
        assert Path(run([sys.executable, "-m", "tech_renaissance", option], tmp_path).strip()).is_dir()
