"""Files that another process has open, on POSIX: they can be renamed, removed and read all the same."""

from typing import Callable, TypeVar

_Result = TypeVar("_Result")


def patiently(action: Callable[[], _Result]) -> _Result:
    """Run a file operation."""
    return action()
