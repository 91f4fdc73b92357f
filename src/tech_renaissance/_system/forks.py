"""Forks of this process: what a child does first, before anything else runs in it. Windows has no forks.

A child has copies of all descriptors, among them locks, lifelines and doorbells, which it would keep alive
after its parent's death. So the first thing it does is to close the descriptors that are held here.
"""

import itertools
import os
import signal
import sys
import threading
from typing import Callable, Dict, Set, Tuple, TypeVar

Numbers = TypeVar("Numbers", int, Tuple[int, int])

# No fork happens while it is held. Reentrant because a signal handler may fork, too.
_no_forks = threading.RLock()
_held: Set[int] = set()


class Forks:
    """``generation`` counts the forks between the original process and this one."""

    generation = 0


def make_held(make: Callable[[], Numbers]) -> Numbers:
    """Call ``make`` and hold the descriptors that it returns, so that children do not keep them."""
    with _no_forks:
        made = make()
        _held.update((made,) if isinstance(made, int) else made)
        return made


def close_held(descriptor: int) -> None:
    """Close a held descriptor. Does nothing if it is not held: this is then a child, where
    something else may have its number.
    """
    with _no_forks:
        if descriptor in _held:
            _held.discard(descriptor)
            os.close(descriptor)


_numbers = itertools.count()
_actions: Dict[int, Callable[[], None]] = {}


def in_children(action: Callable[[], None]) -> Callable[[], None]:
    """From now on every forked child calls ``action`` first. Returns a function that
    undoes this. Thread-safe.

    The child has only the thread that forked, and a lock that another thread held stays locked there forever,
    so ``action`` must not take locks. It is also called in a child that is about to run another program if a
    ``preexec_fn`` runs before that.
    """
    number = next(_numbers)
    _actions[number] = action

    def forget() -> None:
        _actions.pop(number, None)

    return forget


if sys.platform != "win32":
    # Blocks signals until a child's actions have run: an earlier signal would go to its parent's
    # handler, and Python would drop it.
    _mask = threading.local()

    def _before() -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        _no_forks.acquire()
        _mask.before = before

    def _after() -> None:
        before = _mask.before
        _no_forks.release()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _begin() -> None:
        Forks.generation += 1
        try:
            while _held:
                os.close(_held.pop())
            for action in list(_actions.values()):
                action()
        finally:
            _after()

    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_begin)
