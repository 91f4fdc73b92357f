"""The serving loop of workers that have an ``async def`` command: it runs inside of one asyncio loop.
Contract: spec/protocol.md, Async commands.

Asyncio asks its selector for events; ours serves the session meanwhile. So other commands run in the
asyncio loop, one at a time, which they block; coroutines go on between them. Over shared memory on
POSIX systems the selector waits for the doorbell along with the descriptors of coroutines; elsewhere it
looks at these from time to time.
"""

import asyncio
import contextlib
import selectors
import time
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple

from .._protocol.frame import MOST_IN_WORK, Exit, Failure, Request, Response
from .._transport.transport import WorkerTransport
from .loop import RECHECK_S, ServingLoop
from .reply import TASK_REPLY, Leave, Reply, error_response
from .turn import AsyncCall, Turn

# How long a wait may hold up the descriptors of coroutines where they cannot be waited
# for along with the session.
_GLANCE_S = 0.02
_IDLE_GLANCE_S = 0.2  # while there is no call
# How long coroutines may take to end once the worker leaves, and again once they are cancelled.
_LAST_STEPS_S = 1.0
# How long to rest before looking whether one of as many as may be in work has ended.
_FULL_S = 0.001
_Events = List[Tuple[selectors.SelectorKey, int]]


class AsyncServingLoop(ServingLoop):
    """See ServingLoop."""

    abilities: Mapping[str, bool] = {"coroutines": True}

    def __init__(self, turn: Turn, transport: WorkerTransport) -> None:
        super().__init__(turn, transport)
        if self._fast_path is not None:
            self._fast_path.coroutines = self
        self._selector: SessionSelector  # this and the next from the beginning of _serve_all
        self._loop: asyncio.SelectorEventLoop
        self._tasks: Dict[Any, int] = {}  # of calls, with their ids
        self._interrupted: Set[Any] = set()  # those of them that were cancelled for their hosts
        self._first_step: Tuple[
            Callable[..., Any], Callable[..., Any], Tuple[Any, ...]
        ]  # of a new task, in its context
        self._cause: Optional[BaseException] = None  # why a coroutine asked the worker to leave
        self._has_left = False  # no more requests come
        self._has_cancelled_all = False  # because it leaves
        self._limit_s = 0.0  # how long asyncio lets us wait

    @property
    def serves(self) -> bool:
        """Whether it takes requests now."""
        return not self._has_left and len(self._tasks) < MOST_IN_WORK

    def interrupt(self) -> None:
        """Cancel the coroutines of calls that the host has given up. Callable from a signal handler."""
        if self.has_cancelled():
            self._loop.call_soon_threadsafe(self._cancel_given_up)

    def has_cancelled(self) -> bool:
        """See ServingLoop."""
        return any(map(self.transport.is_cancelled, list(self._tasks.values())))

    def serve_beside(self, timeout_s: Optional[float]) -> _Events:
        """What asyncio's selector does: wait for events up to ``timeout_s``, and serve
        the session in the meantime.
        """
        limit_s = RECHECK_S if timeout_s is None else max(0.0, min(timeout_s, RECHECK_S))
        if self._has_left or len(self._tasks) >= MOST_IN_WORK:
            self._read_beside(min(limit_s, _FULL_S))
        else:
            self._serve_for(limit_s)
        # Before any of them goes on: a host that finds a call held up by another, after it has given it up,
        # knows that its coroutine is not resumed.
        if self._tasks and self.transport.has_news():
            self._cancel_given_up()
        return self._selector.real_events()

    def _serve_for(self, limit_s: float) -> None:
        glance_s = _GLANCE_S if self._tasks else _IDLE_GLANCE_S
        self._limit_s = limit_s if self._waits_together else min(limit_s, glance_s)
        has_freed, self._has_freed = self._has_freed, self._has_freed and limit_s >= RECHECK_S
        stays = self._serve_one()
        if self.talks:
            self._end_waits()
        self._has_freed = self._has_freed or has_freed
        if not stays or self._server.is_leaving:
            self._has_left = True
            self._loop.call_later(_LAST_STEPS_S, self._cancel_all)
            self._stop_if_done()

    def _cancel_given_up(self) -> None:
        """In the loop's thread."""
        for task, request_id in list(self._tasks.items()):
            if task not in self._interrupted and self.transport.is_cancelled(request_id):
                self._interrupted.add(task)
                task.cancel()

    def _read_ahead(self, timeout_s: float, *, is_bounded: bool = True) -> Any:
        """As in ServingLoop. What ended the wait may be a descriptor of a coroutine, which stays
        ready while a plain command waits.
        """
        frame = super()._read_ahead(timeout_s, is_bounded=is_bounded)
        if frame is None and timeout_s > _FULL_S:
            time.sleep(_FULL_S)
        return frame

    def _read_beside(self, limit_s: float) -> None:
        """Take no requests for a moment, only what the coroutines in work wait for."""
        frame = self._read_ahead(0, is_bounded=False) if self.talks else None
        if frame is None or (self._has_left and isinstance(frame, Exit)):
            time.sleep(limit_s)  # the doorbell may have been rung, and is not answered
        else:
            self._keep(frame)
        self._end_waits()

    def _end_waits(self) -> None:
        """End the waits of coroutines whose hosts have given them up."""
        for talk in list(self.talks.values()):
            if talk.is_awaiting and self.transport.is_cancelled(talk.request_id):
                talk.end_waits()

    def _serve_all(self) -> None:
        self._selector = SessionSelector(self)
        self._loop = asyncio.SelectorEventLoop(self._selector)
        try:
            self._waits_together = self.transport.wait_in(self._selector)
            self._loop.run_forever()
            if self._cause is not None:
                raise self._cause
        finally:
            self._has_left = True
            try:
                self._take_last_steps()
            finally:
                self._tasks.clear()  # what has not ended by now cannot be interrupted any more
                self._loop.close()

    def _receive(self, timeout_s: float) -> Any:
        return super()._receive(min(timeout_s, self._limit_s))

    def _answer(self, request: Request) -> bool:
        answer = self._response(request)
        if not isinstance(answer, AsyncCall):
            return self._give(request, answer)
        task = self.begin(answer.reply)
        if task.done():
            self._finish(request, answer.reply, task)
        else:
            self.go_on_later(request, answer.reply, task)
        return True

    def begin(self, reply: Reply) -> Any:
        """Run the coroutine of a call up to the first moment in which it has to wait; its task, which may be
        done. Its result is what it raised.
        """
        task = self._new_task(reply)
        self._tasks[task] = reply.request_id or 0
        run, callback, args = self._first_step
        run(callback, *args)
        if task.done():
            del self._tasks[task]
        return task

    def go_on_later(self, request: Request, reply: Reply, task: Any) -> None:
        """Leave to asyncio a task that is not done."""
        self.transport.park(request.id or 0)
        task.add_done_callback(partial(self._finish, request, reply))

    def conclude(self, request: Request, reply: Reply, error: Optional[BaseException]) -> Response:
        """The response after the coroutine has ended."""
        if error is None:
            return self._turn.conclude(request, reply, is_known=True)
        why = self._why_cancelled(request)
        if why and isinstance(error, asyncio.CancelledError):
            return error_response(request, Failure("cancelled", why, "asyncio.CancelledError"))
        try:
            return self._turn.excuse(request, reply, error)
        except Leave as leave:
            self._cause, self._has_left = leave.cause, True
            self._loop.call_soon(self._stop_if_done)
            return leave.response

    def _why_cancelled(self, request: Request) -> str:
        """Why its coroutine was cancelled; empty if we have not done that."""
        if self.transport.is_cancelled(request.id or 0):
            return "its host has ended this call"
        return "its worker leaves" if self._has_cancelled_all else ""

    def _new_task(self, reply: Reply) -> Any:
        """The task of a call, whose first step asyncio will not run: ``_first_step`` has it. Most
        coroutines need no other, so that asyncio has one turn for each call, not three. Python has the like
        since 3.12, as eager tasks.
        """
        loop: Any = self._loop
        loop.call_soon = self._note_step
        try:  # an asyncio.Task whatever tasks the script has its loop make
            return asyncio.Task(_error_of(reply), loop=loop, name=reply.command)
        finally:
            del loop.call_soon

    def _note_step(self, callback: Callable[..., Any], *args: Any, context: Any) -> None:
        self._first_step = (context.run, callback, args)

    def _finish(self, request: Request, reply: Reply, task: Any) -> None:
        self._tasks.pop(task, None)
        self._interrupted.discard(task)
        try:
            error = task.result()
        except asyncio.CancelledError as cancelled:  # before it had begun
            error = cancelled
        self._send(self.conclude(request, reply, error))
        self._stop_if_done()

    def _stop_if_done(self) -> None:
        if self._cause is not None or (self._has_left and not self._tasks):
            self._loop.stop()

    def _cancel_all(self) -> None:
        self._has_cancelled_all = True
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def _take_last_steps(self) -> None:
        """Run the loop until ``_last_steps`` has returned, however often it stops before: because a call has
        ended, or a task raises SystemExit. That changes nothing; why the worker leaves has been decided.
        """
        last_steps = self._loop.create_task(self._last_steps())
        last_steps.add_done_callback(lambda _: self._loop.stop())
        while not last_steps.done():
            with contextlib.suppress(KeyboardInterrupt, SystemExit):
                self._loop.run_forever()

    async def _last_steps(self) -> None:
        """Cancel what still runs, and close the asynchronous generators that are still open. Neither may take
        longer than a moment.
        """
        self._has_cancelled_all = True
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_STEPS_S)
        closing = self._loop.create_task(self._loop.shutdown_asyncgens())
        await asyncio.wait({closing}, timeout=_LAST_STEPS_S)


def run_alone(turn: Turn, call: AsyncCall) -> Response:
    """Run the coroutine of a call without a session. Raises Leave."""
    error = asyncio.run(_error_of(call.reply))
    if error is None:
        return turn.conclude(call.request, call.reply, is_known=True)
    return turn.excuse(call.request, call.reply, error)


class SessionSelector(selectors.BaseSelector):
    """A selector for asyncio whose waits are those of a serving loop."""

    def __init__(self, serving: AsyncServingLoop) -> None:
        self._serving = serving
        self.real = selectors.DefaultSelector()
        self._watched: List[int] = []
        self._happened = True

    def watch(self, descriptors: List[int]) -> None:
        """Waits shall end when something can be read there, too; that is no event of asyncio's."""
        for descriptor in descriptors:
            self.real.register(descriptor, selectors.EVENT_READ)
        self._watched = descriptors

    def wait(self, timeout_s: float) -> bool:
        """Wait for what is watched, and for asyncio's descriptors. Whether anything happened."""
        self._happened = bool(self.real.select(timeout_s))
        return self._happened

    def real_events(self) -> _Events:
        """The events that are there now. Without descriptors of coroutines, and after a wait in which
        nothing happened, there are none.
        """
        is_certain = self._watched and not self._happened and self._serving.serves
        if is_certain and len(self.real.get_map()) == len(self._watched) + 1:
            return []
        self._happened = False
        return [event for event in self.real.select(0) if event[0].fd not in self._watched]

    def select(self, timeout: Optional[float] = None) -> _Events:
        """See BaseSelector."""
        return self._serving.serve_beside(timeout)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See BaseSelector."""
        return self.real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """See BaseSelector."""
        return self.real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See BaseSelector."""
        return self.real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """See BaseSelector."""
        return self.real.get_map()

    def close(self) -> None:
        """See BaseSelector."""
        self.real.close()


async def _error_of(reply: Reply) -> Optional[BaseException]:
    """What the coroutine of a call has raised, if it has. Otherwise the reply has what it gave."""
    TASK_REPLY.set(reply)
    try:
        assert reply.finish is not None
        reply.finish(await reply.coroutine)
    except BaseException as error:
        return error
    finally:
        reply.is_over = True
        if reply.talk is not None:
            reply.talk.finish()
    return None
