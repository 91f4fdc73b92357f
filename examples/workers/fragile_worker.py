"""A worker that fails in every way a worker can: it raises, gives up, hangs, and crashes."""

import ctypes
import sys
import threading
from typing import Any

import numpy as np

from tech_renaissance import Cancelled, TechRenaissanceServer, command


class FragileServer(TechRenaissanceServer):
    @command
    def double(self, x: np.ndarray) -> np.ndarray:
        """What works."""
        return x * 2

    @command(name="raise")
    def fail(self, text: str) -> None:
        """An exception becomes the caller's error, and the worker goes on."""
        raise ValueError(f"cannot work with {text!r}")

    @command(name="give-up")
    def give_up(self) -> None:
        """Ends its own call."""
        raise Cancelled("it takes too long")

    @command
    def ask(self, name: str) -> Any:
        """Lets its host do the work."""
        return getattr(self.host, name)()

    @command
    def hang(self) -> None:
        """Never returns."""
        threading.Event().wait()

    @command
    def crash(self) -> None:
        """Ends the process as a bug in native code would."""
        ctypes.c_byte.from_address(0).value += 1


if __name__ == "__main__":
    FragileServer(library="numpy").run(sys.argv[1])
