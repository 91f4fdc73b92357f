"""The package's names, each loaded on first use."""

import sys
from importlib import import_module
from typing import Any, Dict, List

_PACKAGE = __name__.rpartition(".")[0]
# The module that defines a name; names not listed here are errors, in _base.errors.
_HOME: Dict[str, str] = {
    "AsyncSession": "_async_session",
    "AsyncStream": "_host.async_stream",
    "CancelPatience": "_host.options",
    "Future": "_host.future",
    "OutputLine": "_process.output",
    "PostMortem": "_base.post_mortem",
    "Progress": "_base.progress",
    "PythonSession": "_session",
    "RestartPolicy": "_host.options",
    "SessionState": "_base.session_state",
    "Stream": "_host.stream",
    "TechRenaissanceServer": "_server",
    "command": "_worker.command",
    "current_server": "_server",
    "decode": "_protocol.tsr",
    "encode": "_protocol.tsr",
    "export_tsr": "_protocol.tsr",
    "get_tsr_info": "_protocol.tsr",
    "import_tsr": "_protocol.tsr",
    "serve": "_function_server",
}


def __getattr__(name: str) -> Any:
    package = sys.modules[_PACKAGE]
    if name not in package.__all__:
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
    value = getattr(import_module(f"{_PACKAGE}.{_HOME.get(name, '_base.errors')}"), name)
    setattr(package, name, value)
    return value


def __dir__() -> List[str]:
    package = sys.modules[_PACKAGE]
    return sorted({*vars(package), *package.__all__})
