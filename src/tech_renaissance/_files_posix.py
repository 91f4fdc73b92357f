"""Files that another process has open, on POSIX: they can be renamed, removed and read all the same."""

import contextlib
from typing import Callable, Iterator, TypeVar

_Result = TypeVar("_Result")


def patiently(action: Callable[[], _Result]) -> _Result:
    """Run a file operation."""
    return action()


@contextlib.contextmanager
def held(path: str) -> Iterator[Callable[[], bytes]]:
    """A function that reads the file that is there now, also once another has taken its name; empty if there is none."""
    try:
        file = open(path, "rb", buffering=0)
    except FileNotFoundError:
        yield bytes
        return
    with file:

        def read() -> bytes:
            file.seek(0)
            return file.read()

        yield read
