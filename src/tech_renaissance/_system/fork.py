"""Forks of this process: what a child does first, before anything else runs in it. Windows has none.

A child has copies of all descriptors: of locks, lifelines and doorbells that would go on when its parent is dead. So those that are
held here are closed in it, first of all.
"""

import itertools
import os
import signal
import sys
import threading
from typing import Callable, Dict, Set, Tuple, TypeVar

Numbers = TypeVar("Numbers", int, Tuple[int, int])

# No fork is made while it is held. A signal handler may fork, too.
_no_forks = threading.RLock()
_held: Set[int] = set()


class Forks:
    """How many forks this process is away from the first one."""

    generation = 0


def make_held(make: Callable[[], Numbers]) -> Numbers:
    """Call ``make`` and hold the descriptors that it returns: a child does not keep them."""
    with _no_forks:
        made = make()
        _held.update((made,) if isinstance(made, int) else made)
        return made


def close_held(descriptor: int) -> None:
    """Close a descriptor that is held; one that is none does nothing: this is a child, where its number may be another's."""
    with _no_forks:
        if descriptor in _held:
            _held.discard(descriptor)
            os.close(descriptor)


_numbers = itertools.count()
_actions: Dict[int, Callable[[], None]] = {}


def in_children(action: Callable[[], None]) -> Callable[[], None]:
    """From now on every forked child calls ``action`` first, until what is returned is called. Thread-safe.

    The child has only the thread that forked. A lock that another thread held is held for ever there: ``action`` takes none.
    It is also called in a child that is about to run another program, if Python code of its user's (``preexec_fn``) runs before that.
    """
    number = next(_numbers)
    _actions[number] = action

    def forget() -> None:
        _actions.pop(number, None)

    return forget


if sys.platform != "win32":
    # A signal that came before a child's actions would meet its parent's handler, and Python would forget it.
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
