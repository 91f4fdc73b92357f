"""What the Python blocks of docs/api.md call."""

import sys
from typing import Any, Dict, Iterator, List, Union

import numpy as np

from tech_renaissance import TechRenaissanceServer, command


class Api(TechRenaissanceServer):
    @command
    def matmul(self, a: np.ndarray, b: np.ndarray, *, scale: float = 1.0) -> np.ndarray:
        return scale * (a @ b)

    @command
    def train(self, work: Union[int, Dict[str, Any], Iterator[float]], *, rate: float = 0.1) -> float:
        if isinstance(work, int):
            self.progress(work, work, "trained")
        return rate if isinstance(work, (int, dict)) else rate * sum(work)

    @command
    def generate(self, prompt: str) -> Iterator[str]:
        yield from prompt

    @command
    def total(self, items: List[str]) -> float:
        return sum(self.host.price(item) for item in items)


if __name__ == "__main__":
    Api(library="numpy").run(sys.argv[1])
