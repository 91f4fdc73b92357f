"""Requests that are no longer sent, because workers died while serving them.
Contract: spec/life.md, Supervision.
"""

import zlib
from typing import Dict, NamedTuple, Optional

from .._base.errors import WorkerLost
from .._base.post_mortem import PostMortem
from .call import Call

# A request is no longer sent after this many deaths.
_MOST_DEATHS = 2
# How many requests are remembered. The one noted longest ago is forgotten first.
_MOST_NOTED = 256


class _Case(NamedTuple):
    deaths: int
    last: PostMortem


class Quarantine:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._cases: Dict[str, _Case] = {}  # by request, the latest last

    @property
    def is_empty(self) -> bool:
        """Whether no request has ended a worker. May be read by any thread."""
        return not self._cases

    def note(self, call: Call, death: PostMortem) -> None:
        """Note that a worker died while serving this call."""
        key = request_key(call)
        case = self._cases.pop(key, None)
        self._cases[key] = _Case(case.deaths + 1 if case else 1, death)
        if len(self._cases) > _MOST_NOTED:
            del self._cases[next(iter(self._cases))]

    def clear(self) -> None:
        """Forgive all of them."""
        self._cases.clear()

    def refuse(self, call: Call) -> Optional[WorkerLost]:
        """The error of a request that is no longer sent; None if it may be sent."""
        case = self._cases.get(request_key(call)) if self._cases else None
        if case is None or case.deaths < _MOST_DEATHS:
            return None
        text = (
            f"{call.message[:80]!r} was in progress when {case.deaths} workers ended, and is not sent again until terminate() or please_exit(); "
            f"the last one: {case.last}"
        )
        return WorkerLost("quarantined", text, case.last.exit_status, case.last.output_tail, case.last)


def request_key(call: Call) -> str:
    """What makes two requests the same: their bodies, attachments included."""
    digest = 0
    for placed in call.request.attachments:
        digest = zlib.crc32(placed.tsr(), digest + placed.kind & 0xFFFFFFFF)
    return f"{call.request.typed} {call.request.form} {digest} {call.message}"
