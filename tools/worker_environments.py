"""Make one environment with the package, without torch, for each interpreter found, for the tests to run workers in.

``python tools/worker_environments.py FOLDER``. Writes the list of their interpreters to ``FOLDER/pythons.json``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from environment import create
from interpreters import find, supported_versions


def main(folder: str) -> None:
    """Fill ``folder``; an environment is named after its minor version."""
    found = find()
    pythons = []
    for version in supported_versions():
        if version not in found:
            print(f"Python {version}: none here that can make virtual environments")
        else:
            print(f"Python {version}: {found[version]}", flush=True)
            inside = create(os.path.join(folder, version), found[version])
            subprocess.run(
                [inside, "-m", "pip", "install", "--quiet", "--no-compile", "--editable", "."], check=True
            )
            pythons.append(inside)
    Path(folder, "pythons.json").write_text(json.dumps(pythons), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
