"""The thread that watches deadlines: each passes at its time, and calls that are over long before cost it nothing."""

import gc
import threading
import weakref
from typing import Callable, Iterator, List

import pytest
from leaks import wait_until

from tech_renaissance._host.call import Call
from tech_renaissance._host.deadline_watch import DeadlineWatch
from tech_renaissance._protocol.frame import Request
from tech_renaissance._system.clock import clock_ns

_MS = 1_000_000
_HOUR = 3_600_000 * _MS


class Watch:
    """A watch, what it has ended, and how often its thread has looked."""

    def __init__(self) -> None:
        self.ended: List[int] = []
        self.looks = 0
        self.fail: Callable[[Call], None] = lambda _: None
        self.watch = DeadlineWatch(self._end)
        look = self.watch._look

        def counting() -> float:
            self.looks += 1
            return look()

        self.watch._look = counting  # type: ignore[method-assign]
        self.watch.prepare()
        wait_until(lambda: self.looks == 1)

    def _end(self, call: Call) -> None:
        self.fail(call)
        self.ended.append(call.request.id or 0)
        call.fail(RuntimeError())

    def add(self, number: int, in_ns: int) -> Call:
        """A call whose deadline comes after so long."""
        call = Call(Request("say", "", number, deadline_ns=clock_ns() + in_ns))
        self.watch.watch(call)
        return call


@pytest.fixture(name="watch")
def make_watch() -> Iterator[Watch]:
    """One whose thread has looked once, at nothing."""
    watch = Watch()
    yield watch
    watch.watch.close()
    watch.watch.join()


def test_a_call_that_could_not_be_ended_is_ended_later(watch: Watch) -> None:
    """Such as one that went to another worker at that moment, or whose end failed."""
    tries: List[int] = []
    end = watch.watch._end

    def end_at_last(call: Call) -> None:
        tries.append(call.request.id or 0)
        if len(tries) == 2:
            raise MemoryError
        if len(tries) == 3:
            end(call)

    watch.watch._end = end_at_last
    call = watch.add(1, 0)
    wait_until(lambda: call.done)
    assert ([1, 1, 1], [1]) == (tries, watch.ended)


def test_deadlines_pass_in_their_order(watch: Watch) -> None:
    """Each at its time, whatever the order in which they came; those of calls that are done pass unnoticed."""
    begin_ns = clock_ns()
    late = watch.add(9, _HOUR)
    calls = [watch.add(number, number * 20 * _MS) for number in (3, 1, 2)]
    done = watch.add(4, 10 * _MS)
    done.fail(RuntimeError())
    assert wait_until(lambda: len(watch.ended) == 3)
    assert [1, 2, 3] == watch.ended
    assert clock_ns() - begin_ns >= 60 * _MS
    assert all(call.done for call in calls)
    assert not late.done


def test_a_call_whose_deadline_is_not_the_next_one_wakes_nobody(watch: Watch) -> None:
    """Also many in turn, each of which is over before the next."""
    first = watch.add(1, _HOUR)
    assert wait_until(lambda: watch.looks == 2)
    for number in range(1000):
        watch.add(number, _HOUR + 1)
    last = watch.add(2, 0)
    assert wait_until(lambda: last.done)
    assert watch.looks <= 4
    assert not first.done


def test_a_call_that_is_over_is_not_kept_until_its_deadline(watch: Watch) -> None:
    """Nor is its result."""
    with_result = watch.add(1, _HOUR)
    answered = weakref.ref(with_result)
    del with_result
    gc.collect()
    assert answered() is None
    assert not watch.watch._calls
    ended = watch.add(2, 0)
    assert wait_until(lambda: len(watch.ended) == 1)
    ended_too = weakref.ref(ended)
    del ended
    assert wait_until(lambda: not watch.watch._calls)
    assert wait_until(lambda: bool(gc.collect() or True) and ended_too() is None)


def test_a_deadline_that_could_not_be_seen_to_is_seen_to_again(watch: Watch) -> None:
    """And does not keep the others waiting."""
    failures = [MemoryError(), SystemExit()]

    def fail(call: Call) -> None:
        if failures and call.request.id == 1:
            raise failures.pop()

    watch.fail = fail
    calls = [watch.add(1, 20 * _MS), watch.add(2, 30 * _MS)]
    assert wait_until(lambda: len(watch.ended) == 2)
    assert [2, 1] == watch.ended
    assert all(call.done for call in calls)


def test_what_is_added_while_the_thread_looks_is_seen(watch: Watch) -> None:
    """Whether it has looked at the others by then or not: many are added from two threads, and each passes."""
    kept: List[Call] = []

    def add(first: int) -> None:
        kept.extend(watch.add(number, (number % 7) * _MS) for number in range(first, 2000, 2))

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wait_until(lambda: len(watch.ended) == 2000)
    assert list(range(2000)) == sorted(watch.ended)


def test_a_watch_over_deadlines_that_are_far_away_ends_at_once(watch: Watch) -> None:
    """And nothing is ended after that."""
    call = watch.add(1, _HOUR)
    watch.watch.close()
    watch.watch.join()
    after = watch.add(2, 0)
    assert [False, False] == [call.done, after.done]
