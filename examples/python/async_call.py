"""Do something else while the worker works, and call it from several threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tech_renaissance import PythonSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def main() -> None:
    """A session may be used from several threads: each call gets its own answer."""
    with PythonSession(WORKERS / "prime_worker.py", "async_call") as session, ThreadPoolExecutor() as pool:
        future = session.submit("primes", 1000000)
        print("The host goes on while the worker searches.")
        print(f"{len(future.result())} primes below 1000000")

        limits = [10, 100, 1000, 10000]
        found = [pool.submit(session.call, "primes", limit) for limit in limits]
        for limit, primes in zip(limits, found):
            print(f"{len(primes.result())} primes below {limit}")


if __name__ == "__main__":
    main()
