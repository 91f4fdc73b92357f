"""What Caller does, for tasks of an asyncio loop: they wait without a
thread, and the loop is never held up.
"""

import asyncio
import functools
import math
from collections import deque
from typing import Any, Callable, Deque, List, Mapping, Optional, Sequence, Set, Tuple

from .._base.errors import LocalProtocolError, TimedOut
from .._protocol.body import ReadBody
from .._protocol.body_copy import copy_of_value
from .async_attendant import AsyncAttendant
from .async_input import AsyncInput, close_input
from .call import Call
from .call_maker import whole_input
from .caller import Caller
from .input_source import MOST_VALUES, at, input_refused, too_many
from .interruption import calls_program
from .life import Life
from .loop_dispatcher import LoopDispatcher

# How often to look whether there still is a worker for a call whose input is being taken whole.
_LOOK_S = 1.0

# Has a call send its input at once: these values.
SendWhole = Callable[[List[Any]], None]

# A call, whether it is sent in its turn, and what is done when that has come.
_Early = Tuple[Call, bool, "asyncio.Future[None]"]


class AsyncCaller:
    """For one session and one loop, in whose thread it is used."""

    def __init__(self, caller: Caller, life: Life, loop: asyncio.AbstractEventLoop) -> None:
        """Raises OSError, and what ``Life.transport`` raises."""
        self.loop = loop
        self._caller = caller
        self._dispatcher = LoopDispatcher(life, loop)
        self._attendant = AsyncAttendant(caller, self._dispatcher)
        self._early: Deque[_Early] = deque()  # calls that wait for a worker, in their order
        self._hands_over: Optional[asyncio.Task[None]] = None
        self._beginnings: Set[asyncio.Task[None]] = set()  # of calls whose inputs may travel whole

    def check_may_wait(self) -> None:
        """Raise LocalProtocolError ``would_wait_for_itself`` in what a worker of this session waits for."""
        self._attendant.check_may_wait()

    def submit(self, call: Call) -> "Optional[asyncio.Future[None]]":
        """Hand a call to the worker. If none serves yet, returns what is done when one has taken the
        call. Raises what ends it at once.
        """
        call.stays_in_line = True
        self._dispatcher.plan()
        if not self._early and (self._caller.send_plain(call) or self._caller.try_submit(call)):
            return None
        return self._line_up(call, is_sent=True)

    def _line_up(self, call: Call, *, is_sent: bool) -> "asyncio.Future[None]":
        self._caller.watch_deadline(call)
        self._caller.begin_wait(call)
        handed: asyncio.Future[None] = self.loop.create_future()
        self._early.append((call, is_sent, handed))
        if self._hands_over is None:
            self._hands_over = self.loop.create_task(self._hand_over())
        return handed

    async def handed_over(self, call: Call, handed: "asyncio.Future[None]") -> None:
        """Wait until a worker has the call, or it is done. A task that is cancelled meanwhile cancels the
        call, which a worker may have begun already. ``handed``: what ``submit`` has returned.
        """
        while not (call.done or handed.done()):
            change = self._dispatcher.change_of(call)
            try:
                await asyncio.wait((handed, change), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                self._caller.cancel(call)
                raise
            finally:
                change.cancel()

    async def fetch(
        self, call: Call, timeout_ms: Optional[float], send_whole: Optional[SendWhole] = None
    ) -> Call:
        """Send a new call and wait until it is done, for which nobody else waits. See Caller.fetch."""
        self._attendant.check_may_wait()
        try:
            timeout_s, until = self._caller.timeout_s(call, timeout_ms), None
            if send_whole:
                until = await self._send_whole_if_needed(call, send_whole, timeout_s)
            handed = self.submit(call)
            if handed:
                await self.handed_over(call, handed)
            await self.finish(call, timeout_s, until)
        except BaseException:
            self._caller.abandon(call)
            await close_input(call)
            raise
        return call

    async def finish(self, call: Call, timeout_s: float = math.inf, until: Optional[float] = None) -> None:
        """Wait until a call is done. A task that is cancelled while it waits cancels the call. ``until``: the
        end of the wait on the loop's clock, if that has begun. Raises TimedOut, or what ended the call.
        """
        if until is None:
            until = self.loop.time() + timeout_s
        try:
            while not call.done:
                await self._change_of(call, until)
                if self.loop.time() >= until and not self._caller.has_come(call):
                    raise await self._timed_out(call, timeout_s)
        except asyncio.CancelledError:
            self._caller.cancel(call)
            raise
        if call.on_progress or call.source:
            await self._attendant.finish(call)

    async def _timed_out(self, call: Call, timeout_s: float) -> TimedOut:
        """See Caller. What holds up calls is seen now; when a thread is free, it may be over."""
        return await in_thread(self._caller.timed_out, call, timeout_s, self._caller.lack())

    async def next_item(self, call: Call, timeout_s: float) -> Optional[ReadBody]:
        """Wait for the next item of a stream; None if there are no more, and the call is
        done. Otherwise as ``answer``.
        """
        item = self.take_item(call)
        until = self.loop.time() + timeout_s
        self._attendant.release_input(call)
        try:
            while item is None and not call.done:
                await self._change_of(call, until)
                is_late = self.loop.time() >= until and not self._caller.has_come(call)
                item = self.take_item(call)
                if is_late and not item:
                    raise await self._timed_out(call, timeout_s)
        except asyncio.CancelledError:
            self._caller.cancel(call)
            await close_input(call)
            raise
        finally:
            self._attendant.hold_input(call)
        item = item or self.take_item(call)
        if item is None:
            if call.on_progress or call.source:
                await self._attendant.finish(call)
            call.take_response()
        return item

    def take_item(self, call: Call) -> Optional[ReadBody]:
        """The next item of a stream, if it has come. The loop takes in what comes later once
        nobody goes on in this turn.
        """
        if call.items:
            self._dispatcher.plan()
        return self._caller.take_item(call)

    async def give_way(self, call: Call) -> None:
        """Let other tasks go on. One that is cancelled meanwhile cancels the call."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._caller.cancel(call)
            raise

    async def _change_of(self, call: Call, until: float) -> None:
        """Do what the call wants now, or wait until something about it changes."""
        if call.has_news:
            await self._attendant.attend(call)
        else:
            self._attendant.check_may_wait(call)
            await self._dispatcher.change_of(call, until)

    def make_call(
        self,
        command: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *options: Any,
        streams: bool = False,
    ) -> Tuple[Call, Optional[SendWhole]]:
        """A new call, for ``fetch`` or, if it streams, ``begin``. See CallMaker.make_awaited_call."""
        maker = self._caller
        try:
            if streams:
                return maker.make_typed_call(command, args, kwargs, *options, streams=True), None
            return maker.make_light_call(command, args, kwargs, *options), None
        except LocalProtocolError as error:
            place = input_refused(error, args, kwargs)
            if place is None:
                raise
        source = AsyncInput(at(place, args, kwargs), self.loop)
        call = maker.make_fed_call(
            command, args, kwargs, *options, place=place, source=source, streams=streams
        )
        return call, functools.partial(maker.send_whole, call, args, kwargs, place)

    def begin(self, call: Call, send_whole: Optional[SendWhole]) -> None:
        """Hand a call that streams to the worker: later, if the worker is only starting and the call has an
        input, because this worker may be one to which that travels whole.
        """
        if send_whole is None or (self._caller.serves() and self._caller.can_stream):
            self.submit(call)
            return
        task = self.loop.create_task(self._begin(call, send_whole))
        self._beginnings.add(task)
        task.add_done_callback(self._beginnings.discard)

    async def _begin(self, call: Call, send_whole: SendWhole) -> None:
        try:
            await self._send_whole_if_needed(call, send_whole, math.inf)
            if call.is_wanted:
                handed = self.submit(call)
                if handed:
                    await self.handed_over(call, handed)
        except Exception as error:  # whoever waits for the call gets it
            call.fail(error)
        except BaseException:  # the loop ends
            call.abandoned = True
            raise

    async def _send_whole_if_needed(
        self, call: Call, send_whole: SendWhole, timeout_s: float
    ) -> Optional[float]:
        """Once a worker is ready for a call with an input. Returns the end of the wait for the call, if that
        has begun. Raises what has ended the call.
        """
        until = None
        if self._early or not self._caller.serves():
            await self.handed_over(call, self._line_up(call, is_sent=False))
        if isinstance(call.source, AsyncInput) and call.is_wanted and not self._caller.can_stream:
            until = self.loop.time() + timeout_s
            call.source.begin(call, functools.partial(_send_all, call.source, send_whole))
            self._caller.watch_deadline(call)
            while call.is_wanted and not call.source.is_over:
                await self._whole_or_over(call, until, timeout_s)
        if call.error:
            raise call.error
        return until

    async def _whole_or_over(self, call: Call, until: float, timeout_s: float) -> None:
        """Wait for the input of a call, which has not been sent and can be ended; may return early."""
        self._caller.begin_wait(call)
        try:
            await self._dispatcher.change_of(call, min(until, self.loop.time() + _LOOK_S))
        finally:
            self._caller.end_wait(call)
        if call.is_wanted and self.loop.time() >= until:
            raise await self._timed_out(call, timeout_s)
        if not self._caller.has_come(call) and not self._caller.serves():
            await self.handed_over(call, self._line_up(call, is_sent=False))
            self._caller.worker().exchange.wait_started(0, call)

    async def flush(self, timeout_s: float) -> bool:
        """Wait until the worker has been given every call in line; False after the timeout.
        Raises what ended the worker.
        """
        awaited = [*self._beginnings, *(handed for call, _, handed in self._early if call.is_wanted)]
        if not awaited and self._caller.serves() and self._caller.flush(0):
            return True
        if timeout_s:
            self._attendant.check_may_wait()
        if awaited:
            _, pending = await asyncio.wait(awaited, timeout=timeout_s)
            if pending:
                return False
        return await in_thread(self._caller.flush, timeout_s)

    async def _hand_over(self) -> None:
        """Hand over the calls that came before the worker was ready."""
        try:
            while self._early:
                for _ in range(await self._hand_over_some()):
                    call, _, handed = self._early.popleft()
                    self._caller.end_wait(call)
                    if not handed.done():
                        handed.set_result(None)
        finally:
            self._hands_over = None
            for call, _, handed in self._early:  # the loop ends
                call.abandoned = True
                self._caller.end_wait(call)
                handed.cancel()
            self._early.clear()

    # An error keeps the frames it has passed through, and what they hold: in these no other call.

    async def _hand_over_some(self) -> int:
        """The first one, and those behind it that fail for want of a worker. Returns how many."""
        call, is_sent, _ = self._early[0]
        if self._try_hand_over(call, is_sent=is_sent):
            return 1
        early = deque((call, is_sent) for call, is_sent, _ in self._early)
        try:
            return await in_thread(self._hand_over_in_thread, early)
        except Exception as error:  # there is no thread
            early.clear()
            call.fail(error)
            return 1

    def _try_hand_over(self, call: Call, *, is_sent: bool) -> bool:
        """Without waiting. False if no worker serves."""
        try:
            return not call.is_wanted or (self._caller.try_submit(call) if is_sent else self._caller.serves())
        except Exception as error:
            call.fail(error)
            return True

    def _hand_over_in_thread(self, early: "Deque[Tuple[Call, bool]]") -> int:
        """Wait for a worker that takes one; those before it have failed. Returns how many these are."""
        total = len(early)
        while early and not self._wait_and_hand_over(*early.popleft()):
            pass
        left = len(early)
        early.clear()
        return total - left

    def _wait_and_hand_over(self, call: Call, is_sent: bool) -> bool:
        """Whether there is a worker for it."""
        if call.is_wanted:
            try:
                (self._caller.submit if is_sent else self._caller.worker_for)(call)
            except Exception as error:
                call.fail(error)
            else:
                return True
        return False


async def _send_all(source: AsyncInput, send_whole: SendWhole) -> None:
    source.begin_taking()
    values = source.values
    whole = await _whole(source) if hasattr(values, "__anext__") else whole_input(values)
    if not source.has_ended:
        send_whole(whole)


@calls_program
async def _whole(source: AsyncInput) -> List[Any]:
    whole: List[Any] = []
    async for value in source.values:
        whole.append(copy_of_value(value))
        if source.has_ended:  # and the iterator has not let itself be cancelled
            break
        if len(whole) > MOST_VALUES:
            raise too_many()
    return whole


async def in_thread(action: Callable[..., Any], *args: Any) -> Any:
    """Run what waits and is rare, such as a start, in a thread of the loop's executor."""
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(action, *args))
