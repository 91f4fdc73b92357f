"""A worker that fails in every way a worker can: it raises, gives up, hangs, and crashes."""

import ctypes
import sys
import threading
from typing import Iterable

from tech_renaissance import Cancelled, TechRenaissanceServer


class FragileServer(TechRenaissanceServer):
    """Answers ``double TAG`` with a tensor; ``raise``, ``give-up``, ``hang`` and ``crash`` do what they say."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command == "double":
            tensor = self.get_tensor(parameters)
            if tensor is not None:
                self.send_tensors(tensor * 2)
            return True
        if command == "raise":
            raise ValueError(f"cannot work with {parameters!r}")
        if command == "give-up":
            raise Cancelled("it takes too long")
        if command == "hang":
            threading.Event().wait()
        if command == "crash":
            ctypes.string_at(0)
        return False

    def commands(self) -> Iterable[str]:
        """What to suggest when a command is unknown."""
        return ["double", "raise", "give-up", "hang", "crash"]


if __name__ == "__main__":
    FragileServer(library="numpy").run(sys.argv[1])
