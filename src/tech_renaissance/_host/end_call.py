"""How a call in work is ended, step by step. Contract: spec/life.md, Deadlines."""

import contextlib
import time

from .._base.errors import TechRenaissanceError
from .call import Call
from .ladder import call_ladder
from .launched_worker import LaunchedWorker
from .options import CancelPatience


def end_call(worker: LaunchedWorker, call: Call, why: str, patience: CancelPatience) -> str:
    """End a call in work. ``why``: "deadline" or "cancel". Other threads may end other calls of the worker
    meanwhile, for one of which this one may have to wait.

    Returns the step that ended it: "notice", "interrupt", "terminate" or "kill", or "queue" if the worker had
    not really begun it; empty if it is not, or no longer, in work, or another thread is ending it.
    """
    if not worker.exchange.begin_end(call, why):
        return ""
    try:
        call.stack = worker.stacks_for(call)
        for step, patience_s in call_ladder(patience):
            call.step = step
            with contextlib.suppress(
                OSError, MemoryError
            ):  # if a step cannot be taken, the next one needs no cooperation
                _take(step, worker, call)
            if _was_enough(step, worker, call, patience_s):
                break
        return call.step
    finally:
        call.is_being_ended = False


def _was_enough(step: str, worker: LaunchedWorker, call: Call, patience_s: float) -> bool:
    """Whether the call ends within that time. If nothing more can be received, waits
    for the end of the process.
    """
    until = time.monotonic() + patience_s
    try:
        has_ended = worker.exchange.wait(call, patience_s)
        # It may have been suspended since, and have to wait long for its turn, in which it would end.
        return has_ended or (step in ("notice", "interrupt") and worker.exchange.end_suspended(call))
    except TechRenaissanceError:
        return call.done or worker.process.wait(max(0.0, until - time.monotonic()))


def _take(step: str, worker: LaunchedWorker, call: Call) -> None:
    if step == "notice":
        worker.transport.ask_to_cancel(call.request.id or 0)
    elif step == "interrupt":
        worker.interrupt()
    else:
        what = "was cancelled" if call.why == "cancel" else "passed its deadline"
        worker.end_process(step, f"{call.message[:80]!r} {what}")
