"""A worker that trains for as long as its host likes: it says how far it is, and finishes early when it is asked to."""

import sys
from typing import Dict, Union

import numpy as np

from tech_renaissance import TechRenaissanceServer, command


class Regression(TechRenaissanceServer):
    @command
    def train(self, x: np.ndarray, y: np.ndarray, steps: int) -> Dict[str, Union[float, int]]:
        """The line through some points, by gradient descent."""
        inputs = np.stack([np.ones_like(x), x])
        weights = np.zeros(2)
        done = 0
        while done < steps and not self.stopping and not self.cancelled:
            error = weights @ inputs - y
            weights -= 0.2 * inputs @ error / len(x)
            done += 1
            self.progress(done, steps, f"loss {np.mean(error**2):.4f}")
        return {"offset": float(weights[0]), "slope": float(weights[1]), "steps": done}


if __name__ == "__main__":
    Regression(library="numpy").run(sys.argv[1])
