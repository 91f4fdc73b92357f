"""Print a command that runs CMake 3.16 or later: the system's if new enough, else that of this environment.

Installs it into this environment from PyPI where there is none. Run by the environment's interpreter.
"""

import os
import re
import shutil
import subprocess
import sys

_OLDEST = (3, 16)


def _is_new_enough(command: str) -> bool:
    answer = subprocess.run([command, "--version"], stdout=subprocess.PIPE, text=True, check=False)
    version = re.search(r"version (\d+)\.(\d+)", answer.stdout)
    return version is not None and tuple(map(int, version.groups())) >= _OLDEST


def main() -> None:
    """Print the command."""
    here = os.path.dirname(sys.executable)
    command = shutil.which("cmake", path=here) or shutil.which("cmake")
    if command is None or not _is_new_enough(command):
        # stdout is for the answer alone.
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "cmake"], stdout=sys.stderr, check=True
        )
        command = os.path.join(here, "cmake")
    print(command)


if __name__ == "__main__":
    main()
