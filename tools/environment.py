"""Create a virtual environment with a current pip: ``python tools/environment.py FOLDER [PYTHON]``.

Its interpreter is the one that runs this script unless another is named. Any Python 3 can run this, so that an old one
gets an explanation.
"""

import os
import subprocess
import sys

_CHECK = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 8))"

_ADVICE = """\
{} cannot create a virtual environment: Python 3.8 or later with its venv module is needed.
  On Debian and Ubuntu:  apt install python3-venv
  Or name another one:   make PYTHON=/path/to/python3 ..."""


def _can_create(python: str) -> bool:
    """Whether ``python`` is an interpreter that can make environments."""
    try:
        return subprocess.run([python, "-c", _CHECK], stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def create(folder: str, python: str = sys.executable) -> str:
    """Make ``folder`` an environment of ``python``; returns the interpreter inside."""
    if not _can_create(python):
        sys.exit(_ADVICE.format(python))
    subprocess.run([python, "-m", "venv", folder], check=True)
    inside = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
    subprocess.run([inside, "-m", "pip", "install", "--quiet", "--upgrade", "pip"], check=True)
    return os.path.abspath(inside)


if __name__ == "__main__":
    create(*sys.argv[1:])
