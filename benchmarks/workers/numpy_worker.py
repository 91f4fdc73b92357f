"""A worker without torch: what starting a session costs, and what small arrays do."""

import sys

import numpy as np

from tech_renaissance import TechRenaissanceServer


class NumpyServer(TechRenaissanceServer):
    """Commands named after the jobs of benchmarks/run.py."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Serve one request."""
        if command == "hello":
            self.write_response("", f"Hello {parameters.title()}")
        elif command == "sum":
            a, b = self.get_tensors(parameters, 2)
            self.send_tensors(a + b)
        elif command == "add":
            a, b = self.get_tensors(parameters, 2)
            out = self.empty(a.shape, a.dtype)
            np.add(a, b, out=out)
            self.send_tensors(out)
        else:
            return False
        return True


if __name__ == "__main__":
    NumpyServer().run(sys.argv[1])
