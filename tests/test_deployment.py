"""Where a program is installed, as docs/deployment.md has it: a system that is read-only, with a tiny /dev/shm."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest
from hosts import WORKERS

SOURCES = Path(__file__).resolve().parents[1] / "src"

# Nothing of it reaches the system outside: the mounts are those of a namespace of its own.
READ_ONLY_SYSTEM = """
set -e
mount --make-rprivate /
mount -t tmpfs -o size=64k tmpfs /dev/shm
mount -t tmpfs -o size=1m tmpfs "$1"
mount -o bind,remount,ro /
if touch "$2/file" 2>/dev/null; then exit 99; fi
cd "$2"
TR_WORKSPACE="$1" exec "$3" host.py
"""

HOST = f"""
import json
import os

import numpy as np

from tech_renaissance import PythonSession

with PythonSession({str(WORKERS / "tensors.py")!r}, "read-only") as session:
    session.send_tensor(np.ones((1024, 1024), np.float32), "four_mib")
    total = session.fetch_tensor("sum four_mib", 60_000)
    with open(os.path.join(session.session_dir, "worker.json")) as file:
        print(int(total), json.load(file)["transport"])
"""


def mount_namespace() -> Optional[str]:
    """The option of ``unshare`` that gives a command mounts of its own; None if this process may not have them."""
    for option in ("-m", "-rm"):
        command = ["unshare", option, "mount", "--make-rprivate", "/"]
        if (
            shutil.which("unshare")
            and not subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode
        ):
            return option
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="mounts are Linux's")
def test_only_the_workspace_need_be_writable(tmp_path: Path) -> None:
    """The system is read-only, and /dev/shm and the workspace are smaller than the tensor, which needs neither of them."""
    option = mount_namespace()
    if option is None:
        pytest.skip("this process may not have mounts of its own")
    workspace, program = tmp_path / "workspace", tmp_path / "program"
    workspace.mkdir()
    program.mkdir()
    (program / "host.py").write_text(HOST, encoding="utf-8")
    command = [
        "unshare",
        option,
        "sh",
        "-c",
        READ_ONLY_SYSTEM,
        "sh",
        str(workspace),
        str(program),
        sys.executable,
    ]
    run = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(SOURCES), "TR_PYTHON": sys.executable},
        capture_output=True,
        check=False,
    )

    assert ("1048576 shm\n", "") == (run.stdout.decode(), run.stderr.decode())
