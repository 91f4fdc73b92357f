"""The tables of the pages list what there is, and nothing else."""

import dataclasses
import inspect
import re
from typing import Any, Callable, List, Set

import pytest
from doc_pages import API, HEADERS, READMES, ROOT, in_backticks, table, tables, text_of

import tech_renaissance
from tech_renaissance import (
    AsyncSession,
    CancelPatience,
    OutputLine,
    PythonSession,
    RestartPolicy,
    SessionState,
    TechRenaissanceServer,
    testing,
)
from tech_renaissance._base.tensor import DTYPES
from tech_renaissance._worker.conversation import replaceable_property


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
def test_the_table_of_values_lists_the_methods(page: str) -> None:
    """Exactly the named methods of tr::Value; and below it stand the fields of a TSR header."""
    named = {name for row in table(page, r"Values in C\+\+") for name in re.findall(r"(\w+)[(<]", row[0])}
    fields = cpp_fields("detail/protocol/tsr_header.h", "TsrHeader")

    assert cpp_public_methods("value.h", "Value") == named
    assert all(f"`{field}`" in text_of(page) for field in fields)


@pytest.mark.parametrize("page", API)
def test_the_table_of_tests_lists_the_functions(page: str) -> None:
    """Those of tech_renaissance.testing, with their parameters; and the response has what the table says."""
    for name, row in zip(("call", "check_transport"), table(page, "Tests of a worker")):
        parameters = inspect.signature(getattr(testing, name)).parameters
        assert f"`{name}({', '.join(parameters)})`" == row[0].replace("...", "")
    assert {"result", "attachments"} <= {field.name for field in dataclasses.fields(testing.Response)}


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
