"""The worker of the benchmarks: real torch, and commands that do as little else as possible."""

import sys

import torch

from tech_renaissance import TechRenaissanceServer


class BenchServer(TechRenaissanceServer):
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
            torch.add(a, b, out=out)
            self.send_tensors(out)
        elif command == "matmul":
            a, b = self.get_tensors(parameters, 2)
            out = self.empty((a.shape[0], b.shape[1]), a.dtype)
            torch.mm(a, b, out=out)
            self.send_tensors(out)
        elif command == "threads":
            torch.set_num_threads(int(parameters))
        else:
            return False
        return True


if __name__ == "__main__":
    BenchServer().run(sys.argv[1])
