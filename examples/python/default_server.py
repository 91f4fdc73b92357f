"""Call functions by name, with no worker script at all: the default server offers those of PyTorch."""

import torch

from tech_renaissance import PythonSession


def main() -> None:
    """Text in, text out; tensors in, tensors out."""
    with PythonSession("default", "default_server") as session:
        print(session.fetch_response("hello world"))
        print(session.fetch_response("add 1 2", 30000))

        x = torch.tensor([[-1.0, 0.0], [1.0, 2.0]])
        print(f"relu:\n{session.calculate('relu', x)}")
        print(f"softmax:\n{session.calculate('softmax dim=1', x)}")

        session.send_tensor(x, "x")
        print(f"inverse:\n{session.fetch_tensor('linalg.inv x')}")
        values, indices = session.fetch_tensors("topk x 1")
        print(f"largest of each row:\n{values}\n{indices}")


if __name__ == "__main__":
    main()
