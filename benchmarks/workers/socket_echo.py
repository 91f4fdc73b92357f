"""The limit of a process of its own: a bare Unix socket, one byte there and one back. Inherits one end as descriptor argv[1].

Between the two nothing is done, or torch's addition: ``add SIZE THREADS``.
"""

import socket
import sys
from typing import Callable


def adding(size: int, threads: int) -> Callable[[], object]:
    """Into memory that is there."""
    import torch

    torch.set_num_threads(threads)
    a, b, out = (torch.rand(size, size) for _ in range(3))
    return lambda: torch.add(a, b, out=out)


work = adding(int(sys.argv[3]), int(sys.argv[4])) if sys.argv[2:3] == ["add"] else None
with socket.socket(fileno=int(sys.argv[1])) as end:
    while True:
        data = end.recv(64)
        if not data:
            break
        if work:
            work()
        end.sendall(data)
