"""Says texts back, and tensors."""

import sys
from typing import Any, Iterator

from echo import EchoServer

from tech_renaissance import command


class EchoTensorsServer(EchoServer):
    @command
    def value(self, value: Any) -> Any:
        """Whatever it is given."""
        return value

    @command
    def count(self, end: int) -> Iterator[int]:
        """One number after the other."""
        yield from range(end)

    @command
    def converse(self, numbers: Iterator[float]) -> float:
        """The sum of an input and of what the host adds twice, with progress."""
        total = sum(numbers)
        for step in range(2):
            total = self.host.add(total)
            self.progress(step + 1, 2)
        return total

    def main_logic(self, command: str, parameters: str) -> bool:
        if command != "same":
            return super().main_logic(command, parameters)
        self.send_tensors(*(self.get_tensors(parameters) or []))
        return True


if __name__ == "__main__":
    EchoTensorsServer(library="numpy").run(sys.argv[1])
