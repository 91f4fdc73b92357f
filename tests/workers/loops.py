"""For hosts with event loops: it answers, sleeps, yields and dies."""

import os
import sys
import time
from typing import Iterator

from tech_renaissance import TechRenaissanceServer, command


class Loops(TechRenaissanceServer):
    """Commands of all lengths."""

    @command
    def double(self, x: int) -> int:
        """At once."""
        return 2 * x

    @command
    def nap(self, seconds: float) -> str:
        """After a while."""
        time.sleep(seconds)
        return "slept"

    @command
    def die(self) -> None:
        """Never."""
        os._exit(3)

    @command
    def count(self, n: int) -> Iterator[int]:
        """One after another."""
        yield from range(n)


if __name__ == "__main__":
    Loops().run(sys.argv[1])
