"""A worker without PyTorch: takes any number of tensors and answers with as many."""

import sys

import numpy as np

from tech_renaissance import TechRenaissanceServer


class BatchServer(TechRenaissanceServer):
    """Answers ``batch_process TAG...`` with the minimum, mean and maximum of each tensor."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command != "batch_process":
            return False
        tensors = self.get_tensors(parameters)
        if tensors is None:
            self.write_response("", "invalid")
        else:
            self.send_tensors(*[np.array([x.min(), x.mean(), x.max()], np.float32) for x in tensors])
        return True


if __name__ == "__main__":
    BatchServer(library="numpy").run(sys.argv[1])
