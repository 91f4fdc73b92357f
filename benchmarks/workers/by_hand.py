"""The limit of numpy jobs: multiprocessing's shared memory and pipe, used by hand. ``python by_hand.py SIZE COUNT`` prints samples.

Two arrays are copied in, the other process adds them, and the result is looked at. Nothing is checked, named, or cleaned up
after a crash.
"""

import json
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import List

import numpy as np


def _arrays(memory: SharedMemory, size: int) -> List[np.ndarray]:
    nbytes = 4 * size * size
    return [np.ndarray((size, size), np.float32, memory.buf, index * nbytes) for index in range(3)]


def serve(name: str, size: int, pipe: Connection) -> None:
    """Add when asked, until told to stop."""
    memory = SharedMemory(name)
    a, b, out = _arrays(memory, size)
    while pipe.recv_bytes() != b"stop":
        np.add(a, b, out=out)
        pipe.send_bytes(b"done")
    del a, b, out
    memory.close()


def main(size: int, count: int) -> None:
    """Measure."""
    memory = SharedMemory(create=True, size=3 * 4 * size * size)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(memory.name, size, theirs))
    process.start()
    a, b, out = _arrays(memory, size)
    one, two = np.full((size, size), 1.5, np.float32), np.full((size, size), 2.0, np.float32)
    samples: List[float] = []
    for index in range(-count // 10 - 2, count):
        start = time.perf_counter_ns()
        a[:] = one
        b[:] = two
        ours.send_bytes(b"add")
        ours.recv_bytes()
        if out[0, 0] != 3.5:
            sys.exit("a wrong sum")
        if index >= 0:
            samples.append((time.perf_counter_ns() - start) / 1000)
    ours.send_bytes(b"stop")
    process.join()
    del a, b, out
    memory.close()
    memory.unlink()
    print(json.dumps(samples))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
