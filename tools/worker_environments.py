"""Make one environment with the package, without torch, for each interpreter found, for the tests to run workers in.

``python tools/worker_environments.py FOLDER``. Writes the list of their interpreters to ``FOLDER/pythons.json``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from interpreters import find, supported_versions

ROOT = Path(__file__).resolve().parents[1]
INSTALL = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")


def create(folder: str, python: str, version: str) -> str:
    """Make ``folder`` an environment of ``python`` with numpy and this checkout; returns the interpreter inside.

    This interpreter's pip fills it, because one of its own would take longer to install than all the rest.
    """
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    inside = os.path.abspath(os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python"))
    command = [inside, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    options = ("--target", packages, "--python-version", version, "--only-binary", ":all:")
    subprocess.run([*INSTALL, *options, "numpy"], check=True)
    Path(packages, "tech_renaissance.pth").write_text(f"{ROOT / 'src'}\n", encoding="utf-8")
    return inside


def main(folder: str) -> None:
    """Fill ``folder``; an environment is named after its minor version."""
    found = find()
    pythons = []
    for version in supported_versions():
        if version not in found:
            print(f"Python {version}: none here that can make virtual environments")
        else:
            print(f"Python {version}: {found[version]}", flush=True)
            pythons.append(create(os.path.join(folder, version), found[version], version))
    Path(folder, "pythons.json").write_text(json.dumps(pythons), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
