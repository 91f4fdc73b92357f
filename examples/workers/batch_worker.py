"""A worker without PyTorch and without a class: takes any number of tensors and answers with as many."""

from typing import List

import numpy as np

from tech_renaissance import serve


def batch_process(*tensors: np.ndarray) -> List[np.ndarray]:
    """The minimum, mean and maximum of each tensor."""
    return [np.array([x.min(), x.mean(), x.max()], np.float32) for x in tensors]


if __name__ == "__main__":
    serve(batch_process, library="numpy")
