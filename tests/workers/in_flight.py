"""Handlers that stand in the middle of a call until it is ended: at work, between items, at an input, at a function of the host."""

import asyncio
import os
import sys
import time
from typing import Any, Iterator

from tech_renaissance import TechRenaissanceServer, command


class InFlight(TechRenaissanceServer):
    @command
    def work(self) -> Any:
        self.progress(1)
        while not (self.stopping or self.cancelled):
            time.sleep(0.001)
        return "stopped"

    @command
    def items(self) -> Iterator[int]:
        """Three of them are on their way."""
        yield from range(3)
        self.progress(1)
        while not (self.stopping or self.cancelled):
            time.sleep(0.001)
        return "stopped"

    @command
    def take(self, values: Iterator[int]) -> Any:
        """As long as there are values; over files those are few."""
        self.progress(1)
        for _ in values:
            if self.stopping:
                break
        return self.work()

    @command
    def ask(self) -> Any:
        self.progress(1)
        self.host.strike()
        return "stopped" if self.stopping else "answered"

    @command
    def same(self, value: Any) -> Any:
        return value

    @command
    def pid(self) -> int:
        return os.getpid()


class AsyncInFlight(InFlight):
    """The same in coroutines, which are in flight at once."""

    @command
    async def work(self) -> Any:  # type: ignore[override]
        self.progress(1)
        while not (self.stopping or self.cancelled):  # noqa: ASYNC110 - as people write it
            await asyncio.sleep(0.001)
        return "stopped"

    @command
    async def take(self, values: Any) -> Any:  # type: ignore[override]
        self.progress(1)
        async for _ in values:
            if self.stopping:
                break
        return await self.work()

    @command
    async def ask(self) -> Any:  # type: ignore[override]
        self.progress(1)
        await self.host.strike()
        return "stopped" if self.stopping else "answered"


if __name__ == "__main__":
    (AsyncInFlight if os.environ.get("IN_FLIGHT_ASYNC") else InFlight)(library="numpy").run(sys.argv[1])
