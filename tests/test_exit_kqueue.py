"""How a host on macOS learns of a worker's end, with a kqueue that is made up: what is asked of it, and what its answers mean."""

import select
from typing import Any, List, NamedTuple, Optional, Union

import pytest

from tech_renaissance._process import exit_kqueue

_PID = 4711
# Of sys/event.h and sys/wait.h.
_PROCESSES, _ADD, _EXIT, _WITH_STATUS = -5, 1, 0x80000000, 0x04000000
_DUMPED_CORE = 0x80


class _Event(NamedTuple):
    ident: int
    filter: int
    flags: int
    fflags: int
    data: int = 0


class _Queue:
    """Answers with a status of wait(2), with nothing, or with an error."""

    def __init__(self, answer: Union[int, OSError, None]) -> None:
        self._answer = answer
        self.asked: List[Any] = []
        self.is_closed = False

    def control(self, changes: List[_Event], count: int, timeout_s: Optional[float]) -> List[_Event]:
        self.asked += [*changes, count, timeout_s]
        if isinstance(self._answer, OSError):
            raise self._answer
        return [] if self._answer is None else [changes[0]._replace(data=self._answer)]

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> _Queue:
    """What the system's kqueue is replaced by; ``request.param`` is its answer."""
    made = _Queue(request.param)
    names = {"KQ_FILTER_PROC": _PROCESSES, "KQ_EV_ADD": _ADD, "KQ_NOTE_EXIT": _EXIT}
    for name, value in {**names, "kevent": _Event, "kqueue": lambda: made}.items():
        monkeypatch.setattr(select, name, value, raising=False)
    return made


@pytest.mark.parametrize(
    ("queue", "status"),
    [(0, 0), (3 << 8, 3), (9, -9), (11 | _DUMPED_CORE, -11), (ProcessLookupError(), None)],
    indirect=["queue"],
)
def test_an_end_is_told_with_its_status(queue: _Queue, status: Optional[int]) -> None:
    """The exit code, or the negative signal; unknown if somebody else has asked for it already."""
    assert status == exit_kqueue.wait_for_end(_PID)
    assert [_Event(_PID, _PROCESSES, _ADD, _EXIT | _WITH_STATUS), 1, None] == queue.asked
    assert queue.is_closed


@pytest.mark.parametrize(
    ("queue", "has_ended"),
    [(None, False), (0, True), (9, True), (ProcessLookupError(), True)],
    indirect=["queue"],
)
def test_whether_it_has_ended_is_told_without_waiting(queue: _Queue, has_ended: bool) -> None:
    """And without reaping it."""
    assert has_ended == exit_kqueue.has_ended(_PID)
    assert 0 == queue.asked[-1]
    assert queue.is_closed
