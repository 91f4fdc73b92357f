"""What Attendant does, for tasks of an asyncio loop: functions, and what gives the values of
an input, may be coroutines.
"""

import asyncio
import functools
import inspect
from contextvars import ContextVar
from typing import Any, Optional
from weakref import WeakKeyDictionary

from .._protocol.frame import Answer, Ask, Failure
from .async_input import AsyncInput, close_input
from .attendant import last_item, withdraw
from .call import CANCELLED, Call, refusal
from .caller import Caller
from .exchange import Exchange
from .exposed import Asked, failure_of
from .interruption import calls_program
from .loop_dispatcher import LoopDispatcher
from .turns import waits_for_itself


class _Hold:
    """Something that a worker waits for while it serves nobody else."""

    def __init__(self, caller: Caller, call: Call) -> None:
        self.caller = caller
        self.call = call
        self.is_over = False


# In such a thing. Tasks that it starts have it, too.
_HELD: "ContextVar[Optional[_Hold]]" = ContextVar("_HELD", default=None)

# How long to wait before looking again whether there is room.
_ROOM_S = 0.001


class AsyncAttendant:
    """For one session."""

    def __init__(self, caller: Caller, dispatcher: LoopDispatcher) -> None:
        self._caller = caller
        self._dispatcher = dispatcher
        self._attendant = caller.attendant
        # Streams whose inputs have not ended, by the tasks that loop over them.
        self._looped_over: WeakKeyDictionary[asyncio.Task[Any], Call] = WeakKeyDictionary()

    def check_may_wait(self, awaited: Optional[Call] = None) -> None:
        """Raise LocalProtocolError ``would_wait_for_itself`` in what a worker of this session waits for; also
        in the loop over a stream whose input has not ended, unless what is ``awaited`` was sent before.
        """
        held = _HELD.get()
        if held and held.caller is self._caller and not held.is_over and held.call.is_wanted:
            raise waits_for_itself()
        task = asyncio.current_task() if self._looped_over else None
        call = self._looped_over.get(task) if task else None
        if not (call and call.source and call.is_wanted) or call.source.has_ended:
            return
        if not (awaited and awaited.came_before(call)):
            raise waits_for_itself()

    def hold_input(self, call: Call) -> None:
        """See Caller."""
        task = asyncio.current_task()
        if task and call.source and isinstance(call.exchange, Exchange) and not call.exchange.has_coroutines:
            self._looped_over[task] = call

    def release_input(self, call: Call) -> None:
        """See Caller."""
        task = asyncio.current_task() if call.source else None
        if task:
            self._looped_over.pop(task, None)

    async def attend(self, call: Call) -> None:
        """See Attendant; but the input is left to its task."""
        call.has_news = False
        if isinstance(call.source, AsyncInput):
            call.source.begin(call, functools.partial(self._feed, call, call.source))
        try:
            await self._tell_progress(call)
            if call.ask:
                await self._run(call)
        except BaseException as error:
            withdraw(call, error)
            raise

    async def finish(self, call: Call) -> None:
        """See Attendant."""
        try:
            await self._tell_progress(call)
        except Exception as error:
            call.fail_after_all(error)
            raise
        finally:
            if call.source:
                call.source.close()
            await close_input(call)

    @calls_program
    async def _tell_progress(self, call: Call) -> None:
        progress, on_progress = self._attendant.new_progress(call), call.on_progress
        if progress and on_progress:
            await _result_of(on_progress(progress))

    async def _run(self, call: Call) -> None:
        exchange = call.exchange
        ask = exchange.take_ask(call) if isinstance(exchange, Exchange) else None
        if ask is None or not isinstance(exchange, Exchange):
            return
        answer = refusal(ask, CANCELLED)
        try:
            answer = await self._answered(call, ask, exchange)
        finally:
            exchange.send_answer(call, answer)

    async def _answered(self, call: Call, ask: Ask, exchange: Exchange) -> Answer:
        exposed = self._attendant.exposed
        asked = exposed.asked(ask)
        if isinstance(asked, Failure):
            return refusal(ask, asked)
        act = functools.partial(_called, call, ask, asked, exchange)
        try:
            result = await (self._held(call, act) if ask.waiting else act())
        except Exception as error:
            return refusal(ask, failure_of(error))
        return exposed.answer(ask, result)

    async def _held(self, call: Call, act: Any) -> Any:
        """Run what the worker waits for while it serves nobody else."""
        hold = _Hold(self._caller, call)
        token = _HELD.set(hold)
        try:
            return await act()
        finally:
            hold.is_over = True
            _HELD.reset(token)

    async def _feed(self, call: Call, source: AsyncInput) -> None:
        """Send the values, one after another, as the worker takes them."""
        while not source.has_ended:
            if source.may_send:
                await self._send_next(call, source)
            else:
                await self._dispatcher.change_of(call)

    async def _send_next(self, call: Call, source: AsyncInput) -> None:
        exchange = call.exchange
        # The call may just have gone back into line.
        if not isinstance(exchange, Exchange) or not exchange.begin_item(call):
            await self._dispatcher.change_of(call)
            return
        take = functools.partial(_next_value, call, source.values, exchange)
        try:
            value = await (take() if exchange.has_coroutines else self._held(call, take))
        except StopAsyncIteration:
            value = _END
        if source.has_ended:  # meanwhile, and the iterator has not let itself be cancelled
            return
        item = last_item(call) if value is _END else self._attendant.item(call, value)
        while not exchange.send_item(call, item, 0):  # noqa: ASYNC110 - nothing announces room
            await asyncio.sleep(_ROOM_S)
        exchange.take_in()
        await asyncio.sleep(0)


_END = object()


@calls_program
async def _called(call: Call, ask: Ask, asked: Asked, exchange: Exchange) -> Any:
    """What a function returns, perhaps as a coroutine."""
    try:  # for what is not awaited
        if ask.waiting:
            exchange.begin_hold(call)
        result = asked.function(*asked.args, **asked.kwargs)
    finally:
        exchange.end_hold(call)
    return await _result_of(result)


@calls_program
async def _next_value(call: Call, values: Any, exchange: Exchange) -> Any:
    """The next value of an input; _END or StopAsyncIteration after the last."""
    if hasattr(values, "__anext__"):
        return await values.__anext__()
    try:  # for what is not awaited
        if not exchange.has_coroutines:
            exchange.begin_hold(call)
        return next(values, _END)
    finally:
        exchange.end_hold(call)


@calls_program
async def _result_of(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
