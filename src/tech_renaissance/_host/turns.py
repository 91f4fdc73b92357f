"""Who reads what a worker sends: the threads that wait, in turns, and event loops.

A thread that waits becomes the reader if there is none, and reads for all. An event loop cannot wait here. It
is called when something comes while nobody reads: then the transport is armed, which means that the worker
rings for each frame although nobody sleeps.

An exception may come at any moment, such as a KeyboardInterrupt from a signal handler. Whoever takes the lock
next finishes what it interrupted (``_mend``).
"""

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Callable, Dict, Optional, Tuple

from .._base.errors import LocalProtocolError, RemoteProtocolError, TechRenaissanceError
from .._protocol.frame import Request, Response
from .._system.waiters import LockType, Waiters
from .._transport.transport import HostTransport, Taken
from .arrivals import Arrivals
from .book import unreachable
from .call import Call
from .call_queue import CallQueue
from .loops import Loops

if TYPE_CHECKING:
    from types import FrameType

# How long to keep reading from a worker that never stops talking, once the timeout has passed.
_LAST_WORDS_S = 0.5

# How many frames an event loop takes in before it does something else.
_MOST_AT_ONCE = 64

# The methods that run the exchange, and the one by which the second goes on to the first.
_RUN_BY = ("_until", "carry", "send_plain")
_GOES_ON = "_go_on"

# Identifies one wait: a new object, with the thread's id.
_Mark = Tuple[int]


class NobodyServes(Exception):
    """The worker has died or left. ``until``: when the wait that noticed it would have
    ended; None if there was no wait.
    """

    until: Optional[float] = None


class Turns(Arrivals):
    """The part of an Exchange that moves frames. Exchange explains the parameters."""

    def __init__(
        self,
        transport: HostTransport,
        has_exited: Callable[[], bool],
        death: Callable[[Optional[Call], float], TechRenaissanceError],
        queue: CallQueue,
        loops: Loops,
        *,
        switch_output: Optional[Callable[[str], None]],
        hands_over: Callable[[], bool],
        is_open: bool,
    ) -> None:
        super().__init__(
            transport, death, queue, switch_output=switch_output, hands_over=hands_over, is_open=is_open
        )
        self._has_exited = has_exited
        self._lock = threading.RLock()
        self._waiters = Waiters()
        self._reader: Optional[_Mark] = None  # the thread that is in the transport
        # Whether a frame may have been received that has not been completely dealt with.
        self._receiving = False
        self._closed = False
        # The threads that do something else while the worker may wait for them, and serves nobody else: for
        # which call; and whether they may wait for what was sent before it, which has been answered by then.
        self._holding: Dict[Call, Tuple[int, bool]] = {}
        self._loops = loops
        self._is_armed = False  # whether the loops hear of what comes
        self._is_held = False  # whether a loop will take in what has come, before it sleeps
        self._is_awaited = False  # whether a loop wants to be told that nobody reads any more
        # After how many seconds a loop should look, whatever it hears.
        self.look_again_s = 0.0

    def dispatch(self, *, has_fired: bool) -> bool:
        """For event loops: take in what has come, at most some frames. ``has_fired``: whether the handle has.
        False if a thread is reading: it will wake the loops, which need not listen before.
        """
        is_ours = True
        self._is_held = False

        def take() -> bool:
            nonlocal is_ours
            is_ours = self._take_some(has_fired=has_fired)
            return True

        self._until(take, 0)
        return is_ours

    def hold_rings(self) -> None:
        """A loop is about to send calls, or to take items, and to dispatch, so the worker
        need not ring until then.
        """
        self._is_held = True
        with self._lock:
            self._disarm()

    def _until(  # noqa: C901, PLR0912 - see the end of it
        self,
        done: Callable[[], bool],
        timeout_s: float,
        *,
        looks: bool = True,
        awaited: Optional[Call] = None,
    ) -> bool:
        """Run the exchange until ``done()``, which is called under the lock; False after the timeout. A
        timeout of 0 takes in what has already come. ``looks``: whether to look for a while before going to
        sleep. ``awaited``: the call for which this waits, if it is one.

        Does not touch the transport once the exchange is closed, because others use it
        then, or once it is broken.
        """
        until: Optional[float] = None
        left_s = timeout_s if timeout_s > 0 else 0.0
        mark: Optional[_Mark] = None
        taken: Taken = None
        gone = False
        try:
            while True:
                with self._lock:
                    if mark:
                        mark = self._end_reading(taken, gone)
                    if self._sending is not None or (self._receiving and self._reader is None):
                        self._mend()
                    if self._queued:
                        self._send_queued()
                    if self._owing or self._talking:
                        self._send_dues()
                    if done():
                        if self._loops.all:
                            self._rest()
                        return True
                    if until is None:
                        until = time.monotonic() + timeout_s
                    else:
                        left_s = _left_s(until, left_s, came=taken is not None)
                    if left_s < 0 or self._closed or self._broken:
                        if self._loops.all:
                            self._rest()
                        return False
                    if left_s and self._holding and self._waits_for_itself(awaited):
                        raise waits_for_itself()
                    sleeper = self._line_up() if self._reader else None
                    if sleeper is None and self._receiving:
                        # An exception has taken the reader away meanwhile: first comes what that one took.
                        taken = self._transport.taken
                        continue
                    if sleeper is None:
                        mark = (threading.get_ident(),)
                        self._reader = mark
                        self._receiving = True
                        self._is_armed = False
                taken, gone = self._sleep(sleeper, left_s) if sleeper else self._receive(left_s, looks=looks)
        except BaseException as error:
            # At once, in this very function: a signal handler may raise again wherever a function
            # begins, or a call has returned.
            if mark and self._reader is mark:
                self._reader = None
            self._leave(error, until)
            raise

    def take_in(self) -> None:
        """Give what has arrived to the calls it belongs to. Does not wait."""
        with contextlib.suppress(LocalProtocolError):  # in a signal handler
            self._until(lambda: False, 0)

    def wake(self) -> None:
        """Have all who wait look again."""
        self._waiters.wake_all()
        self._transport.wake()

    def wake_others(self) -> None:
        """The same, if anybody waits, for one who does not."""
        if self._waiters.sleepers:
            self._waiters.wake_all()
        if self._reader:
            self._transport.wake()

    def begin_hold(self, call: Call, *, has_loop: bool = False) -> None:
        """From now on this thread does something that the worker may wait for, and serves
        nobody else. ``has_loop``: it is the body of a loop over the call's stream, which may
        wait for what was sent before.
        """
        self._holding[call] = (threading.get_ident(), has_loop)

    def end_hold(self, call: Call) -> None:
        """No longer; or it never did."""
        self._holding.pop(call, None)

    def check_may_wait(self, awaited: Optional[Call] = None) -> None:
        """Raise LocalProtocolError ``would_wait_for_itself`` in what the worker waits for,
        while it serves nobody else.
        """
        if self._holding and self._waits_for_itself(awaited):
            raise waits_for_itself()

    def _waits_for_itself(self, awaited: Optional[Call] = None) -> bool:
        """Whether the worker first waits for this thread, and serves nobody else."""
        me = threading.get_ident()
        return any(
            thread == me and call.is_wanted and not (has_loop and awaited and awaited.came_before(call))
            for call, (thread, has_loop) in list(self._holding.items())
        )

    def _rest(self) -> None:
        """Have the loops hear of what comes, unless another thread reads."""
        if self._loops.forget_closed():
            self._is_held = False  # perhaps by one of those
            self._disarm()
            if not self._loops.all:
                return
        if self._is_armed or self._is_held or self._reader or self._closed or self._broken:
            return
        self._is_armed = True
        self.look_again_s = self._transport.arm()
        if self._is_awaited or not self.look_again_s:
            self._is_awaited = False
            self._loops.wake()

    def _disarm(self) -> None:
        if self._is_armed and not (self._reader or self._closed):
            self._is_armed = False
            self._transport.disarm(has_fired=False)

    def _take_some(self, *, has_fired: bool) -> bool:
        """Take in what has come, in a loop's thread and under the lock."""
        if self._reader:
            self._is_awaited = True
            return False
        if self._closed or self._broken:
            return True
        self._is_armed = False
        self._transport.disarm(has_fired=has_fired)
        self._take_frames(_MOST_AT_ONCE, looks_for_end=has_fired)
        if self._queued:
            self._send_queued()
        return True

    def _take_ready(self) -> bool:
        """Take in what can be had at one look, under the lock."""
        if not (self._reader or self._closed or self._broken):
            self._take_frames(1, looks_for_end=False)
        return True

    def _take_frames(self, most: int, *, looks_for_end: bool) -> None:
        """``looks_for_end``: whether to ask the system, if nothing has come, whether the worker has died."""
        if self._receiving:  # see _until
            self._mend()
        mark = (threading.get_ident(),)
        self._reader = mark
        self._receiving = True
        self._is_armed = False
        try:
            self._take_each(most, looks_for_end=looks_for_end)
        except BaseException:
            if self._reader is mark:
                self._reader = None
            raise
        self._reader = None
        self._receiving = False
        if self._waiters.sleepers:
            self._waiters.wake_all()

    def _take_each(self, most: int, *, looks_for_end: bool) -> None:
        for _ in range(most):
            taken, gone = self._receive(0, looks=True, looks_for_end=looks_for_end)
            looks_for_end = False
            if gone:
                self._lose()
            if taken is None:
                break
            self._deliver(taken)
            if self._broken:
                break

    def _send_queued(self) -> None:
        """Send what is in line, as far as there is room."""
        raise NotImplementedError

    def _line_up(self) -> "LockType":
        """Get ready to sleep until something changes, while another thread reads."""
        if self._reader and self._reader[0] == threading.get_ident():
            raise _refusal()
        return self._waiters.enter()

    def _sleep(self, sleeper: "LockType", timeout_s: float) -> "Tuple[Taken, bool]":
        """In place of ``_receive``, while another thread reads."""
        self._waiters.sleep(sleeper, timeout_s)
        return None, False

    def _leave(self, error: BaseException, until: Optional[float]) -> None:
        """Let another thread read, and finish what this one began."""
        if isinstance(error, NobodyServes):
            error.until = until
        self._waiters.wake_all()
        self._loops.wake()

    def _end_reading(self, taken: Taken, gone: bool) -> None:
        self._reader = None
        if self._sending is not None:  # first, because what came may be the answer to it
            self._mend_sending()
        if taken is not None:
            self._deliver(taken)
        elif gone:
            self._lose()
        self._receiving = False
        if self._waiters.sleepers:
            self._waiters.wake_all()

    def _mend(self) -> None:
        """Finish what an exception interrupted, in any thread."""
        if self._is_interrupted():
            raise _refusal()
        if self._sending is not None:
            self._mend_sending()
        if self._receiving and self._reader is None:
            taken = self._transport.taken
            if isinstance(taken, Request):  # its plain answer, which nobody waits for any more
                self._settle(Response("", id=taken.id), None, again=True)
                self._transport.forget_taken()
            elif taken is not None:
                self._deliver(taken)
            self._receiving = False
            self._waiters.wake_all()

    def _is_interrupted(self) -> bool:
        """Whether this thread is already running the exchange, below a signal handler.
        To be asked in ``_until``.
        """
        runs = 0
        frame: Optional[FrameType] = sys._getframe()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        while frame:
            name = frame.f_code.co_name
            if (name in _RUN_BY or name == _GOES_ON) and frame.f_locals.get("self") is self:
                runs += -1 if name == _GOES_ON else 1
            frame = frame.f_back
        return runs > 1

    def _receive(self, timeout_s: float, *, looks: bool, looks_for_end: bool = True) -> "Tuple[Taken, bool]":
        """What came, or None, and whether the worker has died. What it sent before it died comes first."""
        try:
            receive = self._transport.receive_some
            frame = receive(timeout_s, looks=looks)
            if frame is None and looks_for_end and self._has_exited():
                frame = receive(0, looks=False)
                return frame, frame is None
        except RemoteProtocolError as error:
            return error, False
        except OSError as error:
            raise unreachable(error) from error
        return frame, False


def _refusal() -> LocalProtocolError:
    """The error for a signal handler that has interrupted the exchange, and so cannot wait for it."""
    text = (
        "a signal handler that has interrupted a call can end it, or the session, but make no call of its own"
    )
    return LocalProtocolError("bad_state", text)


def _left_s(until: float, before_s: float, *, came: bool) -> float:
    """The seconds left for the next turn; negative after the last one."""
    now = time.monotonic()
    if not before_s and (not came or now > until + _LAST_WORDS_S):
        return -1.0
    return until - now if until > now else 0.0


def waits_for_itself() -> LocalProtocolError:
    """The error for a wait that would never end."""
    text = (
        "the worker waits for this function, or for the rest of a stream's input, and serves nothing else before: "
        "calls may be sent here, but not waited for"
    )
    return LocalProtocolError("would_wait_for_itself", text)
