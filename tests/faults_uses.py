"""What a session is used for in the long run (faults_run.py): all that it can do, mixed, each answer judged."""

import contextlib
import random
import time
from typing import Any, List, Tuple

import numpy as np

from tech_renaissance import CallCancelled, TimedOut

LONG_MS = 60_000
_MANY = {"file": 200, "shm": 1000}
_ENDLESS = 1_000_000_000
# Worth of a use in the mix.
_WEIGHTS = {
    "texts": 3, "values": 3, "futures": 3, "streams": 3, "conversation": 3,
    "stop": 2, "cancel": 2, "deadline": 2, "many": 0.4,
}  # fmt: skip


class WrongAnswer(Exception):
    """It is the product's fault."""


def use(session: Any, chance: random.Random, transport: str) -> None:
    """Use it in one of all ways. Raises WrongAnswer, or what the session raised."""
    (name,) = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    if name in ("conversation", "many"):
        globals()[f"_{name}"](session, chance, transport)
    else:
        globals()[f"_{name}"](session, chance)


def _texts(session: Any, chance: random.Random) -> None:
    text = _text(chance)
    _check(text, session.fetch_response(f"echo {text}", LONG_MS))


def _values(session: Any, chance: random.Random) -> None:
    text = _text(chance)
    value = {"text": text, "array": np.arange(len(text) // 10), "more": [1, 2.5, None, b"raw"]}
    answer = session.call("same", value, timeout_ms=LONG_MS)
    _check(value.pop("array").tolist(), answer.pop("array").tolist())
    _check(value, answer)


def _futures(session: Any, chance: random.Random) -> None:
    """One of which is cancelled, or let go of, at once."""
    text = _text(chance)
    futures = [session.submit("same", [number, text]) for number in range(8)]
    left_out = chance.randrange(8)
    if chance.random() < 0.5:
        futures[left_out].cancel()
    futures[left_out] = None
    for number, future in enumerate(futures):
        if future:
            _check([number, text], future.result(LONG_MS))


def _streams(session: Any, chance: random.Random) -> None:
    """Taken to the end, or left in some way: what came is the beginning of it."""
    end = chance.choice((3, 40, 100))
    values = session.stream("count", end, timeout_ms=LONG_MS)
    leave = chance.choice(("", "", "close", "cancel", "stop"))
    got: List[Any] = []
    if leave:
        got.append(next(values))
        getattr(values, leave)()
    with contextlib.suppress(*((CallCancelled,) if leave == "cancel" else ())):
        got.extend(values)
    _check(list(range(len(got) if leave else end)), got)


def _conversation(session: Any, chance: random.Random, transport: str) -> None:
    """Over files, what a handler tells last may be overwritten by the next call."""
    count = chance.choice((1, 20))
    total, was_told = session._call("converse", count=count)
    _check((count * (count - 1), True), (total, was_told or transport == "file"))


def _stop(session: Any, chance: random.Random) -> None:
    """It keeps its answer, unless it had not begun."""
    future = _begun(session, chance)
    future.stop()
    try:
        _check("worked", future.result(LONG_MS))
    except CallCancelled as error:
        _check("queue", error.step)


def _cancel(session: Any, chance: random.Random) -> None:
    """It ends, wherever it is, and nothing else does."""
    future = _begun(session, chance)
    future.cancel()
    with contextlib.suppress(CallCancelled):
        raise WrongAnswer(f"{future.result(LONG_MS)} of a call that was cancelled")


def _begun(session: Any, chance: random.Random) -> Any:
    """A call that goes on until it is ended; it may be anywhere."""
    future = session.submit("work", "worked", _ENDLESS, heeds=chance.random() < 0.5)
    if chance.random() < 0.7:
        while future.state() in ("queued", "sent"):
            time.sleep(0.001)
    return future


def _deadline(session: Any, chance: random.Random) -> None:
    """Long enough, or as long as the work, or too short."""
    deadline_ms = chance.choice((1, 20, LONG_MS))
    turns = _ENDLESS if deadline_ms == 20 and chance.random() < 0.3 else chance.choice((0, 15))
    heeds = chance.random() < 0.5
    try:
        value = session.call(
            "work", "worked", turns, heeds=heeds, deadline_ms=deadline_ms, timeout_ms=2 * LONG_MS
        )
    except TimedOut as error:
        _check(("deadline_passed", True), (error.code, deadline_ms < LONG_MS))
    else:
        _check(("worked", True), (value, turns < _ENDLESS))


def _many(session: Any, chance: random.Random, transport: str) -> None:
    """At once; the host itself cancels some, and lets go of some."""
    deadline_ms = chance.choice((None, None, 20))
    _check([], session._call("burst", count=_MANY[transport], deadline_ms=deadline_ms))


def _text(chance: random.Random) -> str:
    return "x" * chance.choice((10, 1000, 100_000))


def _check(right: Any, answer: Any) -> None:
    if right != answer:
        raise WrongAnswer(f"a wrong answer {_short(answer)}, not {_short(right)}")


def _short(value: Any) -> Tuple[str, str]:
    text = repr(value)
    return text[:100], text[100:][-100:]
