"""Call functions by name, with no worker script at all: the default server offers those of PyTorch."""

import torch

from tech_renaissance import PythonSession


def main() -> None:
    """Values in, values out."""
    with PythonSession("default", "default_server") as session:
        print(session.call("hello", "world"))
        print(session.call("add", 1, 2, timeout_ms=30000))

        x = torch.tensor([[-1.0, 0.0], [1.0, 2.0]])
        print(f"relu:\n{session.call('relu', x)}")
        print(f"softmax:\n{session.call('softmax', x, dim=1)}")
        print(f"inverse:\n{session.call('linalg.inv', x)}")
        values, indices = session.call("topk", x, 1)
        print(f"largest of each row:\n{values}\n{indices}")


if __name__ == "__main__":
    main()
