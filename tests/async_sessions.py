"""Sessions of asyncio, for tests that need no other host."""

import asyncio
from typing import Any, Callable, Coroutine

from hosts import WORKERS

from tech_renaissance import AsyncSession

WORKER = str(WORKERS / "value_calls.py")


def new_session(script: str = WORKER, session_id: str = "async", **options: Any) -> AsyncSession:
    """With a quiet worker, which does not start yet."""
    return AsyncSession(script, session_id, True, library="numpy", **options)


def run_with_session(
    test: Callable[[AsyncSession], Coroutine[Any, Any, None]], script: str = WORKER, **options: Any
) -> None:
    """Run a test in a loop of its own, with a session."""

    async def run() -> None:
        async with new_session(script, **options) as session:
            await test(session)

    asyncio.run(run())
