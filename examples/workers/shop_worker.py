"""A worker that asks its host for prices, and takes what is bought one by one."""

import sys
from typing import Generator, Iterator, List

from tech_renaissance import TechRenaissanceServer, command


class Shop(TechRenaissanceServer):
    @command
    def total(self, items: List[str]) -> float:
        """What they cost; the host knows the prices."""
        return sum(self.host.price(item) for item in items)

    @command
    def receipt(self, items: Iterator[str]) -> Generator[str, None, float]:
        """A line for each item, as soon as the host sends it; the sum in the end."""
        total = 0.0
        for item in items:
            price = self.host.price(item)
            total += price
            yield f"{item} {price:.2f}"
        return total


if __name__ == "__main__":
    Shop().run(sys.argv[1])
