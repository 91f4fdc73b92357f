"""A worker with some work to do: it finds prime numbers."""

import sys

import numpy as np

from tech_renaissance import TechRenaissanceServer


class PrimeServer(TechRenaissanceServer):
    """Answers ``primes N`` with how many primes are below N, and with the primes as a tensor of INT64."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command != "primes":
            return False
        is_prime = np.ones(int(parameters), dtype=bool)
        is_prime[:2] = False
        for n in range(2, int(len(is_prime) ** 0.5) + 1):
            is_prime[n * n :: n] &= not is_prime[n]
        primes = np.flatnonzero(is_prime)
        self.send_tensors(primes)
        self.write_response("", str(len(primes)))
        return True


if __name__ == "__main__":
    PrimeServer().run(sys.argv[1])
