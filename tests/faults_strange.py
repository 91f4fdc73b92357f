"""What else befalls a host in the long run (faults_run.py): Ctrl+C, forks, callbacks that raise, a workspace that goes."""

import contextlib
import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from driver_session import DriverFailed
from faults_uses import WrongAnswer, use
from gates import Gate
from hosts import Driver
from leaks import wait_until
from processes import children, is_alive, kill
from strikes import PATIENCE_S, STRANGE

from tech_renaissance import LaunchError, RestartPolicy, TechRenaissanceError, WorkerLost

_LONG_MS = 60_000
_RAISED = ("Exception", "SystemExit", "KeyboardInterrupt")


class Judge:
    """What was seen of one lane."""

    def __init__(self) -> None:
        self.sessions = 0
        self.faults: Counter[str] = Counter()
        self.worker_times: List[float] = []
        self.host_times: List[float] = []
        self.complaints: List[str] = []

    def check(self, condition: bool, complaint: str) -> None:
        """Note a complaint unless the condition holds."""
        if not condition:
            self.complaints.append(complaint)
            print(f"WRONG: {complaint}", flush=True)


class StrangeTurns:
    """A part of a lane."""

    name: "tuple[str, str]"
    judge: Judge
    _chance: random.Random
    _folder: Path
    _workspace: Path
    _driver: Optional[Driver]
    _ready_driver: Callable[[], Driver]
    _session: Callable[..., Any]
    _delay_s: Callable[[], float]
    _check_nothing_left: Callable[[Driver, List[int]], None]
    _left: Callable[[], List[str]]

    def _strange_turn(self) -> None:
        getattr(self, f"_{self._chance.choice(STRANGE)}")()

    # -------------------------------------------------------------------------------------------------------- Ctrl+C

    def _interrupt_host(self) -> None:
        """SIGINT at random moments: in Python a KeyboardInterrupt, in asyncio a cancelled task, in C++ an interrupted system call."""
        driver, session = self._started("Ctrl+C")
        seed = self._chance.randrange(1 << 30)
        with ThreadPoolExecutor(1) as threads:
            if self.name[0] == "cpp":
                calls = threads.submit(self._use_all, session, 15, seed)
            else:
                calls = threads.submit(driver.call, "call_interrupted", session._handle, calls=15, seed=seed)
            while not calls.done():
                time.sleep(
                    self._chance.choice((0.004, 0.03)) * self._chance.random()
                )  # also while one unwinds
                os.kill(driver.process.pid, signal.SIGINT)
        self._check_calls(session, lambda: self.judge.check(not calls.result()["wrong"], f"{calls.result()}"))
        self._finish(driver, session)

    def _use_all(self, session: Any, uses: int, seed: int) -> Dict[str, Any]:
        chance = random.Random(seed)
        try:
            for _ in range(uses):
                use(session, chance, self.name[1])
        except WrongAnswer as error:
            return {"wrong": [error]}
        return {"wrong": []}

    @staticmethod
    def _echo(session: Any, calls: int) -> Dict[str, Any]:
        wrong = [
            number
            for number in range(calls)
            if session.fetch_response(f"echo {number}", _LONG_MS) != f"{number}"
        ]
        return {"wrong": wrong}

    # --------------------------------------------------------------------------------------------------------- forks

    def _fork_host(self) -> None:
        """In the middle of calls; the fork tries to call, may have a session of its own, and ends."""
        driver, session = self._started("fork")
        calls = [{"op": op, "session": session._handle, **more} for op, more in _USES]
        wanted: List[Any] = ["forked"] * len(calls)
        if self._chance.random() < 0.1:
            options = {**session.options, "session_id": "own"}
            calls += [
                {"op": "new", "session": "own", "options": options},
                {"op": "start", "session": "own", "wait_ms": 0},
                {"op": "fetch_response", "session": "own", "message": "echo mine"},
                {"op": "close", "session": "own"},
            ]
            wanted += [None, None, "mine", None]
            self.judge.sessions += 1
        with ThreadPoolExecutor(1) as threads:
            others = threads.submit(self._echo, session, 20)
            self._check_fork(driver, calls, wanted, gate="")
            self._check_calls(session, lambda: self.judge.check(not others.result()["wrong"], f"{others}"))
        self._finish(driver, session)

    def _outlive_host(self) -> None:
        """The fork lives on when its host is killed: the worker does not."""
        driver, _ = self._started("fork outlives")
        workers = children(driver.process.pid)
        gate = Gate(self._folder / f"gate-{self.judge.sessions}")
        self._check_fork(driver, [], [], gate=gate.path)
        gate.wait_for_arrival()
        driver.kill()
        self._driver = None
        gone = wait_until(lambda: not any(map(is_alive, workers)), PATIENCE_S)
        self.judge.check(gone, f"{self.name}: {workers} outlive their host beside its fork")
        with self._session(self._ready_driver(), "a") as heir:
            self.judge.sessions += 1
            self._check_calls(heir)
        gate.close()
        for end in ("arrived", "opened"):
            Path(f"{gate.path}.{end}").unlink()

    def _check_fork(self, driver: Driver, calls: List[Dict[str, Any]], wanted: List[Any], gate: str) -> None:
        results = self._folder / "results.json"
        results.unlink(missing_ok=True)
        status = driver.call("fork", calls=calls, results=str(results), gate=gate)
        if gate:
            return
        self.judge.check(not status, f"{self.name}: a fork ended with {status}")
        answers = json.loads(results.read_text()) if results.exists() else None
        self.judge.check(answers == wanted, f"{self.name}: a fork was told {answers}, not {wanted}")

    # ----------------------------------------------------------------------------------------------------- callbacks

    def _raise_in_callbacks(self) -> None:
        """All that can be raised, in the callback for output and in on_restart."""
        raises = self._chance.choice(_RAISED)
        options: Dict[str, Any] = {"output": lambda line: None, "callback": {"raises": raises}}
        is_restarted = self._chance.random() < 0.3
        if is_restarted:
            options.update(restart="on-crash", restart_policy=RestartPolicy(1), on_restart=f"raise {raises}")
        driver, session = self._started(f"callbacks raise {raises}", **options)
        for number in range(3):
            session.fetch_response(f"print {number}", _LONG_MS)
        if is_restarted:
            self._crash_until_the_hook_is_blamed(driver, session)
        self._check_calls(session)
        self._finish(driver, session)

    def _crash_until_the_hook_is_blamed(self, driver: Driver, session: Any) -> None:
        for pid in children(driver.process.pid):
            kill(pid)
        error: Optional[BaseException] = None
        with contextlib.suppress(DriverFailed):
            for _ in range(100):
                try:
                    session.fetch_response("echo on", _LONG_MS)
                except WorkerLost as told:
                    error = told
                    if "on_restart" in str(told):
                        break
        self.judge.check(
            "on_restart" in str(error), f"{self.name}: on_restart raised, and told was {error!r}"
        )
        session.start()
        self.judge.sessions += 1

    # --------------------------------------------------------------------------------------------------- directories

    def _start_in_link(self) -> None:
        """A link to somebody else's folder stands in the place of the session directory."""
        driver = self._ready_driver()
        foreign = self._folder / "foreign"
        foreign.mkdir(exist_ok=True)
        for name in ("session.lock", "request.json", "status.txt", "mine.txt", "x.tsr"):
            (foreign / name).write_text(f"mine: {name}")
        before = {path.name: (path.read_text(), path.stat().st_mtime_ns) for path in foreign.iterdir()}
        self.judge.faults["link before start"] += 1
        place = self._workspace / "python_session" / "tr_session_a"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(foreign)
        self.judge.sessions += 1
        session = self._session(driver, "a")
        try:
            session.start()
            self.judge.check(False, f"{self.name}: a session started in a link")
        except LaunchError as error:
            self.judge.check(error.code == "launch_failed", f"{self.name}: a link was told as {error!r}")
        self._close(session)
        place.unlink()
        after = {path.name: (path.read_text(), path.stat().st_mtime_ns) for path in foreign.iterdir()}
        self.judge.check(before == after, f"{self.name}: foreign files were touched: {after}")
        self._check_nothing_left(driver, [])

    def _remove_workspace(self) -> None:
        """Rm -rf, while the session is used; start makes it good."""
        driver, session = self._started("removed workspace")
        workers = children(driver.process.pid)
        caller = threading.Thread(target=self._call_whatever_comes, args=(session,))
        caller.start()
        time.sleep(self._delay_s() / 4)
        shutil.rmtree(self._workspace, ignore_errors=True)
        caller.join(PATIENCE_S)
        self.judge.check(not caller.is_alive(), f"{self.name}: a call hangs in a removed workspace")
        session.terminate()
        session.start()
        self.judge.sessions += 1
        self._check_calls(session)
        self._close(session)
        self._check_nothing_left(driver, workers)

    @staticmethod
    def _call_whatever_comes(session: Any) -> None:
        with contextlib.suppress(TechRenaissanceError, OSError, DriverFailed):
            for number in range(20):
                session.fetch_response(f"echo {number}", 1000)

    # ------------------------------------------------------------------------------------------------------ the rest

    def _started(self, fault: str, **options: Any) -> "tuple[Driver, Any]":
        driver = self._ready_driver()
        session = self._session(driver, "a", **options)
        session.start()
        self.judge.sessions += 1
        self.judge.faults[fault] += 1
        if self._chance.random() < 0.8:
            self._check_calls(session)
        return driver, session

    def _check_calls(self, session: Any, more: Callable[[], None] = lambda: None) -> None:
        """The session answers, and rightly."""
        try:
            more()
            answer = session.fetch_response("echo right", _LONG_MS)
            self.judge.check(answer == "right", f"{self.name}: a wrong answer {answer[:80]!r}")
        except (TechRenaissanceError, DriverFailed) as error:
            self.judge.check(False, f"{self.name}: {self.judge.faults}: {error!r}")

    def _close(self, session: Any) -> None:
        try:
            session.close()
        except (TechRenaissanceError, DriverFailed) as error:
            self.judge.check(False, f"{self.name}: close: {error!r}")

    def _finish(self, driver: Driver, session: Any) -> None:
        workers = children(driver.process.pid)
        self._close(session)
        self._check_nothing_left(driver, workers)


_USES = (
    ("fetch_response", {"message": "echo fork", "deadline_ms": _LONG_MS}),
    ("terminate", {}),
    ("is_alive", {}),
)
