"""Send several tensors in one go, and get several back from one call."""

from pathlib import Path

import numpy as np

from tech_renaissance import PythonSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def main() -> None:
    """The worker answers with a tensor for each tensor."""
    tensors = {
        "input_a": np.full((4, 3), 1.5, np.float32),
        "input_b": np.array([1, 2, 6], np.int32),
        "input_c": np.zeros((2, 2, 2), np.float64),
    }
    with PythonSession(WORKERS / "batch_worker.py", "batch") as session:
        results = session.call("batch_process", *tensors.values())
        for name, (low, mean, high) in zip(tensors, results):
            print(f"{name}: min {low:g}, mean {mean:g}, max {high:g}")


if __name__ == "__main__":
    main()
