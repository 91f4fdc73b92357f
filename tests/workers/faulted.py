"""What the faults run calls: text, values, tensors, generators, and a talk with the host."""

import sys
from typing import Any, Iterator

from tech_renaissance import TechRenaissanceServer, command


class FaultedServer(TechRenaissanceServer):
    @command
    def echo(self, text: str) -> str:
        return text

    @command(name="print")
    def say(self, text: str) -> None:
        print(text)
        print(text.upper(), file=sys.stderr)

    @command
    def same(self, value: Any) -> Any:
        return value

    @command
    def count(self, end: int) -> Iterator[int]:
        yield from range(end)

    @command
    def converse(self, numbers: Iterator[int]) -> int:
        total = 0
        for number in numbers:
            total += self.host.double(number)
            self.progress(total)
        return total


if __name__ == "__main__":
    FaultedServer(library="numpy").run(sys.argv[1])
