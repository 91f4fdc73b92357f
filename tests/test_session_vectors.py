"""Whole sessions: what the host asks, what the system does, which states and errors follow. The same from both languages, on every
transport; the sessions are in spec/vectors/session, which spec/vectors/README.md explains.
"""

import contextlib
import itertools
import json
import re
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
from driver_session import DriverFuture, DriverStream
from hosts import TRANSPORTS
from leaks import wait_until
from processes import KILLED_NAME
from stage import Stage

import tech_renaissance
from tech_renaissance import CancelPatience, Progress, RestartPolicy

Maker = Callable[..., Any]

ROOT = Path(__file__).resolve().parents[1]
VECTORS = sorted((ROOT / "spec" / "vectors" / "session").glob("*.json"))

_PATIENCE_MS = 60_000
# What is part of a longer text.
_PARTS = ("text", "stack", "ended_by_host")
# What stands for a word of the vectors.
_ON_THIS_PLATFORM = {"SIGKILL": (KILLED_NAME,), "kill": ("terminate",)} if sys.platform == "win32" else {}


class TooSlow(Exception):
    """A deadline has passed before its call had come to where the vector wants it."""


class Performance:
    """One session, step by step; ``slowness``: how many times as long its deadlines are as the vector has them."""

    def __init__(self, session: Any, stage: Stage, threads: ThreadPoolExecutor, slowness: int) -> None:
        self._session = session
        self._stage = stage
        self._threads = threads
        self._slowness = slowness
        self._running: Dict[str, Future[Any]] = {}
        self._kept: Dict[str, Any] = {}  # futures and streams
        self._heard: Dict[str, List[float]] = {}  # by on_progress
        self._has_deadline = False

    def play(self, step: Dict[str, Any]) -> None:
        """Take a step of a vector."""
        step = dict(step)
        if "do" in step:
            self._do(step)
        elif "end" in step:
            _check(self._running.pop(step.pop("end")).result, step)
        elif "drop" in step:
            _drop(self._kept.pop(step["drop"]))
        elif "hears" in step:
            heard = self._heard[step["hears"]]
            wait_until(lambda: len(heard) >= len(step["done"]))
            assert step["done"] == heard
        elif "becomes" in step:
            wait_until(lambda: self._session.state().name == step["becomes"])
            assert step["becomes"] == self._session.state().name
        elif "state" in step:
            state = self._session.state()
            assert (step["state"], step.get("message", "")) == (state.name, state.message)
        elif "worker" in step:
            if self._has_deadline:
                wait_until(lambda: not self._stage.is_quiet() or self._session.new_response())
                if self._stage.is_quiet():
                    raise TooSlow
            assert {"message": "", **step} == self._stage.wait()
        else:
            self._stage.tell(step)

    def _do(self, step: Dict[str, Any]) -> None:
        name, thread = step.pop("do"), step.pop("as", None)
        self._has_deadline = "deadline_ms" in step
        if self._has_deadline:
            step["deadline_ms"] *= self._slowness
        expected = {key: step.pop(key) for key in ("gives", "raises") if key in step}
        tensors = [np.ones(2, np.float32)] * step.pop("tensors", 0)
        kept, of = step.pop("keep", None), step.pop("of", None)
        if step.pop("listens", False):
            heard = self._heard.setdefault(thread or kept, [])
            step["on_progress"] = lambda progress: heard.append(progress.done)
        if kept:
            self._kept[kept] = getattr(self._session, name)(step.pop("command"), **step)
            return
        call: Callable[[], Any]
        if of:
            call = lambda: _used(self._kept[of], name, step)  # noqa: E731
        elif name in ("calculate", "call"):
            step = {"timeout_ms": _PATIENCE_MS, **step}
            call = lambda: getattr(self._session, name)(step.pop("command"), *tensors, **step)  # noqa: E731
        elif name == "expose":
            call = lambda: self._session.expose(step["name"], lambda: step["returns"])  # noqa: E731
        else:
            if name in ("fetch_response", "wait_for_response"):
                step = {"timeout_ms": _PATIENCE_MS, **step}
            call = lambda: getattr(self._session, name)(**step)  # noqa: E731
        if thread:
            self._running[thread] = self._threads.submit(call)
        else:
            _check(call, expected)


def _used(kept: Any, name: str, arguments: Dict[str, Any]) -> Any:
    """What a future or a stream gives; of progress, how much is done, and at the end of a stream "end"."""
    if name == "next":
        try:
            return kept.next(_PATIENCE_MS)
        except StopIteration:
            return "end"
    value = getattr(kept, name)(**arguments)
    return value.done if isinstance(value, Progress) else value


def _check(call: Callable[[], Any], expected: Dict[str, Any]) -> None:
    if "raises" not in expected:
        value = call()
        if "gives" in expected:
            assert _fits(value, expected["gives"]), value
        return
    wanted = dict(expected["raises"])
    with pytest.raises(getattr(tech_renaissance, wanted.pop("type"))) as caught:
        call()
    found = {**vars(caught.value), "text": str(caught.value)}
    assert _fits(found, wanted), found


def _fits(found: Any, wanted: Any) -> bool:
    """Whether a value is as a vector has it on this platform: an object, at least in what stands there."""
    if not isinstance(wanted, dict) or found is None:
        return found == wanted or found in _ON_THIS_PLATFORM.get(str(wanted), ())
    values = found if isinstance(found, dict) else vars(found)
    return all(
        re.search(part, values[key]) is not None if key in _PARTS and part else _fits(values[key], part)
        for key, part in wanted.items()
    )


def _options(vector: Dict[str, Any], stage: Stage, host: str) -> Dict[str, Any]:
    options = dict(vector.get("options", {}))
    holds = " ".join(options.pop("hold", []))
    if "patience_ms" in options:
        options["patience"] = CancelPatience(*options.pop("patience_ms"))
    if "restart_policy" in options:
        options["restart_policy"] = RestartPolicy(**options["restart_policy"])
    message = options.get("on_restart")
    if options.get("output") == "lines":
        options["output"] = lambda _: None
    if message and host != "cpp":
        options["on_restart"] = lambda session: _hook(session, message)
    environment = {"TR_PROMPTER": str(stage.port), "TR_HOLDS": holds}
    return {"quiet_mode": True, "environment": environment, **options}


def _drop(kept: Any) -> None:
    """Returns when its host has let go of it; others do when it goes out of scope."""
    if isinstance(kept, (DriverFuture, DriverStream)):
        kept.drop()


def _hook(session: Any, message: str) -> None:
    if message == "raise":
        raise KeyboardInterrupt
    session.fetch_response(message)


def _plays(vector: Dict[str, Any], host: str, make_session: Maker, slowness: int) -> bool:
    """False if the machine was too slow for it."""
    with contextlib.closing(Stage()) as stage:
        session = make_session("scripted.py", **_options(vector, stage, host))
        with ThreadPoolExecutor(8) as threads:
            performance = Performance(session, stage, threads, slowness)
            try:
                for number, step in enumerate(vector["steps"], 1):
                    try:
                        performance.play(step)
                    except TooSlow:
                        return False
                    except BaseException as error:
                        raise AssertionError(f"step {number}, {step}: {error!r}") from error
            finally:
                session.close()
        assert stage.is_quiet()
    return True


def _name_of(param: Any) -> str:
    return param.stem if isinstance(param, Path) else param


@pytest.mark.parametrize("path", VECTORS, ids=_name_of)
def test_a_session_goes_as_its_vector_says(path: Path, host: str, make_session: Maker) -> None:
    """Step by step; in the end the session is closed, and nobody stands where no step has asked for him."""
    vector = json.loads(path.read_text("utf-8"))
    slowness = 1
    while not _plays(vector, host, make_session, slowness):
        slowness *= 4


@pytest.mark.asyncio_over_files
@pytest.mark.parametrize("host", ["asyncio"], indirect=True)
@pytest.mark.parametrize(
    ("path", "transport"), [*zip(VECTORS, itertools.cycle(TRANSPORTS))], ids=_name_of, indirect=["transport"]
)
def test_a_session_of_asyncio_goes_like_the_others(path: Path, host: str, make_session: Maker) -> None:
    """Over one transport each, in turn."""
    test_a_session_goes_as_its_vector_says(path, host, make_session)


def test_every_state_is_reached() -> None:
    """Those of spec/life.md."""
    table = (ROOT / "spec" / "life.md").read_text("utf-8").partition("## State\n")[2].partition("\n## ")[0]
    steps: List[Dict[str, Any]] = [
        step for path in VECTORS for step in json.loads(path.read_text("utf-8"))["steps"]
    ]
    reached = {step.get("state") or step.get("becomes") for step in steps}
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == reached - {None}
