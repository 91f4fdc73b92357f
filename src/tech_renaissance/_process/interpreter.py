"""Which Python runs the worker."""

import os
import re
import shutil
import sys
from typing import Mapping, Optional

from .._base.display import path_for_display
from .._base.errors import LaunchError

_VERSION_IN_NAME = re.compile(r"python-?(\d)\.?(\d+)", re.IGNORECASE)


def find_interpreter(python: Optional[str], environment: Mapping[str, str]) -> str:
    """The path of the worker's interpreter: the option, else TR_PYTHON, else the host's own.

    Raises LaunchError ``interpreter_not_found``.
    """
    wanted = python or environment.get("TR_PYTHON") or sys.executable
    # An embedded interpreter may not know its own executable.
    wanted = wanted or ("python" if sys.platform == "win32" else "python3")
    found = shutil.which(wanted, path=environment.get("PATH"))
    if found is None:
        raise LaunchError(
            "interpreter_not_found",
            f"there is no Python interpreter {path_for_display(wanted)}: set the option python, or TR_PYTHON, to the path of one",
        )
    return os.path.abspath(found)


def named_version(interpreter: str) -> str:
    """The version in an interpreter's name or its folder's, as in ``python3.11`` and
    ``Python311``; empty if there is none.

    For an interpreter that died before it could report its version.
    """
    folder, name = os.path.split(os.path.realpath(interpreter))
    found = _VERSION_IN_NAME.search(name) or _VERSION_IN_NAME.search(os.path.basename(folder))
    return ".".join(found.groups()) if found else ""
