"""The worker of the calls that carry values, beside the text calls that they are measured against."""

import sys
import time
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional

import numpy as np

from tech_renaissance import TechRenaissanceServer, command


@dataclass
class Record:
    """Twelve fields."""

    a: int
    b: int
    c: float
    d: float
    e: str
    f: str
    g: bool
    h: bool
    i: List[float]
    j: Dict[str, int]
    k: Optional[int] = None
    m: float = 0.0


class ValueServer(TechRenaissanceServer):
    """Named after the jobs of benchmarks/run.py."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Serve one text call."""
        if command == "hello":
            self.write_response("", f"Hello {parameters}")
        elif command == "sum":
            a, b = self.get_tensors(parameters, 2)
            self.send_tensors(a + b)
        else:
            return False
        return True

    @command
    def greet(self, name: str) -> str:
        """As ``hello``."""
        return f"Hello {name}"

    @command
    def add(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """As ``sum``."""
        return a + b

    @command
    def echo(self, record: Record) -> Record:
        """Both ways."""
        return record

    @command
    def rest(self, seconds: float) -> None:
        """Serve nothing for so long."""
        time.sleep(seconds)

    @command
    def count(self, n: int) -> Iterator[int]:
        """Small items."""
        yield from range(n)

    @command
    def ask(self, n: int) -> int:
        """Call a function of the host so often."""
        number = 0
        for _ in range(n):
            number = self.host.increment(number)
        return number


if __name__ == "__main__":
    ValueServer(library="numpy").run(sys.argv[1])
