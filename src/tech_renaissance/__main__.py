"""``python -m tech_renaissance``: says where the C++ part of this installation is, and cleans up.

CMake:  cmake -Dtech_renaissance_DIR="$(python -m tech_renaissance --cmake-dir)" ...
g++:    g++ -std=c++17 main.cpp -I "$(python -m tech_renaissance --include-dir)"

``python -m tech_renaissance clean`` removes the session directories that dead hosts
left behind in a workspace.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Optional

from ._base.display import path_for_display
from ._base.errors import LaunchError
from ._system.files import shown
from ._transport.session_directory import remove_leftovers, sessions_folder
from ._version import __version__


def _cpp_dir() -> Path:
    """``cpp`` inside an installed package; beside ``src`` in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "cpp"
    return installed if installed.is_dir() else package.parents[1] / "cpp"


def _clean(workspace: Optional[str]) -> None:
    folder = sessions_folder(os.environ, workspace)
    try:
        for path in remove_leftovers(folder):
            print(f"removed {path}")
    except (
        FileNotFoundError
    ) as error:  # there was never a session; Windows says the same if the workspace is a file
        if os.path.isfile(os.path.dirname(folder)):
            sys.exit(f"cannot clean {path_for_display(folder)}: {shown(error)}")
    except (OSError, LaunchError) as error:
        sys.exit(f"cannot clean {path_for_display(folder)}: {shown(error)}")


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m tech_renaissance", description="Locate the C++ headers, or clean a workspace."
    )
    parser.add_argument("--version", action="version", version=__version__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--include-dir",
        dest="folder",
        action="store_const",
        const="include",
        help="folder of tech_renaissance.h",
    )
    which.add_argument(
        "--cmake-dir", dest="folder", action="store_const", const="cmake", help="for -Dtech_renaissance_DIR="
    )
    clean = parser.add_subparsers(dest="action").add_parser(
        "clean", help="remove the session directories of hosts that are dead"
    )
    clean.add_argument("--workspace", help="else TR_WORKSPACE, else 'workspace' in the current directory")
    options = parser.parse_args()
    if options.action == "clean":
        _clean(options.workspace)
    elif options.folder:
        print(_cpp_dir() / options.folder)
    else:
        parser.error("what to do? --include-dir, --cmake-dir, or clean")


if __name__ == "__main__":
    main()
