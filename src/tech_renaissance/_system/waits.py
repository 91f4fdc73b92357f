"""Waits of any length. A single wait for a lock is limited to what the platform can
count (49 days on Windows).
"""

import threading
from typing import Callable

# Longer waits are made of several.
_LONGEST_S = 86_400.0


def at_once(timeout_s: float) -> float:
    """As much of a timeout as a single wait may take, for callers that wait in a loop."""
    return min(timeout_s, _LONGEST_S)


def wait_for(changed: threading.Condition, is_so: Callable[[], bool], timeout_s: float) -> bool:
    """``changed.wait_for`` with a timeout of any length. The caller holds the lock."""
    while timeout_s > _LONGEST_S:
        if changed.wait_for(is_so, _LONGEST_S):
            return True
        timeout_s -= _LONGEST_S
    return changed.wait_for(is_so, timeout_s)
