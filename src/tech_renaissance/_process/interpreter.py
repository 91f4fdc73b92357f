"""Which Python runs the worker."""

import os
import shutil
import sys
from typing import Mapping, Optional

from .._base.errors import LaunchError


def find_interpreter(python: Optional[str], environment: Mapping[str, str]) -> str:
    """Path of the worker's interpreter: the option, else TR_PYTHON, else the host's own.

    Raises LaunchError ``interpreter_not_found``.
    """
    wanted = python or environment.get("TR_PYTHON") or sys.executable
    # An embedded interpreter may not know its executable.
    wanted = wanted or ("python" if sys.platform == "win32" else "python3")
    found = shutil.which(wanted, path=environment.get("PATH"))
    if found is None:
        raise LaunchError(
            "interpreter_not_found",
            f"there is no Python interpreter {wanted!r}: give PythonSession(python=...) or TR_PYTHON the path of one",
        )
    return os.path.abspath(found)
