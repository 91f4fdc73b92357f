"""Keeps our descriptors clear of the numbers 0 to 2, even in a program that has closed its
standard streams. A child uses these numbers for its own streams, and anything the program prints
would go into whatever has them.
"""

import contextlib
import os
from typing import Generator, Tuple

from .forks import make_held


@contextlib.contextmanager
def above_standard_streams() -> Generator[None, None, None]:
    """Descriptors opened in this context get numbers above 2. Raises OSError."""
    with contextlib.ExitStack() as fillers:
        while True:
            filler = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            if filler > 2:
                os.close(filler)
                break
            fillers.callback(os.close, filler)
        yield


def make_pipe() -> Tuple[int, int]:
    """A pipe's read end and write end, which forks do not keep. Raises OSError."""
    with above_standard_streams():
        return make_held(os.pipe)
