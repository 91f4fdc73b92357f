"""Find CPython interpreters that the project supports and that can make virtual environments, one a minor version.

Looked for on PATH, among those of pyenv and uv, and with the Windows launcher. ``python tools/interpreters.py`` prints
them, oldest first; with ``--oldest`` only that one.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List

_WHO = (
    "import ensurepip, platform, sys, venv;"
    "print(platform.python_implementation(), '%d.%d' % sys.version_info[:2], sys.executable)"
)


def supported_versions() -> List[str]:
    """The minor versions of the classifiers in pyproject.toml, oldest first."""
    project = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r"Programming Language :: Python :: (3\.\d+)", project)


def too_old() -> List[str]:
    """Interpreters that the project does not support any more, one a minor version: they are to be told so."""
    home = os.path.expanduser("~")
    versions = os.path.join(os.environ.get("PYENV_ROOT", os.path.join(home, ".pyenv")), "versions")
    found: List[str] = []
    for version in ("2.7", "3.5", "3.6", "3.7"):
        pattern = os.path.join(glob.escape(versions), f"{version}.*", "bin", f"python{version}")
        found += [*filter(None, [shutil.which(f"python{version}")]), *sorted(glob.glob(pattern))][-1:]
    return found


def _candidates() -> Iterator[str]:
    """Commands that may be interpreters, best first."""
    yield sys.executable
    for version in supported_versions():
        yield f"python{version}"
    yield from ("python3", "python")
    home = os.path.expanduser("~")
    pyenv = os.environ.get("PYENV_ROOT", os.path.join(home, ".pyenv"))
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR", os.path.join(home, ".local", "share", "uv", "python"))
    for folder in (os.path.join(pyenv, "versions"), os.path.join(pyenv, "pyenv-win", "versions"), uv):
        yield from sorted(glob.glob(os.path.join(glob.escape(folder), "*", "bin", "python3")))
        yield from sorted(glob.glob(os.path.join(glob.escape(folder), "*", "python.exe")))
    yield from _of_windows_launcher()


def _of_windows_launcher() -> Iterator[str]:
    """What ``py -0p`` lists, where there is a ``py`` of Windows."""
    if os.name != "nt" or shutil.which("py") is None:
        return
    listing = subprocess.run(["py", "-0p"], stdout=subprocess.PIPE, text=True, check=False).stdout
    yield from re.findall(r"\S:\\.*python\.exe", listing)


def _identify(command: str) -> List[str]:
    """``[implementation, minor version, executable]`` of a command, or nothing if it does not run."""
    try:
        answer = subprocess.run(
            [command, "-c", _WHO],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.strip().split(" ", 2)


def find() -> Dict[str, str]:
    """Minor version -> executable, oldest version first."""
    found: Dict[str, str] = {}
    for command in _candidates():
        who = _identify(command)
        if len(who) == 3 and who[0] == "CPython":
            found.setdefault(who[1], who[2])
    return {version: found[version] for version in supported_versions() if version in found}


def main() -> None:
    """Print the executables, one a line."""
    executables = list(find().values())
    print("\n".join(executables[:1] if "--oldest" in sys.argv[1:] else executables))


if __name__ == "__main__":
    main()
