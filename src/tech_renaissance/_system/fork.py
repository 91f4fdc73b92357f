"""Forks of this process: what a child does first, before anything else runs in it. Windows has none."""

import itertools
import os
import signal
import sys
import threading
from typing import Callable, Dict

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

    def _hold_signals() -> None:
        _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    def _release_signals() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _mask.before)

    def _begin() -> None:
        try:
            for action in list(_actions.values()):
                action()
        finally:
            _release_signals()

    os.register_at_fork(before=_hold_signals, after_in_parent=_release_signals, after_in_child=_begin)
