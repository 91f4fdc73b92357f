"""Send several tensors in one go, and get several back from one call."""

from pathlib import Path

import numpy as np

from tech_renaissance import PythonSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def main() -> None:
    """The worker answers with a tensor for each tensor."""
    tags = ["input_a", "input_b", "input_c"]
    tensors = [
        np.full((4, 3), 1.5, np.float32),
        np.array([1, 2, 6], np.int32),
        np.zeros((2, 2, 2), np.float64),
    ]
    with PythonSession(WORKERS / "batch_worker.py", "batch") as session:
        session.send_tensors(tensors, tags)
        results = session.fetch_tensors("batch_process " + " ".join(tags), 5000)
        for tag, (low, mean, high) in zip(tags, results):
            print(f"{tag}: min {low:g}, mean {mean:g}, max {high:g}")


if __name__ == "__main__":
    main()
