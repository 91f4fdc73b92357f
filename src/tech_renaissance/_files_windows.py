"""Files that another process has open, on Windows: operations on them fail until it closes them, so they try again."""

import contextlib
import time
from typing import Callable, Generator, Optional, TypeVar

_Result = TypeVar("_Result")

# The other side has a small file open for microseconds; a virus scanner for milliseconds.
_TRIES = 200
_PAUSE_S = 0.005


def patiently(action: Callable[[], _Result]) -> _Result:
    """Run a file operation; while another process is in the way, run it again, for at most a second."""
    for _ in range(_TRIES):
        try:
            return action()
        except PermissionError:
            time.sleep(_PAUSE_S)
    return action()


@contextlib.contextmanager
def held(path: str) -> Generator[Callable[[], Optional[bytes]], None, None]:
    """A function that reads the file; None if there is none. Windows lets no file that is held lose its name, so it reads by that."""

    def read() -> Optional[bytes]:
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read()
        except FileNotFoundError:
            return None

    yield lambda: patiently(read)
