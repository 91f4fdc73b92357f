"""Waits of any length: a lock takes no longer ones than its platform can count (Windows: 49 days)."""

import threading
from typing import Callable

# Who waits longer waits again.
_LONGEST_S = 86_400.0


def at_once(timeout_s: float) -> float:
    """As much of a timeout as one wait may take, for who waits in a loop."""
    return min(timeout_s, _LONGEST_S)


def wait_for(changed: threading.Condition, is_so: Callable[[], bool], timeout_s: float) -> bool:
    """``changed.wait_for``, however long that is; called and left with the lock held."""
    while timeout_s > _LONGEST_S:
        if changed.wait_for(is_so, _LONGEST_S):
            return True
        timeout_s -= _LONGEST_S
    return changed.wait_for(is_so, timeout_s)
