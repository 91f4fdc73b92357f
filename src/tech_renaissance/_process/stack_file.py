"""The worker's side of ``stack.txt``: the file into which a worker writes its Python stacks when its
host asks (spec/life.md, Stacks).
"""

import contextlib
import os
import sys
import threading
import traceback
from typing import List, Optional

if sys.platform == "win32":
    from .._system.open_folder_windows import open_new
else:
    from .._system.open_folder_posix import open_new

QUESTION = b"?"


class StackFile:
    """A new ``stack.txt``. ``descriptor`` is None if none can be made; then there are no stacks."""

    def __init__(self, directory: str) -> None:
        path = os.path.join(directory, "stack.txt")
        self.descriptor: Optional[int] = None
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            self.descriptor = open_new(path)

    def answer(self, own_frames: Optional[int]) -> bool:
        """Write the stacks if the host has put a question mark into the file; False if it has not.
        ``own_frames``: how many frames of the calling thread are above those of interest; None: all.
        """
        descriptor = self.descriptor
        if descriptor is None:
            return False
        with contextlib.suppress(OSError):
            os.lseek(descriptor, 0, os.SEEK_SET)
            if os.read(descriptor, 2) == QUESTION:
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, _all_stacks(own_frames).encode("utf-8", "replace"))
                return True
        return False

    def close(self) -> None:
        """Close the file."""
        if self.descriptor is not None:
            os.close(self.descriptor)


def _all_stacks(own_frames: Optional[int]) -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts: List[str] = []
    for number, frame in sys._current_frames().items():  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        lines = traceback.format_stack(frame)
        if number == threading.get_ident():
            if own_frames is None:
                continue
            lines = lines[:-own_frames]
        parts.append(f"Thread {names.get(number, number)} (most recent call last):\n{''.join(lines)}")
    return "\n".join(reversed(parts))
