"""The part of tests/driver.py that uses a session by itself: many calls at once, and calls that Ctrl+C interrupts."""

import asyncio
import random
import signal
from typing import Any, Awaitable, Callable, Dict, List, Optional, Tuple

from loop_thread import LoopSession

from tech_renaissance import AsyncSession, CallCancelled, Future, PythonSession, TechRenaissanceError

_LONG_MS = 60_000


def converse(session: Any, count: int) -> List[Any]:
    """A call with an input, whose handler calls a function of ours for each of its values, and tells how far it is."""
    if isinstance(session, LoopSession):
        return session.run(_converse_in_loop, count)
    told: List[Any] = []
    session.expose("double", lambda number: 2 * number)
    total = session.call("converse", iter(range(count)), on_progress=told.append, timeout_ms=_LONG_MS)
    return [total, bool(told)]


async def _converse_in_loop(session: AsyncSession, count: int) -> List[Any]:
    told: List[Any] = []

    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    session.expose("double", double)
    total = await session.call("converse", iter(range(count)), on_progress=told.append, timeout_ms=_LONG_MS)
    return [total, bool(told)]


def burst(session: Any, count: int, deadline_ms: Optional[float]) -> List[str]:
    """So many calls at once, some of which are cancelled or let go of; what was wrong about them. Raises what the first one that failed for
    another reason did, once all have ended.
    """
    if isinstance(session, LoopSession):
        return session.run(_burst_in_loop, count, deadline_ms)
    burst = _Burst(session, count, deadline_ms)
    for number, future in burst.futures.items():
        burst.judge(number, future.exception(_LONG_MS) or future.result())
    return burst.verdict()


async def _burst_in_loop(session: AsyncSession, count: int, deadline_ms: Optional[float]) -> List[str]:
    burst = _Burst(session, count, deadline_ms)
    outcomes = await asyncio.gather(*burst.futures.values(), return_exceptions=True)
    for number, outcome in zip(burst.futures, outcomes):
        burst.judge(number, outcome)
    return burst.verdict()


class _Burst:
    """The calls, and what came of them."""

    def __init__(self, session: Any, count: int, deadline_ms: Optional[float]) -> None:
        self._wrong: List[str] = []
        self._failure: Optional[TechRenaissanceError] = None
        self.futures: Dict[int, Future] = {}
        for number in range(count):
            try:
                future = session.submit("same", number, deadline_ms=deadline_ms)
            except TechRenaissanceError as error:  # while the worker starts
                self.judge(number, error)
                continue
            if number % 50 == 7:
                future.cancel()
            if number % 50 != 9:
                self.futures[number] = future

    def judge(self, number: int, outcome: Any) -> None:
        """A value or an error."""
        if isinstance(outcome, CallCancelled):
            is_right = number % 50 == 7
        elif isinstance(outcome, TechRenaissanceError):
            is_right = True
            if outcome.code != "deadline_passed":
                self._failure = self._failure or outcome
        else:
            is_right = outcome == number
        if not is_right:
            self._wrong.append(f"{number}: {outcome!r}")

    def verdict(self) -> List[str]:
        """What was wrong."""
        if self._failure and not self._wrong:
            raise self._failure
        return self._wrong


def _text(session: PythonSession, token: str) -> bool:
    return token == session.fetch_response(f"echo {token}", _LONG_MS)


def _call(session: PythonSession, token: str) -> bool:
    return [token] == session.call("same", [token], timeout_ms=_LONG_MS)


def _futures(session: PythonSession, token: str) -> bool:
    futures = [session.submit("same", [number, token]) for number in range(50)]
    return all([number, token] == future.result(_LONG_MS) for number, future in enumerate(futures))


def _stream(session: PythonSession, token: str) -> bool:
    return list(range(100)) == list(session.stream("count", 100, timeout_ms=_LONG_MS))


def _conversation(session: PythonSession, token: str) -> bool:
    """The function is interrupted, too, and so are the input and what is told."""
    return [380, True] == converse(session, 20)


_USES: Tuple[Callable[[PythonSession, str], bool], ...] = (_text, _call, _futures, _stream, _conversation)


async def _text_in_loop(session: AsyncSession, token: str) -> bool:
    return token == await session.fetch_response(f"echo {token}", _LONG_MS)


async def _call_in_loop(session: AsyncSession, token: str) -> bool:
    return [token] == await session.call("same", [token], timeout_ms=_LONG_MS)


async def _futures_in_loop(session: AsyncSession, token: str) -> bool:
    futures = [session.submit("same", [number, token]) for number in range(50)]
    return [[number, token] for number in range(50)] == await asyncio.gather(*futures)


async def _stream_in_loop(session: AsyncSession, token: str) -> bool:
    return list(range(100)) == [number async for number in session.stream("count", 100, timeout_ms=_LONG_MS)]


async def _conversation_in_loop(session: AsyncSession, token: str) -> bool:
    return [380, True] == await _converse_in_loop(session, 20)


_USES_IN_LOOP: Tuple[Callable[[AsyncSession, str], Awaitable[bool]], ...] = (
    _text_in_loop,
    _call_in_loop,
    _futures_in_loop,
    _stream_in_loop,
    _conversation_in_loop,
)


def interrupted(session: Any, calls: int, seed: int) -> Dict[str, Any]:
    """In the main thread: so many uses, each with its own right answer, which SIGINT interrupts. It raises KeyboardInterrupt; in asyncio it
    cancels the task, as ``asyncio.run`` does.
    """
    uses: Any = _UsesInLoop(calls, seed) if isinstance(session, LoopSession) else _Uses(calls, seed)
    before = signal.signal(signal.SIGINT, lambda number, frame: uses.interrupt())
    try:
        if isinstance(session, LoopSession):
            session.run(uses.make_in_loop)
        else:
            uses.make(session)
    finally:
        signal.signal(signal.SIGINT, before)
    return {"interrupts": uses.interrupts, "wrong": uses.wrong}


class _Uses:
    """Uses of a session that go on until enough of them have come to their ends."""

    def __init__(self, calls: int, seed: int) -> None:
        self.interrupts = 0
        self.wrong: List[str] = []
        self._left = calls
        self._chance = random.Random(seed)
        self._is_calling = False

    def interrupt(self) -> None:
        """Runs in the thread that calls."""
        if self._is_calling:
            raise KeyboardInterrupt

    def make(self, session: PythonSession) -> None:
        while self._left:
            try:
                self._is_calling = True
                while self._left:
                    use = self._chance.choice(_USES)
                    self._judge(use(session, self._token()), use.__name__)
                self._is_calling = False
            except KeyboardInterrupt:
                self._is_calling = False
                self.interrupts += 1

    def _token(self) -> str:
        """Another each time."""
        return f"{self._left}.{self.interrupts}"

    def _judge(self, is_right: bool, name: str) -> None:
        if not is_right:
            self.wrong.append(name)
        self._left -= 1


class _UsesInLoop(_Uses):
    """The same for a task."""

    _task: "Optional[asyncio.Task[Any]]" = None

    def interrupt(self) -> None:
        if self._task:
            self._task.get_loop().call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._is_calling and self._task:
            self._task.cancel()

    async def make_in_loop(self, session: AsyncSession) -> None:
        self._task = asyncio.current_task()
        while self._left:
            try:
                self._is_calling = True
                while self._left:
                    use = self._chance.choice(_USES_IN_LOOP)
                    self._judge(await use(session, self._token()), use.__name__)
                self._is_calling = False
            except asyncio.CancelledError:
                self._is_calling = False
                self.interrupts += 1
