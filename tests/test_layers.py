"""Layers: each module imports only from its own layer and those below it, and what decides about the protocol does no I/O."""

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, Set

import pytest
from cpp_programs import ROOT

PACKAGE = ROOT / "src" / "tech_renaissance"
HEADERS = ROOT / "cpp" / "include" / "tech_renaissance"

# From the bottom up. A folder stands for all modules in it.
LAYERS = (
    {"_version", "_base"},
    {"_system"},
    {"_protocol"},
    {"_transport"},
    {"_process"},
    {"_host", "_worker"},
    {
        "_commands",
        "_text_calls",
        "_value_calls",
        "_session",
        "_async_calls",
        "_async_session",
        "_server",
        "_function_server",
    },
    {"_lazy", "__init__", "__main__", "default_server"},
    {"testing"},
)

# The same in C++, below detail/; the headers beside it are the surface.
FOLDERS = ("base", "system", "protocol", "transport", "process", "host", "surface")

# Modules and headers that must be testable without a process, a file or a clock.
PURE = (
    "_base",
    "_base.errors",
    "_base.exit_status",
    "_base.exit_status_posix",
    "_base.exit_status_windows",
    "_base.display",
    "_base.names",
    "_protocol.body",
    "_base.post_mortem",
    "_protocol",
    "_protocol.connection",
    "_protocol.frame",
)
PURE_STANDARD = {
    "array",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "json",
    "math",
    "re",
    "signal",
    "sys",
    "typing",
}
PURE_HEADERS = (
    "detail/protocol/connection.h",
    "detail/protocol/frame.h",
    "detail/protocol/json.h",
    "detail/base/names.h",
    "error.h",
)
IMPURE_STANDARD = re.compile(r"chrono|thread|mutex|filesystem|fstream|condition_variable|ctime|future|.*\.h")


def _modules() -> Dict[str, Path]:
    """Each module's path within the package, dots between."""
    paths = [path for path in PACKAGE.rglob("*.py") if "cpp" not in path.relative_to(PACKAGE).parts]
    named = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in paths}
    return {
        name[: -len(".__init__")] if name.endswith(".__init__") else name: path
        for name, path in named.items()
    }


def _imports(module: str, path: Path) -> Iterator[str]:
    """The modules that a module imports: ours as ``.name``, with the place in the package; others by their first name."""
    package = module.split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) + 1 - node.level]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ("." + ".".join([*parents, name]) for name in names)


def _layer(module: str) -> int:
    top = module.partition(".")[0]
    (layer,) = [number for number, names in enumerate(LAYERS) if top in names]
    return layer


@pytest.mark.parametrize("module", sorted(_modules()))
def test_a_module_imports_no_layer_above_its_own(module: str) -> None:
    """A new module needs a place in LAYERS."""
    imported = [name[1:] for name in _imports(module, _modules()[module]) if name.startswith(".")]
    assert [] == [name for name in imported if _layer(name) > _layer(module)]


@pytest.mark.parametrize("module", PURE)
def test_the_protocol_does_no_io(module: str) -> None:
    """No os, socket, mmap, time, threading."""
    others = {name for name in _imports(module, _modules()[module]) if not name.startswith(".")}
    ours = {name[1:] for name in _imports(module, _modules()[module]) if name.startswith(".")}
    assert set() == others - PURE_STANDARD
    assert set() == ours - set(PURE)


def _headers(header: Path) -> Set[Path]:
    """A header with all of ours that it includes."""
    found = {header}
    for name in re.findall(r'#include "(.+)"', header.read_text(encoding="utf-8")):
        beside, rooted = header.parent / name, HEADERS.parent / name
        found |= _headers((beside if beside.exists() else rooted).resolve())
    return found


@pytest.mark.parametrize("header", PURE_HEADERS)
def test_the_protocol_does_no_io_in_cpp(header: str) -> None:
    """Nor does what it includes."""
    for path in _headers((HEADERS / header).resolve()):
        standard = re.findall(r"#include <(.+)>", path.read_text(encoding="utf-8"))
        assert [] == [name for name in standard if IMPURE_STANDARD.fullmatch(name)], path.name


def _folder(header: Path) -> int:
    """The layer of a header; the surface is above all of them, what stands beside it below."""
    parts = header.relative_to(HEADERS).parts
    if parts[0] == "detail":
        return FOLDERS.index(parts[1])
    return FOLDERS.index("surface") if parts[0] == "utils" else -1


@pytest.mark.parametrize(
    "header", sorted(HEADERS.glob("detail/**/*.h")), ids=lambda path: str(path.relative_to(HEADERS))
)
def test_a_header_includes_no_layer_above_its_own(header: Path) -> None:
    """Includes are written from the root, so that a reader sees the layer."""
    included = re.findall(r'#include "(.+)"', header.read_text(encoding="utf-8"))
    assert [] == [name for name in included if not name.startswith("tech_renaissance/")]
    assert [] == [name for name in included if _folder(HEADERS.parent / name) > _folder(header)]
