"""``python -m tech_renaissance``: where the C++ part of this installation is.

CMake:  cmake -Dtech_renaissance_DIR="$(python -m tech_renaissance --cmake-dir)" ...
g++:    g++ -std=c++17 main.cpp -I "$(python -m tech_renaissance --include-dir)"
"""

import argparse
from pathlib import Path

from ._version import __version__


def _cpp_dir() -> Path:
    """``cpp`` inside an installed package; beside ``src`` in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "cpp"
    return installed if installed.is_dir() else package.parents[1] / "cpp"


def main() -> None:
    """Print what was asked for, one line each."""
    parser = argparse.ArgumentParser(prog="python -m tech_renaissance", description="Locate the C++ headers.")
    parser.add_argument("--version", action="version", version=__version__)
    which = parser.add_mutually_exclusive_group(required=True)
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
    print(_cpp_dir() / parser.parse_args().folder)


if __name__ == "__main__":
    main()
