"""A worker that multiplies matrices with PyTorch."""

import sys

import torch

from tech_renaissance import TechRenaissanceServer, command


class MatrixMathServer(TechRenaissanceServer):
    @command
    def matmul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Multiply two matrices."""
        return torch.mm(a, b)


if __name__ == "__main__":
    MatrixMathServer().run(sys.argv[1])
