"""What the documents say is so: their programs run, their tables match the code, their links lead somewhere."""

import ast
import importlib.util
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

import pytest
from cpp_programs import library, library_options

import tech_renaissance
from tech_renaissance import (
    AsyncSession,
    CancelPatience,
    OutputLine,
    PythonSession,
    RestartPolicy,
    SessionState,
    TechRenaissanceServer,
)
from tech_renaissance._base.tensor import DTYPES
from tech_renaissance._worker.conversation import replaceable_property

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "spec").rglob("*.md")])
READMES = ["README.md", "README.zh-CN.md"]
API = ["docs/api.md", "docs/zh/api.md"]
IN_BOTH_LANGUAGES = [
    tuple(READMES),
    tuple(API),
    ("docs/overview.md", "docs/zh/overview.md"),
    ("docs/text-calls.md", "docs/zh/text-calls.md"),
]
# Headings of the Chinese page that differ.
CHINESE = {
    "Calls": "调用",
    "Options": "选项",
    "Output": "输出",
    "What a session tells": "会话能告诉你什么",
    "Errors": "错误",
    "Futures": "Future",
    "Streams": "流",
    r"Progress, stop, callbacks and inputs in C\+\+": r"C\+\+ 的进度、停止、回调与输入",
}
HEADERS = ROOT / "cpp" / "include" / "tech_renaissance"
COMPILER = shlex.split(os.environ.get("CXX", "c++"))
SESSION = ast.Name("session", ast.Load())
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


def compile_cpp(source: Path, program: Path, *, alone: bool = False) -> None:
    """Make a C++ program; ``alone``: from the headers, even if there is the library."""
    options = ["-std=c++17", "-pthread", "-I", str(ROOT / "cpp" / "include")]
    if not alone:
        options += library_options()
    inputs = [str(source)] if alone else [str(source), *library()]
    run([*COMPILER, *options, *inputs, "-o", str(program)], source.parent)


def compile_and_run(source: str, folder: Path, *, alone: bool = False) -> str:
    """What a C++ program prints."""
    (folder / "program.cpp").write_text(source, encoding="utf-8")
    compile_cpp(folder / "program.cpp", folder / "program", alone=alone)
    return run([str(folder / "program")], folder)


# ------------------------------------------------------------------------------------------------- programs


def test_the_readmes_python_programs_run(tmp_path: Path) -> None:
    """The worker and the Python host print what the page shows."""
    write_named_blocks("README.md", tmp_path)

    assert run([sys.executable, "host.py"], tmp_path) in outputs("README.md")


def test_what_goes_wrong_in_the_readme_goes_wrong_as_it_says(tmp_path: Path) -> None:
    """The README's own worker fails, takes too long and crashes, and the Python host prints what the page shows."""
    write_named_blocks("README.md", tmp_path)

    assert run([sys.executable, "trouble.py"], tmp_path) == outputs("README.md")[-1]


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
    """The C++ host prints what the page shows, made of the headers alone, as the page says."""
    write_named_blocks("README.md", tmp_path)

    assert compile_and_run((tmp_path / "main.cpp").read_text(), tmp_path, alone=True) in outputs("README.md")


def test_the_tensor_pages_python_program_runs(tmp_path: Path) -> None:
    """It prints what the page shows."""
    source = next(block for language, block in blocks_of("docs/tensors.md") if language == "python")

    assert outputs("docs/tensors.md")[0] == run([sys.executable, "-c", source], tmp_path)


@needs_compiler
def test_the_tensor_pages_cpp_program_runs(tmp_path: Path) -> None:
    """It prints what the page shows."""
    source = next(block for language, block in blocks_of("docs/tensors.md") if language == "cpp")

    assert outputs("docs/tensors.md")[1] == compile_and_run(source, tmp_path)


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
        [*COMPILER, "-std=c++17", "-fsyntax-only", "-I", str(ROOT / "cpp" / "include"), "snippets.cpp"],
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


# --------------------------------------------------------------------------------------------------- tables


def public_names(cls: type) -> Set[str]:
    """The public methods and properties of a Python class, and its own name for the constructor."""
    members = {
        name
        for base in cls.__mro__[:-1]
        for name, value in vars(base).items()
        if callable(value) or isinstance(value, (property, replaceable_property, staticmethod))
    }
    return {name for name in members if not name.startswith("_")} | {cls.__name__}


# Of a session: the first is the destructor in C++.
PYTHONS_OWN = {"close", "map", "commands", "typed", "executor"}
CPPS_OWN = {"dispatch", "wait_handle", "on_done", "open", "unexpose"}


def cpp_public_methods(header: str, cls: str) -> Set[str]:
    """The public methods of a C++ class, and its own name for the constructor."""
    body = (HEADERS / header).read_text(encoding="utf-8").partition(f"class {cls} {{\npublic:\n")[2]
    public = body.partition("\nprivate:")[0]
    return set(re.findall(r"^    (?=\w)(?:[\w:<>&*,. ]+ )?(\w+)\([^;]*[{:;]", public, re.MULTILINE))


def cpp_fields(header: str, struct: str) -> Set[str]:
    """The fields of a C++ struct."""
    body = (HEADERS / header).read_text(encoding="utf-8").partition(f"struct {struct} {{\n")[2]
    return set(
        re.findall(r"^    [\w:<>()&]+ (\w+)(?: = .*|\{.*\})?;$", body.partition("\n};")[0], re.MULTILINE)
    )


def cpp_signatures(header: str, cls: str) -> List[str]:
    """The public declarations of a C++ class as a user reads them: without bodies, initialisers and constraints."""
    body = (HEADERS / header).read_text(encoding="utf-8").partition(f"class {cls} {{\npublic:\n")[2]
    text = re.sub(r"//.*", "", body.partition("\nprivate:")[0])
    while re.search(r"\{[^{}]*\}", text):
        text = re.sub(r"\s*\{[^{}]*\}", ";", text)
    declarations = [" ".join(declaration.split()) for declaration in text.split(";")]
    copies = re.compile(rf"operator=\(|^~|{cls}\((const {cls}&|{cls}&&)")
    return [
        re.sub(
            r", std::enable_if_t<.*?, int> = 0>",
            ">",
            re.sub(r"( noexcept)?( = default| :.*)?$", "", declaration),
        )
        for declaration in declarations
        if "(" in declaration and not copies.search(declaration)
    ]


@pytest.mark.parametrize("page", API)
def test_the_session_table_lists_the_python_methods(page: str) -> None:
    """Exactly the public methods and properties of PythonSession."""
    assert public_names(PythonSession) | CPPS_OWN == in_backticks(table(page, "PythonSession"))


def test_an_async_session_lacks_only_what_its_page_says() -> None:
    """It has the methods of PythonSession, except for the one that the page names."""
    lacking = re.search(r"Only \[`(\w+)`\]\(#executors\) is missing", text_of("docs/async.md"))

    assert lacking is not None
    assert public_names(PythonSession) - public_names(AsyncSession) == {"PythonSession", lacking.group(1)}


def test_the_chinese_index_has_every_page() -> None:
    """Each page stands there once: the translation if there is one, else the English page."""
    translated = {page.name for page in (ROOT / "docs" / "zh").glob("*.md")}
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    expected = [name if name in translated else f"../{name}" for name in (pages | translated) - {"README.md"}]
    listed = re.findall(r"\]\(((?:\.\./)?[\w-]+\.md)\)", text_of("docs/zh/README.md"))

    assert sorted(expected) == sorted(listed)


def test_the_words_of_the_design_name_the_frames() -> None:
    """Exactly those of the protocol."""
    words = {row[0]: row[1] for row in table("docs/design.md", "Words")}
    frames = {row[0] for row in table("spec/protocol.md", "Frames")}

    assert frames == set(words["frame"].partition(": ")[2].split(", "))


@pytest.mark.parametrize("page", API)
def test_the_session_table_lists_the_cpp_methods(page: str) -> None:
    """Exactly the public methods of tr::PythonSession, and those of Python's own."""
    expected = cpp_public_methods("utils/python_session.h", "PythonSession") | PYTHONS_OWN

    assert expected == in_backticks(table(page, "PythonSession"))


@pytest.mark.parametrize("page", API)
def test_the_tables_of_calls_under_way_list_their_methods(page: str) -> None:
    """Those of futures, streams and pushes, in both languages."""

    def named(heading: str, column: int) -> Set[str]:
        return {name for row in table(page, heading) for name in re.findall(r"(\w+)\(", row[column])}

    for heading, cls, header, apart in (
        ("Futures", tech_renaissance.Future, "future.h", {"on_done"}),
        ("Streams", tech_renaissance.Stream, "stream.h", set()),
    ):
        assert {name for name in vars(cls) if not name.startswith("_")} <= named(heading, 1)
        methods = cpp_public_methods(header, f"[[nodiscard]] {cls.__name__}") - {cls.__name__}
        assert methods - apart == named(heading, 0)
    pushes = cpp_public_methods("push.h", "[[nodiscard]] Push") - {"Push"}
    assert pushes == named("Progress, stop, callbacks and inputs in C\\+\\+", 0)


@pytest.mark.parametrize("page", API)
def test_the_server_table_lists_the_methods(page: str) -> None:
    """Exactly the public methods of TechRenaissanceServer."""
    assert public_names(TechRenaissanceServer) == in_backticks(table(page, "TechRenaissanceServer"))


@pytest.mark.parametrize("page", API)
@pytest.mark.parametrize(
    ("heading", "cls"), [("PythonSession", PythonSession), ("TechRenaissanceServer", TechRenaissanceServer)]
)
def test_the_method_tables_name_the_parameters(page: str, heading: str, cls: type) -> None:
    """Those without a keyword, in order, as Python has them."""
    for row in table(page, heading):
        call = re.match(r"`(\w+)\((.*)\)`", row[0])
        if call is None:
            continue
        member = cls if call.group(1) == cls.__name__ else getattr(cls, call.group(1))
        parameters = inspect.signature(member).parameters.values()
        names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY and p.name != "self"]
        assert names == [name for name in re.findall(r"\w+", call.group(2)) if name], row[0]


@pytest.mark.parametrize("page", API)
def test_the_option_table_lists_the_options(page: str) -> None:
    """Exactly PythonSession's keyword-only parameters, and the fields of SessionOptions that have no other place."""
    rows = table(page, "Options")
    fields = cpp_fields("session_options.h", "SessionOptions")

    assert keywords_of(PythonSession) == in_backticks(rows)
    assert fields - {"script_path", "session_id", "quiet_mode"} == in_backticks(rows, 1)


def test_the_deployment_page_lists_the_variables() -> None:
    """Exactly those that stand in for an option, each once, beside its option."""
    options = [
        (variable, row[0]) for row in table(API[0], "Options") for variable in re.findall(r"`TR_\w+`", row[3])
    ]

    assert sorted(options) == sorted((row[0], row[1]) for row in tables(text_of("docs/deployment.md"))[0][1:])


@pytest.mark.parametrize("page", API)
def test_the_call_table_lists_the_options_of_a_call(page: str) -> None:
    """Exactly the keywords of every call, and the fields of CallOptions."""
    rows = table(page, "Calls")

    for method in (PythonSession.fetch_response, PythonSession.fetch_tensor, PythonSession.fetch_tensors):
        assert set(inspect.signature(method).parameters) - {"self", "message"} == in_backticks(rows)
    assert keywords_of(PythonSession.calculate) == in_backticks(rows)
    assert keywords_of(PythonSession.send_request) == in_backticks(rows) - {"timeout_ms"}
    assert cpp_fields("call_options.h", "CallOptions") == in_backticks(rows, 1)


@pytest.mark.parametrize("page", API)
@pytest.mark.parametrize(
    ("heading", "cls", "header", "struct"),
    [
        ("CancelPatience", CancelPatience, "session_options.h", "CancelPatience"),
        ("RestartPolicy", RestartPolicy, "session_options.h", "RestartPolicy"),
        ("What a session tells", SessionState, "utils/python_session.h", "SessionState"),
    ],
)
def test_the_struct_tables_list_the_fields(
    page: str, heading: str, cls: Any, header: str, struct: str
) -> None:
    """Exactly those of the Python tuple and of the C++ struct."""
    rows = table(page, heading)

    assert set(cls._fields) == in_backticks(rows)
    assert cpp_fields(header, struct) == in_backticks(rows, 1)


@pytest.mark.parametrize("page", API)
def test_the_output_tables_list_what_there_is(page: str) -> None:
    """Exactly the alternatives of Output in C++, and the fields of OutputLine."""
    alternatives = re.search(
        r"using Output = std::variant<(.*)>;", (HEADERS / "output.h").read_text(encoding="utf-8")
    )
    assert alternatives is not None
    written = " ".join(row[1] for row in table(page, "Output"))
    fields = in_backticks(table(page, "Output", 1))

    assert alternatives.group(1).split(", ") == re.findall(r"(\w*Output\w*)", written)
    assert set(OutputLine._fields) == fields == cpp_fields("output.h", "OutputLine")


@pytest.mark.parametrize("page", API)
@pytest.mark.parametrize(("cls", "header"), [("Tensor", "tensor.h"), ("Shape", "shape.h")])
def test_the_tensor_tables_have_the_signatures(page: str, cls: str, header: str) -> None:
    """Exactly those of the header, in its order."""
    assert [f"`{signature}`" for signature in cpp_signatures(header, cls)] == [
        row[0] for row in table(page, cls)
    ]


@pytest.mark.parametrize("page", API)
def test_the_python_functions_are_listed(page: str) -> None:
    """Each function of the package stands in a table of functions, with its parameters."""
    headings = ("TSR files", "Functions of a worker") if page == API[0] else ("TSR 文件", "工作进程的函数")
    rows = [row[0] for heading in headings for row in table(page, heading)]
    functions = {name: getattr(tech_renaissance, name) for name in tech_renaissance.__all__}

    for name, function in functions.items():
        if inspect.isfunction(function):
            assert f"`{name}({', '.join(inspect.signature(function).parameters)})`" in rows


def keywords_of(function: Callable[..., Any]) -> Set[str]:
    """The keyword-only parameters."""
    return {p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}


def error_types() -> Set[str]:
    """The leaves of the error tree, in Python."""
    errors: Any = [getattr(tech_renaissance, name) for name in tech_renaissance.__all__]
    classes = [error for error in errors if isinstance(error, type) and issubclass(error, Exception)]
    return {error.__name__ for error in classes if not set(error.__subclasses__()) & set(classes)}


@pytest.mark.parametrize("page", API)
def test_the_error_table_lists_the_leaves(page: str) -> None:
    """Exactly the leaves of the error tree, and the one that only C++ has; each with what its constructor takes besides code and message."""
    rows = table(page, "Errors")

    assert error_types() | {"TensorError"} == in_backticks(rows)
    for row in rows[:-1]:
        parameters = inspect.signature(getattr(tech_renaissance, row[0].strip("`"))).parameters
        assert set(parameters) - {"code", "message"} == set(re.findall(r"`(\w+)`", row[2])), row[0]


@pytest.mark.parametrize(
    "page", [*READMES, *API, "docs/performance.md", "docs/migration.md", "docs/deployment.md"]
)
def test_no_cell_is_blank(page: str) -> None:
    """Below the header."""
    assert all(all(row) for rows in tables(text_of(page)) for row in rows[1:])


def test_the_error_page_has_every_code_of_the_spec() -> None:
    """Each code of spec/errors.md has its example."""
    spec = text_of("spec/errors.md").partition("## Codes\n")[2]
    rows = [line.split("|")[1:3] for line in spec.splitlines() if line.startswith("|")]
    codes = {code for row in rows for cell in row for code in re.findall(r"`([a-z_]+)`", cell)}
    codes |= {"unsupported_dtype", "too_many_dims", "io_error"}

    assert codes == set(re.findall(r"^### (\w+)", text_of("docs/errors.md"), re.MULTILINE))


def test_the_dtype_table_lists_the_dtypes() -> None:
    """Exactly the dtypes of the code, in order, by TSR's and by torch's name."""
    rows = table("docs/tensors.md", "dtypes")

    assert [(dtype.name, f"`{dtype.array_name}`") for dtype in DTYPES] == [(row[0], row[1]) for row in rows]


# ------------------------------------------------------------------------------------------ links, languages


def anchors(page: Path) -> Set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page.relative_to(ROOT).as_posix() for page in PAGES])
def test_links_lead_somewhere(page: str) -> None:
    """Every link to a file of the checkout names a file that is there, and an anchor that it has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", text_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_tour_names_files_that_exist() -> None:
    """Each source file that docs/design.md names is there."""
    names = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|h))`", text_of("docs/design.md")))
    missing = [
        name
        for name in names
        if not (ROOT / "src/tech_renaissance" / name).exists() and not (HEADERS / name).exists()
    ]

    assert [] == missing


def test_every_decision_is_listed() -> None:
    """The index of the decisions has each of them, under its title."""
    folder = ROOT / "docs" / "decisions"
    titles = [
        (path.name, path.read_text(encoding="utf-8").splitlines()[0].partition(": ")[2])
        for path in sorted(folder.glob("0*.md"))
    ]

    assert titles == re.findall(r"\((0[\w.-]+)\) \| (.+) \|", text_of("docs/decisions/README.md"))


@pytest.mark.parametrize("pages", IN_BOTH_LANGUAGES)
def test_pages_in_both_languages_have_the_same_structure(pages: Tuple[str, str]) -> None:
    """As many headings of the same levels, the same code blocks, tables of the same size, and links to the same pages, in the same order."""
    english, chinese = (BLOCK.sub("", text_of(page)) for page in pages)

    assert blocks_of(pages[0]) == blocks_of(pages[1])
    assert [len(rows) for rows in tables(english)] == [len(rows) for rows in tables(chinese)]
    for pattern in (r"^(#+) ", r"^(- )", r"^<!--.*", r"\]\(((?:\.\./)?(?!README)[\w/-]+\.md)"):
        find = re.compile(pattern, re.MULTILINE)
        assert find.findall(english) == find.findall(
            chinese.replace("docs/zh/", "docs/").replace("(../", "(")
        ), pattern


def test_torch_is_not_needed_for_the_readmes_worker() -> None:
    """The first program a user tries runs where PyTorch is missing: it imports nothing but the package."""
    imports = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(named_blocks("README.md")["worker.py"]))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }

    assert {"os", "sys", "time", "tech_renaissance"} == imports
    assert importlib.util.find_spec("tech_renaissance") is not None
