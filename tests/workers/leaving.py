"""Has coroutines, and leaves in every way there is."""

import asyncio
import os
import sys
from typing import Any, AsyncIterator, Iterator

from gate import pass_gate

from tech_renaissance import TechRenaissanceServer, command

WAYS = {"exit": SystemExit(3), "interrupt": KeyboardInterrupt()}


class Leaving(TechRenaissanceServer):
    @command
    async def wait(self) -> None:
        await asyncio.Event().wait()

    @command
    def leave(self, way: str) -> None:
        raise WAYS[way]

    @command
    async def leave_at_once(self, way: str) -> None:
        raise WAYS[way]

    @command
    async def leave_later(self, way: str) -> None:
        await asyncio.sleep(0.001)
        raise WAYS[way]

    @command
    async def leave_in_a_task(self, way: str) -> None:
        await asyncio.ensure_future(self.leave_later(way))

    @command
    async def haunt(self) -> None:
        """Start a task that wants another end when it is cancelled."""

        async def other_end() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise SystemExit(9)

        self.task = asyncio.ensure_future(other_end())
        await asyncio.sleep(0)

    @command
    def count_and_leave(self) -> Iterator[int]:
        """A stream that wants another end when it is closed."""
        try:
            yield from range(100)
        finally:
            raise SystemExit(9)

    @command
    async def open_generator(self) -> int:
        async def count() -> AsyncIterator[int]:
            try:
                for number in range(100):
                    yield number
            finally:
                await asyncio.sleep(0)
                print("the generator is closed", flush=True)

        self.generator: Any = count()
        return await self.generator.__anext__()

    @command
    def pid(self) -> int:
        return os.getpid()

    def teardown(self) -> None:
        if "GATE" in os.environ:
            pass_gate(os.environ["GATE"])


if __name__ == "__main__":
    Leaving(library="numpy").run(sys.argv[1])
