"""The doorbell on Windows: an event in each direction. Whoever waits for one resets it by that,
so no ring has to be forgotten.

Both sides have both events. A worker need not notice here that its host has died, because
the host's job object ends it.
"""

import _winapi
import os
from typing import Any, List, Tuple

from ..._system.event_windows import make_event, set_event


class Doorbell:
    """One side's end. Any thread may call ``ring`` and ``wake``; only one at a time may call ``wait``."""

    is_cut = False

    def __init__(self, hears: int, rings: int) -> None:
        """Takes over the handles, even if this fails (OSError)."""
        self.hears = hears
        self._rings = rings
        self._waits_for: List[int] = [hears]
        try:
            for handle in (hears, rings):
                os.set_handle_inheritable(handle, False)
        except OSError:
            self.close()
            raise

    @classmethod
    def pair(cls) -> "Tuple[Doorbell, Tuple[int, int]]":
        """The host's end, and the handles for the worker to inherit: the event it hears and the one it rings.
        They stay open as long as the host's end.
        """
        hears = make_event()
        try:
            rings = make_event()
        except OSError:
            _winapi.CloseHandle(hears)
            raise
        return cls(hears, rings), (rings, hears)

    def watch_exit(self, handle: int) -> None:
        """From now on, waits also end when this process has ended."""
        self._waits_for = [self.hears, handle]

    def wait_in(self, selector: Any) -> bool:
        """Impossible: what a selector waits for are sockets."""
        del selector
        return False

    def ring(self) -> None:
        """Wake the other side. It may have died, which is noticed elsewhere."""
        set_event(self._rings)

    def wake(self) -> None:
        """End our own current wait, or the next one."""
        set_event(self.hears)

    def wait(self, timeout_s: float) -> bool:
        """Sleep until rung, woken, or the process to watch has ended; False if the time passed."""
        try:
            fired = _winapi.WaitForMultipleObjects(self._waits_for, False, int(-(-timeout_s * 1000 // 1)))
        except InterruptedError:  # a signal's handler has run, and may have changed something
            return True
        return fired != _winapi.WAIT_TIMEOUT

    def forget_rings(self) -> bool:
        """There is nothing to forget. True: something may still be heard."""
        return True

    def forget_all_rings(self) -> None:
        """There is nothing to forget here either."""

    def close(self) -> None:
        """Hang up."""
        for handle in (self.hears, self._rings):
            if handle:
                _winapi.CloseHandle(handle)
        self.hears = self._rings = 0
