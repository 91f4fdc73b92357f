"""A worker whose commands are methods."""

import os
import sys
from typing import Any, Dict

import numpy as np

from tech_renaissance import TechRenaissanceServer, command


class Calculator(TechRenaissanceServer):
    def setup(self) -> None:
        self.bias = 10.0
        if os.environ.get("MISTAKE") == "setup":
            raise RuntimeError("there is no model here")

    def teardown(self) -> None:
        print("torn down")

    @command
    def hello(self, name: str) -> str:
        """Greet someone."""
        return f"Hello {name}"

    @command
    def add(self, a: float, b: float = 1.0) -> float:
        return a + b + self.bias

    @command
    def matmul(self, a: np.ndarray, b: np.ndarray, *, scale: float = 1.0) -> np.ndarray:
        return scale * (a @ b)

    @command(name="linalg.norm")
    def norm(self, x: np.ndarray) -> float:
        return float(np.sqrt((x * x).sum()))

    @command
    def same(self, value: Any) -> Any:
        return value

    @command
    def mixed(self, n: int) -> Dict[str, Any]:
        out = self.empty((n,), "float64")
        out[:] = n
        return {"loss": 0.5, "weights": out, "raw": b"\x00\xff", "steps": list(range(n))}

    @command
    def fail(self, message: str) -> None:
        raise ValueError(message)


if __name__ == "__main__":
    Calculator(library="numpy").run(sys.argv[1])
