"""Threads, or tasks, that share a stream get each value once, also if all values come at once, as over files."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, List

import pytest
from async_sessions import run_with_session
from hosts import WORKERS

from tech_renaissance import AsyncSession, PythonSession
from tech_renaissance._host.caller import Caller

WORKER = str(WORKERS / "streams.py")

pytestmark = pytest.mark.usefixtures("workspace", "transport", "worker_python")


def test_threads_that_share_a_stream_get_each_value_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All have waited when the end comes."""
    everybody = threading.Barrier(3)
    next_item = Caller.next_item

    def next_item_for_all(*args: Any) -> Any:
        item = next_item(*args)
        if item is None:
            everybody.wait(60)
        return item

    with PythonSession(WORKER, "shared", True) as session:
        stream = session.stream("count", 300)
        monkeypatch.setattr(Caller, "next_item", next_item_for_all)
        with ThreadPoolExecutor(3) as threads:
            taken = list(threads.map(next, [stream] * 3))
        monkeypatch.undo()
        assert [0, 1, 2] == sorted(taken)
        assert list(range(3, 300)) == list(stream)
        assert "that was all" == stream.result()


def test_tasks_that_share_a_stream_get_each_value_once() -> None:
    """All have waited when the end comes."""

    async def take(stream: Any) -> List[Any]:
        return [value async for value in stream]

    async def test(session: AsyncSession) -> None:
        stream = session.stream("count", 300)
        taken = await asyncio.gather(*[take(stream) for _ in range(3)])
        assert list(range(300)) == sorted(value for values in taken for value in values)
        assert "that was all" == await stream.result()

    run_with_session(test, WORKER)
