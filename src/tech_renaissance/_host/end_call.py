"""Ending the call in work, step by step. Contract: spec/life.md, Deadlines."""

import contextlib

from .call import Call
from .ladder import call_ladder
from .launched_worker import LaunchedWorker
from .options import CancelPatience


def end_call(worker: LaunchedWorker, call: Call, why: str, patience: CancelPatience) -> str:
    """End the call in work. ``why``: "deadline" or "cancel".

    Returns the step that ended it: "notice", "interrupt", "terminate" or "kill"; empty if it was not in work (any more).
    """
    with worker.ending:
        if not worker.exchange.begin_end(call, why):
            return ""
        call.stack = worker.stacks()
        for step, patience_s in call_ladder(patience):
            call.step = step
            with contextlib.suppress(OSError):  # it cannot be told: the next step needs no cooperation
                _take(step, worker, call)
            if worker.exchange.wait(call, patience_s):
                break
        return call.step


def _take(step: str, worker: LaunchedWorker, call: Call) -> None:
    if step == "notice":
        worker.transport.cancel(call.request.id or 0)
    elif step == "interrupt":
        worker.interrupt()
    else:
        what = "was cancelled" if call.why == "cancel" else "passed its deadline"
        worker.end_process(step, f"{call.message[:80]!r} {what}")
