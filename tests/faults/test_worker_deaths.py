"""A worker dies, of any cause at any moment: who waits gets one typed error with the whole record, and nothing is left.

Left out of the product: what a handler raises (SystemExit too) is answered before the worker leaves, see tests/test_deaths.py; an
exception or sys.exit in a thread ends no process; abort differs from a fault of memory by its signal's number only.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, List, NamedTuple

import pytest
from gates import Gate
from leaks import wait_until
from moments import LONG_MS, Held, Stopwatch, hold, in_thread, pid_beside
from processes import (
    ABORTED,
    ABORTED_NAME,
    KILLED,
    KILLED_NAME,
    SEGFAULT,
    SEGFAULT_NAME,
    forks,
    is_alive,
    kill,
    posix_files,
    posix_sockets,
)

from tech_renaissance import LaunchError, PostMortem, TechRenaissanceError, WorkerLost

Maker = Callable[..., Any]


class Cell(NamedTuple):
    """A fault at a moment, and the exit status that it leaves."""

    fault: str
    moment: str
    status: int


CELLS = [
    *(Cell("kill", moment, KILLED) for moment in ("starting", "idle", "busy", "replying")),
    *(Cell("segfault", moment, SEGFAULT) for moment in ("starting", "idle", "busy", "replying")),
    *(Cell("os._exit", moment, 7) for moment in ("starting", "idle", "busy", "replying")),
    Cell("abort", "busy", ABORTED),
    Cell("sys.exit", "starting", 5),
    Cell("raise", "starting", 1),
]
SIGNALS = {KILLED: KILLED_NAME, SEGFAULT: SEGFAULT_NAME, ABORTED: ABORTED_NAME}


def strike(held: Held, fault: str) -> None:
    """From outside, or by the worker's own hand."""
    if fault == "kill":
        kill(held.pid)
    else:
        held.gate.open()


def record_of(error: TechRenaissanceError) -> PostMortem:
    """The error's, which has to be there."""
    record = getattr(error, "post_mortem", None)
    assert record is not None
    return record


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.fault}-{cell.moment}")
def test_a_death_is_one_typed_error(start: Maker, gate: Gate, stopwatch: Stopwatch, cell: Cell) -> None:
    """To who waits, as soon as it happens; later calls hear of the same one."""
    held = hold(start, gate, cell.moment, "" if cell.fault == "kill" else cell.fault)
    with ThreadPoolExecutor(1) as threads:
        waiting = in_thread(threads, held.wait) if cell.moment != "replying" else None
        stopwatch.start()
        strike(held, cell.fault)
        if waiting is None:  # answers that are there come first
            held.read_answers()
            waiting = in_thread(threads, held.wait)
        error, _ = waiting.result()
        stopwatch.stop(f"error of {cell.fault}")
    if cell.moment == "idle":
        assert error is True
        with pytest.raises(WorkerLost) as caught:
            held.session.fetch_response("echo")
        error = caught.value
    assert (LaunchError if cell.moment == "starting" else WorkerLost) is type(error), repr(error)
    assert ("died_at_start" if cell.moment == "starting" else "worker_lost") == error.code
    record = record_of(error)
    assert (cell.status, cell.status, held.pid) == (error.exit_status, record.exit_status, record.pid)
    assert SIGNALS.get(cell.status, "") == record.signal
    moment = {"replying": "busy"}.get(cell.moment, cell.moment)
    assert (moment, held.command, "") == (record.moment, record.message, record.ended_by_host)
    has_stack = (
        cell.fault in ("segfault", "abort") and cell.moment != "starting"
    )  # faulthandler comes with the server
    assert has_stack == ("in stand" in record.stack)
    assert (cell.fault == "raise") == ("RuntimeError: not today" in record.traceback)
    with pytest.raises(type(error)) as again:
        held.session.fetch_response("echo")
    assert record == again.value.post_mortem == held.session.post_mortem()
    assert not is_alive(held.pid)


def test_a_death_before_it_is_ready_ends_a_wait_of_years(start: Maker, gate: Gate) -> None:
    """It is not told at the end of the wait."""
    held = hold(start, gate, "starting")
    with ThreadPoolExecutor(1) as threads:
        waiting = in_thread(threads, lambda: held.session.fetch_response("echo", 10**12))
        kill(held.pid)
        error, _ = waiting.result()
    assert (LaunchError, KILLED) == (type(error), error.exit_status)


@pytest.mark.parametrize("where", ["in the group", pytest.param("escaped", marks=forks)])
def test_a_child_that_lives_on_does_not_hide_the_death(
    start: Maker, gate: Gate, stopwatch: Stopwatch, where: str
) -> None:
    """Though it has all that its parent had open: output, doorbell, lifeline. It is ended, unless it has left the group."""
    session = start("faulty.py", quiet_mode=True, environment={"GATE": gate.path})
    session.send_request(f"fork-and-die {where}")
    gate.wait_for_arrival()
    child = pid_beside(gate)
    with ThreadPoolExecutor(1) as threads:
        waiting = in_thread(threads, lambda: session.wait_for_response(LONG_MS))
        stopwatch.start()
        gate.open()
        error, _ = waiting.result()
        stopwatch.stop("error of a worker whose child lives on")
    assert isinstance(error, WorkerLost)
    assert (7, f"fork-and-die {where}") == (error.exit_status, record_of(error).message)
    if where == "escaped":
        assert is_alive(child)
        kill(child)
    assert wait_until(lambda: not is_alive(child))
    session.start()
    assert "again" == session.fetch_response("echo again")


@posix_sockets
@pytest.mark.parametrize("transport", ["shm"], indirect=True)
def test_a_death_without_a_doorbell_is_noticed(start: Maker, gate: Gate, stopwatch: Stopwatch) -> None:
    """The process is watched, not only what it says."""
    held = hold(start, gate, "busy", "hang-up")
    gate.open()
    gate.wait_for_arrival()
    with ThreadPoolExecutor(1) as threads:
        waiting = in_thread(threads, held.wait)
        stopwatch.start()
        gate.open()
        error, _ = waiting.result()
        stopwatch.stop("error of a worker without a doorbell")
    assert (WorkerLost, 7) == (type(error), error.exit_status)


def test_every_call_in_full_rings_hears_of_the_death(start: Maker, gate: Gate, stopwatch: Stopwatch) -> None:
    """Those that were sent, and the one that waits for room."""
    held = hold(start, gate, "busy")
    sent = {"file": 1, "shm": 5}[os.environ["TR_TRANSPORT"]]
    text = "echo " + "x" * 50_000
    for _ in range(sent):
        held.session.send_request(text)
    with ThreadPoolExecutor(2) as threads:
        without_room = in_thread(threads, lambda: held.session.fetch_response(text, LONG_MS))
        stopwatch.start()
        kill(held.pid)
        errors: List[Any] = [without_room.result()[0]]
        stopwatch.stop("error of kill, rings full")
        errors += [in_thread(threads, held.wait).result()[0] for _ in range(sent + 1)]
    assert [WorkerLost] * (sent + 2) == list(map(type, errors))
    assert [record_of(errors[0])] * (sent + 2) == list(map(record_of, errors))
    assert "work" == record_of(errors[0]).message


@posix_files
def test_a_death_in_the_middle_of_output_that_nobody_takes_is_noticed(
    start: Maker, gate: Gate, stopwatch: Stopwatch, tmp_path: Any
) -> None:
    """The pipe is full, and so is where it leads; the last lines are known all the same."""
    output = str(tmp_path / "output")
    os.mkfifo(output)
    nobody = os.open(output, os.O_RDWR | os.O_NONBLOCK)
    try:
        session = start("faulty.py", output=output, environment={"GATE": gate.path})
        session.send_request("chatter 64")
        assert wait_until(lambda: os.path.exists(f"{gate.path}.pid") and _is_stuck_writing(pid_beside(gate)))
        with ThreadPoolExecutor(1) as threads:
            waiting = in_thread(threads, lambda: session.wait_for_response(LONG_MS))
            stopwatch.start()
            kill(pid_beside(gate))
            error, _ = waiting.result()
            stopwatch.stop("error of kill, output stuck")
        assert (WorkerLost, KILLED) == (type(error), error.exit_status)
        assert error.output_tail.endswith("xxx\n") or error.output_tail.endswith("xxx")
        session.close()
    finally:
        os.close(nobody)


def _is_stuck_writing(pid: int) -> bool:
    with open(f"/proc/{pid}/wchan") as wchan, open(f"/proc/{pid}/syscall") as syscall:
        return "pipe" in wchan.read() or syscall.read().startswith("1 0x1 ")
