"""The worker of the demo: real PyTorch, one thread, so that the figures are comparable."""

import platform
import sys

import torch

from tech_renaissance import TechRenaissanceServer


class DemoServer(TechRenaissanceServer):
    """Answers ``hello NAME``, ``matmul TAG TAG`` and ``versions``."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command == "hello":
            self.write_response("", f"hello {parameters}")
        elif command == "versions":
            self.write_response("", f"Python {platform.python_version()}, PyTorch {torch.__version__}")
        elif command == "matmul":
            tensors = self.get_tensors(parameters, 2)
            if tensors is not None:
                self.send_tensors(torch.mm(tensors[0], tensors[1]))
        else:
            return False
        return True


if __name__ == "__main__":
    torch.set_num_threads(1)
    DemoServer().run(sys.argv[1])
