"""What the faults run calls: text, values, tensors, generators, work that can be stopped, and a talk with the host."""

import asyncio
import os
import sys
import time
from typing import Any, Iterator

from tech_renaissance import TechRenaissanceServer, command


class FaultedServer(TechRenaissanceServer):
    @command
    def echo(self, text: str) -> str:
        return text

    @command(name="print")
    def say(self, text: str) -> None:
        print(text)
        print(text.upper(), file=sys.stderr)

    @command
    def same(self, value: Any) -> Any:
        return value

    @command
    def count(self, end: int) -> Iterator[int]:
        for number in range(end):
            if self.stopping:
                return
            yield number

    @command
    def work(self, value: Any, turns: int, *, heeds: bool = True) -> Any:
        """The value, after so many turns, or as soon as it is to stop; if it ``heeds``, also when it is given up."""
        for _ in range(turns):
            if self.stopping or (heeds and self.cancelled):
                break
            time.sleep(0.001)
        return value

    @command
    def converse(self, numbers: Iterator[int]) -> int:
        total = 0
        for number in numbers:
            total += self.host.double(number)
            self.progress(total)
        return total


class AsyncFaultedServer(FaultedServer):
    """The same, in coroutines."""

    @command
    async def same(self, value: Any) -> Any:  # type: ignore[override]
        await asyncio.sleep(0)
        return value

    @command
    async def work(self, value: Any, turns: int, *, heeds: bool = True) -> Any:  # type: ignore[override]
        for _ in range(turns):
            if self.stopping or (heeds and self.cancelled):
                break
            await asyncio.sleep(0.001)
        return value

    @command
    async def converse(self, numbers: Any) -> int:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        total = 0
        async for number in numbers:
            total += await self.host.double(number)
            self.progress(total)
        return total


if __name__ == "__main__":
    (AsyncFaultedServer if os.environ.get("FAULTED_ASYNC") else FaultedServer)(library="numpy").run(
        sys.argv[1]
    )
