"""A worker that holds weights, may take for ever, and crashes."""

import ctypes
import sys
import time

import numpy as np

from tech_renaissance import TechRenaissanceServer, command


class ModelServer(TechRenaissanceServer):
    def setup(self) -> None:
        """Before any call."""
        self.weights = np.zeros(3, np.float32)

    @command
    def load(self, weights: np.ndarray) -> None:
        """Keep the weights: a copy, because an argument is the host's memory."""
        self.weights = weights.copy()

    @command
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Multiply by the weights."""
        return x * self.weights

    @command
    def train(self) -> None:
        """Looks between its steps whether it is still wanted."""
        while not self.cancelled:
            time.sleep(0.01)

    @command
    def wait(self) -> None:
        """Does not look."""
        time.sleep(3600)

    @command
    def crash(self) -> None:
        """Ends the process as a bug in native code would."""
        ctypes.c_byte.from_address(0).value += 1


if __name__ == "__main__":
    ModelServer(library="numpy").run(sys.argv[1])
