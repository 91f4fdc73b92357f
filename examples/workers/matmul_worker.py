"""A worker that multiplies matrices with PyTorch."""

import sys

import torch

from tech_renaissance import TechRenaissanceServer


class MatrixMathServer(TechRenaissanceServer):
    """Answers ``matmul TAG TAG`` with a tensor."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command.lower() == "matmul":
            tensors = self.get_tensors(parameters, 2)
            if tensors is None:
                self.write_response("", "invalid")
            else:
                self.send_tensors(torch.mm(tensors[0], tensors[1]))
                self.write_response("", "ok")
            return True
        return False


if __name__ == "__main__":
    MatrixMathServer().run(sys.argv[1])
