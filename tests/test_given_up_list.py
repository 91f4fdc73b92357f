"""The list of requests that a host has given up, in shared memory, when another request is given up in the midst of that, in the same thread: by the
garbage collector, or by a signal handler.
"""

import itertools
from typing import Any, Callable, Dict, cast

import pytest
from interrupt import handled

from tech_renaissance._transport.shm.control import GivenUpList
from tech_renaissance._transport.shm.worker_slots import WorkerSlots


class Words(Dict[int, int]):
    """Those of a control segment. ``act`` is called before and after one is written."""

    act: Callable[[], None] = staticmethod(lambda: None)

    def __missing__(self, index: int) -> int:
        return 0

    def __setitem__(self, index: int, value: int) -> None:
        self.act()
        super().__setitem__(index, value)
        self.act()


class Control:
    """A control segment."""

    def __init__(self) -> None:
        self.words = Words()


@pytest.mark.parametrize("looks", [False, True], ids=["", "looks"])
def test_no_entry_is_lost_if_others_are_added_at_any_writes(looks: bool) -> None:
    """Before and after them, also in the midst of each other. ``looks``: the worker looks at each of these moments, too."""
    for chosen in itertools.combinations(range(20), 2):
        control = Control()
        given_up, worker = GivenUpList(cast("Any", control.words)), WorkerSlots(cast("Any", control))
        moments, numbers = itertools.count(), itertools.count(1)

        def act() -> None:
            if looks:
                worker.is_cancelled(1)  # noqa: B023
            if next(moments) in chosen:  # noqa: B023
                given_up.add(next(numbers))  # noqa: B023

        control.words.act = act
        for _ in range(2):
            given_up.add(next(numbers))
        added = range(1, next(numbers))
        assert [True] * len(added) == [worker.is_cancelled(number) for number in added], chosen
        assert len(added) == 4 or chosen[1] > 8


def test_no_entry_is_lost_if_another_is_added_at_any_moment() -> None:
    """At which a signal handler may run."""
    for moment in itertools.count():
        control = Control()
        given_up, worker = GivenUpList(cast("Any", control.words)), WorkerSlots(cast("Any", control))
        was_handled = handled(lambda: given_up.add(1), moment, lambda: given_up.add(2), "control.py")  # noqa: B023
        given_up.add(3)
        assert [True, was_handled, True] == [worker.is_cancelled(number) for number in (1, 2, 3)], moment
        if not was_handled:
            break
    assert moment > 5
