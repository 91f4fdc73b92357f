"""Let a worker call a function of this program, and give it values one by one."""

from pathlib import Path

from tech_renaissance import CommandError, PythonSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"
PRICES = {"apple": 0.5, "pear": 0.75, "plum": 0.25}


def price(item: str) -> float:
    """What a handler calls as ``self.host.price(item)``. It runs in the thread that waits for the handler's call."""
    return PRICES[item]


def main() -> None:
    """Go shopping."""
    with PythonSession(WORKERS / "shop_worker.py", "callback") as session:
        session.expose("price", price)
        print(f"total {session.call('total', ['apple', 'pear']):.2f}")

        # An iterator is an input: the worker takes its values as it needs them, while it yields its own.
        basket = iter(["plum", "plum", "apple"])
        receipt = session.stream("receipt", basket)
        for line in receipt:
            print(line)
        print(f"total {receipt.result():.2f}")

        # What the function raises goes through the handler, and comes back.
        try:
            session.call("total", ["melon"])
        except CommandError as error:
            print(error.code)


if __name__ == "__main__":
    main()
