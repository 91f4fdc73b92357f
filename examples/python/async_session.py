"""Call a worker from asyncio, without a thread that waits."""

import asyncio
from pathlib import Path

from tech_renaissance import AsyncSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"


async def main() -> None:
    """A hundred calls at once, a stream, and a call that is given up."""
    async with AsyncSession(WORKERS / "lookup_worker.py", "lookups") as session:
        answers = await asyncio.gather(*(session.call("lookup", f"key {n}") for n in range(100)))
        print(len(answers), "answers, the last:", answers[-1])

        # A task that is cancelled ends its call in the worker, and no other.
        lost, kept = (
            asyncio.create_task(session.call("wait")),
            asyncio.create_task(session.call("lookup", "kept")),
        )
        await asyncio.sleep(0)
        lost.cancel()
        print(await kept, (await asyncio.gather(lost, return_exceptions=True))[0].__class__.__name__)

    async with AsyncSession(WORKERS / "story_worker.py", "story") as session:
        async for word in session.stream("tell", "Once", 4):
            print(word)


if __name__ == "__main__":
    asyncio.run(main())
