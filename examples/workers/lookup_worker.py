"""A worker with coroutines: many calls wait at the same time."""

import asyncio
import sys

from tech_renaissance import TechRenaissanceServer, command


class Lookups(TechRenaissanceServer):
    @command
    async def lookup(self, key: str) -> str:
        """Ask something slow, such as a database."""
        await asyncio.sleep(0.1)
        return key.upper()

    @command
    async def wait(self) -> None:
        """Until the call is cancelled."""
        await asyncio.Event().wait()


if __name__ == "__main__":
    Lookups().run(sys.argv[1])
