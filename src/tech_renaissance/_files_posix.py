"""Files that another process has open, on POSIX: they can be renamed, removed and read all the same."""

import contextlib
from typing import Callable, Generator, Optional, TypeVar

_Result = TypeVar("_Result")


def patiently(action: Callable[[], _Result]) -> _Result:
    """Run a file operation."""
    return action()


@contextlib.contextmanager
def held(path: str) -> Generator[Callable[[], Optional[bytes]], None, None]:
    """A function that reads the file that is there now, also once another has taken its name; None if there is none."""
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by the with statement below
    except FileNotFoundError:
        yield lambda: None
        return
    with file:

        def read() -> bytes:
            file.seek(0)
            return file.read()

        yield read
