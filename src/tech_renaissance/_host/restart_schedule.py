"""Whether and when the next worker is started after a crash. Contract: spec/life.md, Supervision."""

from collections import deque
from typing import Deque, Optional

from .options import RestartPolicy

# A worker that lived this long has started well, and the back-off starts over.
_LONG_LIFE_S = 10.0


class RestartSchedule:
    """Not thread-safe."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._restarts: Deque[float] = deque()  # when, on the monotonic clock
        self._next_ms = policy.first_backoff_ms

    def reset(self) -> None:
        """Forget the crashes so far."""
        self._restarts.clear()
        self._next_ms = self._policy.first_backoff_ms

    def next_wait_s(self, lived_s: float, now: float) -> Optional[float]:
        """How long to wait before the restart, after the crash of a worker that lived for
        ``lived_s``; None: no more restarts.
        """
        policy = self._policy
        if lived_s >= _LONG_LIFE_S:
            self._next_ms = policy.first_backoff_ms
        while self._restarts and now - self._restarts[0] >= policy.window_s:
            self._restarts.popleft()
        if len(self._restarts) >= policy.limit:
            return None
        self._restarts.append(now)
        wait_ms = min(self._next_ms, policy.max_backoff_ms)
        self._next_ms = 2 * wait_ms
        return wait_ms / 1000
