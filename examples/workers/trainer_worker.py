"""Trains a straight line: commands that take and give values."""

import sys
from dataclasses import dataclass
from typing import Dict, List

import numpy as np

from tech_renaissance import TechRenaissanceServer, command


@dataclass
class Settings:
    """Those that are missing have these values."""

    rate: float = 0.1
    steps: int = 100


class Trainer(TechRenaissanceServer):
    """Its methods with @command are what a host can call."""

    @command
    def hello(self, name: str) -> str:
        """Greet someone."""
        return f"Hello {name}"

    @command
    def scale(self, x: np.ndarray, *, by: float = 1.0) -> np.ndarray:
        """Multiply a tensor."""
        return x * by

    @command
    def train(self, x: List[float], y: List[float], settings: Settings) -> Dict[str, float]:
        """The line through some points, by steps of a certain size."""
        xs, ys = np.array(x), np.array(y)
        slope = offset = 0.0
        for _ in range(settings.steps):
            error = slope * xs + offset - ys
            slope -= settings.rate * float((error * xs).mean())
            offset -= settings.rate * float(error.mean())
        return {"slope": round(slope, 2), "offset": round(offset, 2)}


if __name__ == "__main__":
    Trainer(library="numpy").run(sys.argv[1])
