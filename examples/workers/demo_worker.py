"""The worker of the demo: real PyTorch, one thread, so that the figures are comparable."""

import platform
import sys

import torch

from tech_renaissance import TechRenaissanceServer, command


class DemoServer(TechRenaissanceServer):
    @command
    def hello(self, name: str) -> str:
        """Greet someone."""
        return f"hello {name}"

    @command
    def versions(self) -> str:
        """What it runs."""
        return f"Python {platform.python_version()}, PyTorch {torch.__version__}"

    @command
    def matmul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Multiply two matrices. The product is made where the host can see it."""
        product = self.empty((a.shape[0], b.shape[1]))
        return torch.mm(a, b, out=product)


if __name__ == "__main__":
    torch.set_num_threads(1)
    DemoServer().run(sys.argv[1])
