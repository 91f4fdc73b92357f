"""Multiply two matrices in a worker with PyTorch."""

from pathlib import Path

import torch

from tech_renaissance import PythonSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def main() -> None:
    """4x3 matrix x 3x5 matrix = 4x5 matrix."""
    with PythonSession(WORKERS / "matmul_worker.py", "matmul") as session:
        result = session.call("matmul", torch.full((4, 3), 1.5), torch.full((3, 5), 2.0), timeout_ms=30000)

        print(f"shape: {tuple(result.shape)}")
        print(f"result:\n{result}")


if __name__ == "__main__":
    main()
