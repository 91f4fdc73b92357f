"""Commands that carry values."""

import os
import sys
from typing import Any

from gate import pass_gate

from tech_renaissance import TechRenaissanceServer, command


class ValueServer(TechRenaissanceServer):
    kept: Any = None

    @command
    def same(self, value: Any = None, *more: Any, **named: Any) -> Any:
        """What it was given."""
        return [value, *more, named] if more or named else value

    @command
    def scaled(self, tensor: Any, *, by: float = 1.0) -> Any:
        return tensor * by

    @command
    def wait(self, gate: str, value: Any = None) -> Any:
        """Stand at a gate."""
        pass_gate(gate)
        return value

    @command
    def keep(self, value: Any) -> None:
        self.kept = value

    @command
    def get_kept(self) -> Any:
        return self.kept

    @command
    def fail(self, message: str) -> None:
        raise ValueError(message)

    @command
    def die(self, last_words: Any = None) -> None:
        # Not by os._exit: under wine that now and then waits forever, for a lock of a thread that it has ended.
        os.kill(os.getpid(), 9)

    @command
    def tell(self, done: float) -> None:
        """How far it is."""
        self.progress(done)

    @command
    def pid(self) -> int:
        return os.getpid()


if __name__ == "__main__":
    ValueServer(library="numpy").run(sys.argv[1])
