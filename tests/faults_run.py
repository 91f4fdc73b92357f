"""Kills workers and hosts at random moments, and takes their directories away, as fast as the machine can, and judges what comes of it.

    python tests/faults_run.py [--minutes N] [--seed N]

A lane for each host over each transport, all at once. In each turn a session is started, used (faults_uses.py) by one thread or several, and
its worker or its host killed, or its directory removed or swapped, at a moment that chance takes; or something strange happens
(faults_strange.py). Right is: an answer that was asked for, or one typed error that names the death; promptly; and nothing left, and nothing
of others touched. Prints a Markdown table. The exit status is 1 after a wrong error, a hang or a leak, or if the median from
the worker's death to its error is over 50 ms.
"""

import argparse
import contextlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import numpy as np

sys.path.insert(0, os.path.dirname(__file__))

from driver_session import DriverFailed
from faults_strange import Judge, StrangeTurns
from faults_uses import WrongAnswer, use
from hosts import HOSTS, TRANSPORTS, WORKERS, Driver, driver_command
from leaks import wait_until
from processes import children, descendants, descriptors_of, is_alive, kill, processes_of
from segments import descriptors, mappings
from strikes import DIRECTORY_WAYS, GENTLE, LIMIT_S, PATIENCE_S, STRANGE, WAYS, Ends, statuses, strike

from tech_renaissance import LaunchError, TechRenaissanceError, WorkerLost

_MOST_DELAY_S = 0.15  # a start takes about as long
_environment = threading.Lock()  # drivers inherit it


class Lane(StrangeTurns):
    """One host over one transport, in a workspace of its own."""

    def __init__(self, host: str, transport: str, folder: Path, chance: random.Random) -> None:
        self.name = (host, transport)
        self.judge = Judge()
        self._chance = chance
        self._folder = folder
        self._transport = transport
        command = driver_command(host)
        assert command is not None
        self._command = command
        self._workspace = folder / "workspace"
        self._driver: Optional[Driver] = None
        self._baseline: Set[int] = set()
        self._mapped: Set[str] = set()
        self._turns = 0

    def run(self, until: float) -> None:
        """Take turns until then. What fails in the run itself ends this lane."""
        try:
            while time.monotonic() < until:
                self.turn()
            self.close()
        except Exception as error:
            self.judge.check(False, f"{self.name}: this lane has ended: {error!r}")
            if self._driver:
                self._driver.kill()

    def turn(self) -> None:
        """Start, use, kill, judge."""
        self._turns += 1
        kinds = {
            "worker": 6,
            "host": 3,
            "directory": bool(DIRECTORY_WAYS),
            "strange": len(STRANGE) / 3,
            "nothing": 1,
        }
        what = self._chance.choices(list(kinds), list(kinds.values()))[0]
        with _deadline(f"{self.name}: {what}"):
            if what == "host":
                self._kill_host()
            elif what == "directory":
                self._take_directory()
            elif what == "strange":
                self._strange_turn()
            else:
                self._kill_worker(is_spared=what == "nothing")

    def close(self) -> None:
        """The last things to check: everything is gone in the end."""
        driver = self._ready_driver()
        with self._session(driver, "last"):
            pass
        driver.close()
        self._driver = None
        self.judge.check([] == self._left(), f"{self.name}: left in the end: {self._left()}")
        others = processes_of(self._workspace)
        self.judge.check([] == others, f"{self.name}: processes in the end: {others}")

    # -------------------------------------------------------------------------------------------------- the worker

    def _kill_worker(self, *, is_spared: bool) -> None:
        judge, driver = self.judge, self._ready_driver()
        session = self._session(driver, "a")
        way = self._chance.choice(WAYS)
        delay_s = self._delay_s()
        chances = [random.Random(self._chance.random()) for _ in range(self._chance.choice((1, 1, 3)))]
        users = [
            threading.Thread(target=self._use, args=(session, chance, is_spared, way)) for chance in chances
        ]
        session.start()
        judge.sessions += 1
        worker = children(driver.process.pid)
        judge.check(len(worker) == 1, f"{self.name}: workers {worker}")
        self._struck = 0.0
        for user in users:
            user.start()
        if not is_spared:
            time.sleep(delay_s)
            judge.faults[way] += 1
            self._struck = time.monotonic()
            for pid in worker:
                strike(pid, way)
        for user in users:
            user.join(
                9 * PATIENCE_S if is_spared else PATIENCE_S
            )  # with all processors busy, much takes long
        judge.check(
            not any(user.is_alive() for user in users),
            f"{self.name}: a call hangs after {'nothing' if is_spared else way} at {delay_s:.3f} s",
        )
        if is_spared:
            judge.faults["none"] += 1
        session.close()
        self._check_nothing_left(driver, worker)

    def _use(self, session: Any, chance: random.Random, is_spared: bool, way: str) -> None:
        """Until the death is told; how it is told."""
        uses = 0
        try:
            while uses < 5 or not is_spared:
                uses += 1
                use(session, chance, self._transport)
        except (LaunchError, WorkerLost) as error:
            told = time.monotonic()
            if self._struck and way != GENTLE:  # which is not a death yet
                self.judge.worker_times.append(told - self._struck)
            status = error.exit_status
            stack = error.post_mortem.stack if error.post_mortem else ""
            self.judge.check(not is_spared, f"{self.name}: {error!r} of a worker that was spared: {stack}")
            self.judge.check(status in statuses(way), f"{self.name}: {way} was told as {error!r}, {status}")
            self.judge.check(error.post_mortem is not None, f"{self.name}: no post-mortem in {error!r}")
        except TechRenaissanceError as error:
            way = "nothing" if is_spared else way
            # A handler that hears SIGTERM answers with that; in the midst of its import, numpy makes an ImportError of it.
            told_as = getattr(error, "remote_type", "")
            right = way == GENTLE and told_as in ("SystemExit", "ImportError")
            self.judge.check(right, f"{self.name}: {way} was told as {error!r}")
        except WrongAnswer as error:
            self.judge.check(False, f"{self.name}: {error}")
        except DriverFailed as error:
            way = "nothing" if is_spared else way
            self.judge.check(False, f"{self.name}: after {way} the host failed: {error}")

    def _check_nothing_left(self, driver: Driver, pids: List[int]) -> None:
        judge, host = self.judge, driver.process.pid
        judge.check(wait_until(lambda: not any(map(is_alive, pids)), 5), f"{self.name}: {pids} live on")
        clean = wait_until(lambda: self._baseline == descriptors_of(host), 5)
        judge.check(clean, f"{self.name}: descriptors {descriptors_of(host) ^ self._baseline}")
        segments = self._segments(host) - self._mapped
        judge.check(not segments, f"{self.name}: segments {segments}")
        judge.check([] == self._left(), f"{self.name}: directories {self._left()}")
        if not clean:
            self._end_driver()

    # ---------------------------------------------------------------------------------------------------- the host

    def _kill_host(self) -> None:
        judge, driver = self.judge, self._ready_driver()
        session = self._session(driver, self._chance.choice("abc"))
        delay_s = self._delay_s()
        session.start()
        judge.sessions += 1
        calls = threading.Thread(target=self._use_until_the_host_dies, args=(session, self._chance.random()))
        calls.start()
        time.sleep(delay_s)
        pids = descendants(driver.process.pid)
        ends = Ends(pids)
        judge.faults["kill of the host"] += 1
        struck = time.monotonic()
        driver.process.kill()
        gone = ends.wait(PATIENCE_S)
        judge.host_times.append(time.monotonic() - struck)
        judge.check(gone, f"{self.name}: {pids} outlive their host, killed after {delay_s:.3f} s")
        calls.join(PATIENCE_S)
        driver.kill()
        self._driver = None
        self._ready_driver()

    def _use_until_the_host_dies(self, session: Any, seed: float) -> None:
        chance = random.Random(seed)
        try:
            while True:
                use(session, chance, self._transport)
        except (DriverFailed, OSError):
            pass
        except (WrongAnswer, TechRenaissanceError) as error:
            self.judge.check(False, f"{self.name}: before the host's death: {error!r}")

    # ----------------------------------------------------------------------------------------------- the directory

    def _take_directory(self) -> None:
        judge, driver = self.judge, self._ready_driver()
        session = self._session(driver, "a")
        way = self._chance.choice(DIRECTORY_WAYS)
        delay_s = self._delay_s()
        session.start()
        judge.sessions += 1
        worker = children(driver.process.pid)
        is_taken = threading.Event()
        calls = threading.Thread(target=self._use_without_directory, args=(session, is_taken, way))
        calls.start()
        time.sleep(delay_s)
        judge.faults[way] += 1
        directory = Path(session.session_dir)
        aside, others = self._folder / "aside", self._folder / "others"
        if way == "lock removed":
            (directory / "session.lock").unlink()
        elif way == "directory removed":
            wait_until(lambda: _is_removed(directory), 5)
        else:
            directory.rename(aside)
            if way == "directory swapped":
                shutil.copytree(aside, others, ignore=shutil.ignore_patterns("session.lock", "*.tmp"))
                directory.symlink_to(others)
        before = {path.name: path.read_bytes() for path in others.glob("*")}
        is_taken.set()
        calls.join(PATIENCE_S)
        judge.check(not calls.is_alive(), f"{self.name}: a call hangs, {way} after {delay_s:.3f} s")
        session.close()
        after = {path.name: path.read_bytes() for path in others.glob("*")}
        judge.check(before == after, f"{self.name}: {way}: {sorted(before)} became {sorted(after)}")
        if directory.is_symlink():
            directory.unlink()
        for path in (aside, others):
            shutil.rmtree(path, ignore_errors=True)
        self._check_nothing_left(driver, worker)

    def _use_without_directory(self, session: Any, is_taken: threading.Event, way: str) -> None:
        """Calls until one fails, or several have succeeded without a directory."""
        calls = 0
        try:
            while calls < 5:
                calls += is_taken.is_set()
                answer = session.fetch_response("echo on", 60_000)
                self.judge.check(answer == "on", f"{self.name}: {way}: a wrong answer {answer[:80]!r}")
        except (LaunchError, WorkerLost) as error:
            needs_it = self._transport == "file" or isinstance(error, LaunchError)
            self.judge.check(needs_it, f"{self.name}: {way}: {error!r}")
        except (TechRenaissanceError, DriverFailed) as error:
            self.judge.check(False, f"{self.name}: {way}: {error!r}")

    # --------------------------------------------------------------------------------------------------- the rest

    def _delay_s(self) -> float:
        """Half of the time while it starts, half of the time while it serves."""
        return self._chance.choice((0.3, 1.0)) * self._chance.uniform(0, _MOST_DELAY_S)

    def _ready_driver(self) -> Driver:
        if self._driver is None:
            with _environment:
                os.environ.update(TR_WORKSPACE=str(self._workspace), TR_TRANSPORT=self._transport)
                self._driver = driver = Driver(self._command, self._folder)
            self.judge.sessions += 1
            with self._session(driver, "first") as session:  # what is opened once and for all
                session.fetch_response("echo on", 60_000)
                session.call("same", np.arange(3), timeout_ms=60_000)
                self.judge.check(
                    ["tr_session_first"] == self._left(), f"{self.name}: not cleaned: {self._left()}"
                )
            wait_until(lambda: not children(driver.process.pid), 5)
            self._baseline = descriptors_of(driver.process.pid)
            self._mapped = self._segments(driver.process.pid)
        return self._driver

    def _end_driver(self) -> None:
        assert self._driver is not None
        self._driver.close()
        self._driver = None

    def _session(self, driver: Driver, name: str, **options: Any) -> Any:
        environment = {"FAULTED_ASYNC": self._chance.choice(("", "1"))}
        patience = (200, int(1000 * PATIENCE_S), 1000)  # on a busy machine, ending a call takes its time
        return driver.session(
            str(WORKERS / "faulted.py"),
            name,
            quiet_mode=True,
            environment=environment,
            patience=patience,
            launch_timeout_ms=int(1000 * PATIENCE_S),
            **options,
        )

    def _segments(self, host: int) -> Set[str]:
        return {*mappings(host), *descriptors(host)} if self._transport == "shm" else set()

    def _left(self) -> List[str]:
        folder = self._workspace / "python_session"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _is_removed(directory: Path) -> bool:
    """Removes it again and again: who starts just now writes into it, before it sees what becomes of it."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


@contextlib.contextmanager
def _deadline(what: str) -> Iterator[None]:
    """A turn that hangs ends the run: there is no telling what would come after it."""

    def give_up() -> None:
        print(f"WRONG: hangs: {what}", flush=True)
        import faulthandler

        faulthandler.dump_traceback()
        for pid in reversed(descendants(os.getpid())):
            kill(pid)
        os._exit(1)

    timer = threading.Timer(12 * PATIENCE_S, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def quantile(seconds: List[float], share: float) -> float:
    """Of a list that may be empty; in milliseconds."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def report(judges: Dict[Tuple[str, str], Judge], seed: int, minutes: float) -> List[str]:
    """The tables."""
    sessions = sum(judge.sessions for judge in judges.values())
    lines = [f"Seed {seed}, {minutes:.1f} minutes, {sessions} sessions, {os.cpu_count()} processors.", ""]
    lines += ["| host | transport | sessions | faults | wrong, hung or left |", "|---|---|---|---|---|"]
    for (host, transport), judge in judges.items():
        faults = ", ".join(f"{count} {name}" for name, count in sorted(judge.faults.items()))
        lines.append(f"| {host} | {transport} | {judge.sessions} | {faults} | {len(judge.complaints)} |")
    head = "| time until, ms | host | transport | times | p50 | p99 | max |"
    lines += ["", head, "|---|---|---|---|---|---|---|"]
    for what, attribute in (
        ("error of a dead worker", "worker_times"),
        ("end of all after a dead host", "host_times"),
    ):
        for (host, transport), judge in judges.items():
            seconds = getattr(judge, attribute)
            figures = " | ".join(f"{quantile(seconds, share):.1f}" for share in (0.5, 0.99, 1))
            lines.append(f"| {what} | {host} | {transport} | {len(seconds)} | {figures} |")
    return lines


def main() -> int:
    """Run the lanes in turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    os.environ.setdefault("TR_PYTHON", sys.executable)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tr_faults_") as folder:
        lanes: List[Lane] = []
        for host in (*HOSTS, "asyncio"):
            if driver_command(host) is None:
                print(f"there is no C++ compiler: {host} is left out")
                continue
            for transport in TRANSPORTS:
                path = Path(folder, f"{host}-{transport}")
                path.mkdir()
                lanes.append(Lane(host, transport, path, random.Random(f"{options.seed} {host} {transport}")))
        with ThreadPoolExecutor(len(lanes)) as threads:
            runs = [threads.submit(lane.run, begin + 60 * options.minutes) for lane in lanes]
        for run in runs:
            run.result()
    judges = {lane.name: lane.judge for lane in lanes}
    print("\n".join(report(judges, options.seed, (time.monotonic() - begin) / 60)))
    are_slow = [name for name, judge in judges.items() if quantile(judge.worker_times, 0.5) > 1000 * LIMIT_S]
    for name in are_slow:
        print(f"WRONG: {name}: the median is over {1000 * LIMIT_S:.0f} ms")
    return 1 if are_slow or any(judge.complaints for judge in judges.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
