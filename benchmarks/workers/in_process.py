"""The limits of tensor jobs: the same torch operation in one process. Prints a JSON object of sample lists, in microseconds."""

import json
import sys
import time
from typing import Callable, Dict, List

import torch


def sample(action: Callable[[], object], count: int) -> List[float]:
    """Times of ``count`` runs after a tenth as many to warm up."""
    for _ in range(count // 10 + 2):
        action()
    times: List[float] = []
    for _ in range(count):
        start = time.perf_counter_ns()
        action()
        times.append((time.perf_counter_ns() - start) / 1000)
    return times


def main() -> None:
    """Run every job with the number of threads given."""
    torch.set_num_threads(int(sys.argv[1]))
    results: Dict[str, List[float]] = {}
    for size, count in ((1024, 300), (4096, 30)):
        a, b, out = (torch.rand(size, size) for _ in range(3))
        results[f"add_out_{size}"] = sample(lambda: torch.add(a, b, out=out), count)  # noqa: B023 - called at once
        results[f"add_fresh_{size}"] = sample(lambda: torch.add(a, b), count)  # noqa: B023
        results[f"copy_{size}"] = sample(lambda: out.copy_(a), count)  # noqa: B023
    a, b, out = (torch.rand(1024, 1024) for _ in range(3))
    results["matmul_1024"] = sample(lambda: torch.mm(a, b, out=out), 60)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
