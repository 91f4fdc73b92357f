"""The doorbell: wakes the other side when it sleeps, and tells when it is gone. A pair of connected sockets."""

import contextlib
import os
import select
from typing import Tuple


class Doorbell:
    """One end. ``ring`` may be called from any thread, ``wait`` by one at a time."""

    def __init__(self, descriptor: int) -> None:
        """Takes over the descriptor, also if this fails (OSError)."""
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self.is_cut = False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        try:
            self._wake_read, self._wake_write = os.pipe()
        except OSError:
            os.close(descriptor)
            raise
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._poll.register(self._wake_read, select.POLLIN)

    @classmethod
    def pair(cls) -> Tuple["Doorbell", int]:
        """Our end, and the other as a descriptor to be inherited."""
        import socket  # a worker, which inherits its end, starts without it

        ours, theirs = socket.socketpair()
        with theirs:
            return cls(ours.detach()), theirs.detach()

    def watch_exit(self, handle: int) -> None:
        """From now on waits end when this descriptor polls readable, too."""
        self._poll.register(handle, select.POLLIN)

    def ring(self) -> None:
        """Wake the other side. It may be gone: that is found out elsewhere."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionError):
            os.write(self._descriptor, b"!")

    def wake(self) -> None:
        """End our own wait, or the next one."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"!")

    def wait(self, timeout_s: float) -> bool:
        """Sleep until rung, woken, the exit handle fires, or the other side is gone (``is_cut``); False when the time passed.

        Rings and wakes are forgotten then.
        """
        ready = self._poll.poll(int(-(-timeout_s * 1000 // 1)))
        for descriptor, _ in ready:
            if descriptor == self._descriptor:
                self.is_cut = not self._take_rings()
                if self.is_cut:  # it would end every wait from now on, though the process may live
                    self._poll.unregister(descriptor)
            elif descriptor == self._wake_read:
                os.read(descriptor, 4096)
        return bool(ready)

    def _take_rings(self) -> bool:
        try:
            return bool(os.read(self._descriptor, 4096))
        except ConnectionError:
            return False

    def close(self) -> None:
        """Hang up; the other side sees it."""
        for descriptor in (self._descriptor, self._wake_read, self._wake_write):
            os.close(descriptor)
