"""Writing the vectors that a script has made, or comparing them with the files that are there."""

import sys
from pathlib import Path
from typing import Dict, Iterable, Mapping

HERE = Path(__file__).resolve().parent


def existing(paths: Iterable[Path]) -> Dict[str, bytes]:
    """The contents of those paths that are files, by their names below this folder."""
    return {path.relative_to(HERE).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def write_or_check(wanted: Mapping[str, bytes], found: Mapping[str, bytes]) -> int:
    """Write the files that differ from those found, and remove those that are not wanted; with --check only print them. Returns the exit
    status.
    """
    differing = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if sys.argv[1:] == ["--check"]:
        for path in differing:
            print(
                f"{path}: {'missing' if path not in found else 'differs' if path in wanted else 'too many'}"
            )
        return 1 if differing else 0
    for path in differing:
        if path in wanted:
            (HERE / path).parent.mkdir(parents=True, exist_ok=True)
            (HERE / path).write_bytes(wanted[path])
        else:
            (HERE / path).unlink()
    return 0
