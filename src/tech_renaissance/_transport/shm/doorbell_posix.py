"""The doorbell on POSIX systems: a pipe in each direction.

The host holds both ends of both pipes. So it never writes into a pipe without a reader, which would send it
SIGPIPE, fatal to many programs; and it can ring its own bell to wake itself. The worker holds only the end
that it hears and the end that it rings, so it also notices when the host has died.
"""

import contextlib
import os
import select
from typing import Any, Sequence, Tuple

from ..._system.descriptors_posix import make_pipe
from ..._system.forks import close_held, make_held
from ..._system.refused_polls import rest_if_refused

_FORGET_NBYTES = 4096


class Doorbell:
    """One side's end. Any thread may call ``ring`` and ``wake``; only one at a time may call
    ``wait`` and ``forget_rings``.
    """

    def __init__(self, hears: int, rings: int, *others: int) -> None:
        """Takes over the descriptors, even if this fails (OSError). ``others``: on the host's end, the
        host's copies of the worker's two.
        """
        self._held: Sequence[int] = (hears, rings, *others)
        self._poll = select.poll()
        try:
            if others:
                self._wakes = others[1]
            else:
                make_held(lambda: (hears, rings))  # they were inherited
                hears_wakes, self._wakes = make_pipe()
                self._held = (*self._held, hears_wakes, self._wakes)
                self._poll.register(hears_wakes, select.POLLIN)
            for descriptor in self._held:
                os.set_inheritable(descriptor, False)
                os.set_blocking(descriptor, False)
            self._poll.register(hears, select.POLLIN)
        except OSError:
            self.close()
            raise
        self.hears = hears
        self._rings = rings
        self._heard = False  # whether the ring that ended the last wait is still in the pipe
        self._is_woken = False
        self._selector: Any = None  # where to wait instead
        self.is_cut = False

    @classmethod
    def pair(cls) -> "Tuple[Doorbell, Tuple[int, int]]":
        """The host's end, and the descriptors for the worker to inherit: the one it hears and the one it
        rings. They stay open as long as the host's end.
        """
        worker_hears, host_rings = make_pipe()
        try:
            host_hears, worker_rings = make_pipe()
        except OSError:
            close_held(worker_hears)
            close_held(host_rings)
            raise
        return cls(host_hears, host_rings, worker_hears, worker_rings), (worker_hears, worker_rings)

    def wait_in(self, selector: Any) -> bool:
        """From now on wait in a selector that also waits for other things
        (transport.Watching). For a worker's end.
        """
        selector.watch([self._held[0], self._held[2]])
        self._selector = selector
        return True

    def watch_exit(self, handle: int) -> None:
        """From now on, waits also end when this descriptor becomes readable."""
        self._poll.register(handle, select.POLLIN)

    def ring(self) -> None:
        """Wake the other side. It may have died, which is noticed elsewhere."""
        try:  # not contextlib.suppress, whose code would have to come into the caches, too
            os.write(self._rings, b"!")
        except (BlockingIOError, BrokenPipeError):
            pass

    def wake(self) -> None:
        """End our own current wait, or the next one."""
        self._is_woken = True  # set before writing the byte, which forget_rings may consume along with others
        with contextlib.suppress(BlockingIOError):
            os.write(self._wakes, b"!")

    def wait(self, timeout_s: float) -> bool:
        """Sleep until rung, woken, or the exit handle fires; False if the time passed. Leaves the ring in the
        pipe until ``forget_rings``, because whoever was woken has better things to do first.
        """
        if self._selector is not None:
            heard = self._is_woken or self._selector.wait(timeout_s)
        else:
            try:
                heard = self._is_woken or bool(self._poll.poll(int(-(-timeout_s * 1000 // 1))))
            except OSError as error:
                rest_if_refused(error, timeout_s)
                heard = True  # perhaps
        self._is_woken = False
        self._heard = heard
        return heard

    def forget_rings(self) -> bool:
        """Before preparing a wait, forget what ended the last one. False if nothing more can be heard because
        the other side has died (``is_cut``).
        """
        if self._heard:
            self._heard = False
            self._forget()
        return not self.is_cut

    def forget_all_rings(self) -> None:
        """Forget also what nobody has waited for."""
        self._heard = self._is_woken = False
        self._forget()

    def _forget(self) -> None:
        try:
            rung = self._poll.poll(0)
        except OSError as error:
            rest_if_refused(error, 0)  # they stay in the pipe, and end a later wait
            return
        for descriptor, _ in rung:
            if descriptor in self._held and not os.read(descriptor, _FORGET_NBYTES):
                self.is_cut = True  # it would end every wait from now on, even if the process is alive
                self._poll.unregister(descriptor)

    def close(self) -> None:
        """Hang up. A worker notices this."""
        for descriptor in self._held:
            close_held(descriptor)
