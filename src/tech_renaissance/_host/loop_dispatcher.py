"""Has an asyncio loop take in what comes for a session, so that its tasks can await calls. A call
that is awaited costs no thread.
"""

import asyncio
import contextlib
import functools
import math
import threading
from collections import deque
from typing import Callable, Deque, Dict, List, Optional, Tuple

from .._base.errors import TechRenaissanceError
from .call import Call
from .life import Life

# How long to sleep at most while calls are awaited: a wake-up that was lost causes no more than a delay.
_LONGEST_S = 1.0

# What is awaited, and until when.
_Wait = Tuple["asyncio.Future[None]", float]


class LoopDispatcher:
    """For one session and one loop. Everything but ``wake`` and ``notice`` happens in the loop's thread."""

    def __init__(self, life: Life, loop: asyncio.AbstractEventLoop) -> None:
        """Raises OSError."""
        self.loop = loop
        self._life = life
        self._awaited: Dict[Call, List[_Wait]] = {}
        self._changed: Deque[Call] = deque()
        self._is_planned = False  # whether the loop will dispatch before it sleeps
        self._is_woken = False  # whether another thread has asked for that
        self._is_listening = False
        self._has_ended = False
        self._thread = 0  # the loop's, while it dispatches
        self._timer: Optional[asyncio.TimerHandle] = None
        self._looks_at = math.inf  # when the timer fires
        self._notice: Callable[[Call], None] = self.notice
        self._handle = life.loops.add(self)
        self._listen()
        self.plan()

    def plan(self) -> None:
        """Calls are about to be sent: dispatch once, after all that the loop does in this turn."""
        if self._is_planned:
            return
        self._is_planned = True
        worker = self._life.worker
        if worker:
            worker.exchange.hold_rings()
        self.loop.call_soon(self._dispatch)

    def change_of(self, call: Call, until: float = math.inf) -> "asyncio.Future[None]":
        """Is done when something about the call has changed since this was called, or at ``until`` on the
        loop's clock, or now and then. Look first.
        """
        future: asyncio.Future[None] = self.loop.create_future()
        awaited = self._awaited.get(call)
        if awaited is None:
            self._awaited[call] = [(future, until)]
            if self._notice not in call.watchers:
                call.watchers = (*call.watchers, self._notice)
                if call.done or call.items or call.has_news:  # since the look, so that nobody was told
                    self._changed.append(call)
        else:
            awaited.append((future, until))
        until = min(until, self.loop.time() + _LONGEST_S)
        if until < self._looks_at:
            self._look_at(until)
        if not self._is_planned:
            self.plan()
        return future

    def notice(self, call: Call) -> None:
        """A call has changed. Any thread may say so."""
        self._changed.append(call)
        if self._thread != threading.get_ident():
            self.wake()

    def wake(self) -> None:
        """See Loop."""
        if not self._is_woken:
            self._is_woken = True
            with contextlib.suppress(RuntimeError):  # the loop was closed
                self.loop.call_soon_threadsafe(self._dispatch)

    def end(self) -> None:
        """See Loop."""
        if self.loop.is_closed():
            self._life.loops.remove(self)
        else:
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.close)

    def is_closed(self) -> bool:
        """See Loop."""
        return self.loop.is_closed()

    def close(self) -> None:
        """Dispatch no more, because the session has ended. Safe to call twice."""
        self._has_ended = True
        if self._timer:
            self._timer.cancel()
        self._looks_at = -math.inf
        if self._is_listening:
            self._is_listening = False
            self._handle.ignore(self.loop)
        self._life.loops.remove(self)
        self._changed.extend(self._awaited)
        self._settle()

    def _listen(self) -> None:
        if not self._is_listening:
            self._is_listening = True
            self._handle.listen(self.loop, functools.partial(self._dispatch, has_fired=True))

    def _dispatch(self, *, has_fired: bool = False) -> None:
        self._is_planned = self._is_woken = False
        worker = None if self._has_ended else self._life.worker
        if worker is None:
            self._settle()
            return
        self._thread = threading.get_ident()
        try:
            is_ours = worker.exchange.dispatch(has_fired=has_fired)
        except TechRenaissanceError as error:  # nothing can be received
            self._fail(error)
            is_ours = True
        finally:
            self._thread = 0
        if is_ours:
            self._listen()
        elif self._is_listening:
            self._is_listening = False
            self._handle.ignore(self.loop)
        self._settle()
        if self._awaited and worker.exchange.look_again_s < _LONGEST_S:
            self._look_at(self.loop.time() + worker.exchange.look_again_s)

    def _settle(self) -> None:
        changed, awaited = self._changed, self._awaited
        while changed:
            for future, _ in awaited.pop(changed.popleft(), ()):
                if not future.done():
                    future.set_result(None)

    def _fail(self, error: TechRenaissanceError) -> None:
        awaited, self._awaited = self._awaited, {}
        for futures in awaited.values():
            for future, _ in futures:
                if not future.done():
                    future.set_exception(error)

    def _look_at(self, when: float) -> None:
        """Look then, if not earlier."""
        if when < self._looks_at:
            if self._timer:
                self._timer.cancel()
            self._looks_at = when
            self._timer = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        """Wake those whose time is over, and find what was lost."""
        self._timer = None
        self._looks_at = math.inf
        now = self.loop.time()
        next_look = math.inf
        for call, waits in list(self._awaited.items()):
            waits[:] = [(future, until) for future, until in waits if not future.done()]
            earliest = min([until for _, until in waits], default=math.inf)
            if not waits:  # nobody awaits it any longer
                del self._awaited[call]
            elif call.done or earliest <= now:
                self._changed.append(call)
            else:
                next_look = min(next_look, earliest, now + _LONGEST_S)
        self._dispatch()
        if next_look < math.inf:
            self._look_at(next_look)
