"""Descriptors of ours stay clear of the numbers of the standard streams, also in a program that has closed these: a child has the
numbers for streams of its own, and whatever is printed in the program would go into what bears them.
"""

import contextlib
import os
from typing import Generator, Tuple

from .fork import make_held


@contextlib.contextmanager
def above_standard_streams() -> Generator[None, None, None]:
    """What is opened within it gets a higher number. Raises OSError."""
    with contextlib.ExitStack() as fillers:
        while True:
            filler = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            if filler > 2:
                os.close(filler)
                break
            fillers.callback(os.close, filler)
        yield


def make_pipe() -> Tuple[int, int]:
    """The end to read from and the end to write to; forks do not keep them. Raises OSError."""
    with above_standard_streams():
        return make_held(os.pipe)
