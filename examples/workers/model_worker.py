"""A worker that holds weights, may take for ever, and crashes."""

import ctypes
import sys
import time
from typing import Any, Optional

from tech_renaissance import TechRenaissanceServer


class ModelServer(TechRenaissanceServer):
    """``load TAG`` keeps the weights, ``predict TAG`` multiplies by them; ``train`` and ``wait`` do not end by themselves; ``crash`` does."""

    weights: Optional[Any] = None

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command == "load":
            self.weights = self.get_tensor(parameters)
        elif command == "predict":
            tensor = self.get_tensor(parameters)
            if tensor is not None:
                self.send_tensors(tensor * self.weights)
        elif command == "train":
            while not self.cancelled:  # looks between its steps whether it is still wanted
                time.sleep(0.01)
        elif command == "wait":
            time.sleep(3600)
        elif command == "crash":
            ctypes.string_at(0)
        else:
            return False
        return True


if __name__ == "__main__":
    ModelServer(library="numpy").run(sys.argv[1])
