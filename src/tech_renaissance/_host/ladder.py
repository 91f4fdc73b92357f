"""The ladders as data: the steps that end a worker or a call, and how long each is given
before the next one is taken.
"""

from typing import NamedTuple, Tuple

from .options import CancelPatience


class Step(NamedTuple):
    """A step's name, as in spec/life.md, and its patience."""

    name: str
    patience_s: float


Ladder = Tuple[Step, ...]

# How long to wait before trying again to end a call, after a failure.
RETRY_S = 0.1
# How long the kernel may take to end a killed process.
KILL = Step("kill", 5.0)

END_LADDER: Ladder = (Step("exit", 2.0), Step("terminate", 1.0), KILL)
TERMINATE_LADDER = END_LADDER[1:]


def call_ladder(patience: CancelPatience) -> Ladder:
    """The steps that end the current call."""
    return (
        Step("notice", patience.notice_ms / 1000),
        Step("interrupt", patience.interrupt_ms / 1000),
        Step("terminate", patience.terminate_ms / 1000),
        KILL,
    )


def longest_climb_s(ladder: Ladder) -> float:
    """How long it takes if every step is needed."""
    return sum(step.patience_s for step in ladder)
