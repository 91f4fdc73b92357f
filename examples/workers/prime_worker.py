"""A worker with some work to do: it finds prime numbers."""

import numpy as np

from tech_renaissance import serve


def primes(below: int) -> np.ndarray:
    """The primes below a number, as a tensor of INT64."""
    is_prime = np.ones(below, dtype=bool)
    is_prime[:2] = False
    for n in range(2, int(len(is_prime) ** 0.5) + 1):
        is_prime[n * n :: n] &= not is_prime[n]
    return np.flatnonzero(is_prime)


if __name__ == "__main__":
    serve(primes, library="numpy")
