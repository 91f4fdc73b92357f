"""A worker whose commands are coroutines, and one that is not."""

import asyncio
import os
import sys
import threading
import time
from typing import Any, Dict, Iterator, List, Optional

import numpy as np
from gate import pass_gate

from tech_renaissance import TechRenaissanceServer, command, current_server


class Lookups(TechRenaissanceServer):
    def __init__(self) -> None:
        super().__init__(library="numpy")
        self.shelf: Dict[str, Any] = {}
        self.begun: List[str] = []
        self.ended: List[str] = []

    @command
    async def echo(self, value: Any) -> Any:
        await asyncio.sleep(0)
        return value

    @command
    async def wait_for(self, key: str) -> Any:
        """Until somebody puts something there."""
        self.begun.append(key)
        try:
            while key not in self.shelf:  # noqa: ASYNC110 - as people write it
                await asyncio.sleep(0.001)
            return self.shelf[key]
        except asyncio.CancelledError:
            self.ended.append(key)
            raise
        finally:
            self.ended.append(f"finally {key}")

    @command
    def put(self, key: str, value: Any) -> None:
        self.shelf[key] = value

    @command
    async def shout(self, name: str) -> str:
        return name.upper()

    @command
    async def at_once(self, key: str) -> List[Any]:
        """A coroutine that never waits, and what it starts."""

        async def put() -> None:
            await asyncio.sleep(0)
            self.shelf[key] = current_server().cancelled

        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task in asyncio.all_tasks()
        assert task is not None
        assert task.get_name() == "at_once"
        loop.call_later(0.001, self.begun.append, f"{key} later")
        loop.call_soon(self.begun.append, f"{key} soon")
        self.task = loop.create_task(put())
        return [task is not None, self.cancelled]

    @command
    async def fail_at_once(self, kind: str) -> None:
        raise {"value": ValueError("so it is"), "cancelled": asyncio.CancelledError(), "exit": SystemExit(4)}[
            kind
        ]

    @command
    async def fail(self, message: str) -> None:
        await asyncio.sleep(0)
        raise ValueError(message)

    @command
    async def leave(self, status: int) -> None:
        await asyncio.sleep(0)
        sys.exit(status)

    @command
    async def a_set(self) -> Any:
        return {1}

    @command
    async def look(self) -> List[Any]:
        async def child() -> List[Any]:
            server = current_server()
            return [server.cancelled, server.remaining_s is not None]

        return [self.cancelled, self.remaining_s is not None, await asyncio.create_task(child())]

    @command
    async def from_a_thread(self) -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        threading.Timer(0.01, lambda: loop.call_soon_threadsafe(future.set_result, "from a thread")).start()
        return await future

    @command
    async def talk(self, text: str) -> str:
        """With itself, through sockets."""

        async def answer(reader: Any, writer: Any) -> None:
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(text.encode() + b"\n")
        line = await reader.readline()
        writer.close()
        server.close()
        return line.decode().strip()

    @command
    def block(self, seconds: float) -> str:
        time.sleep(seconds)
        return "blocked"

    @command
    def stand(self, gate: str) -> None:
        pass_gate(gate)

    @command
    def pid(self) -> int:
        return os.getpid()

    @command
    def count(self, n: int) -> Iterator[int]:
        yield from range(n)

    @command
    def beginnings(self) -> List[str]:
        return self.begun

    @command
    def endings(self) -> List[str]:
        return self.ended

    @command
    async def total(self, a: Optional[np.ndarray] = None) -> float:
        await asyncio.sleep(0)
        return float("nan") if a is None else float(a.sum())


if __name__ == "__main__":
    Lookups().run(sys.argv[1])
