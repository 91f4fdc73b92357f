"""What a handler can tell and ask its host: the part of TechRenaissanceServer that needs one. Contract:
spec/protocol.md, Progress, Stop, Callbacks.
"""

import math
import numbers
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence, Type, Union

from .._base.errors import LocalProtocolError
from .._transport.transport import WorkerTransport
from .loop import ServingLoop
from .reply import TASK_REPLY, Refusal, Reply
from .turn import Turn

if TYPE_CHECKING:
    replaceable_property = property
else:

    class replaceable_property:  # noqa: N801 - named as property is
        """A property in whose place a script may put an attribute of its own, as scripts
        that are older than it do.
        """

        def __init__(self, get: Callable[[Any], Any]) -> None:
            self._get = get
            self.__doc__ = get.__doc__

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            return self if instance is None else self._get(instance)


class HostFunctions:
    """What the host has exposed: ``host.price("apple")`` calls the host's function "price"."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Not called again for a name that it has had."""
        if name.startswith("_"):
            raise AttributeError(f"no function of a host has a name that begins with _, as {name!r} does")
        self.__dict__[name] = function = partial(self._ask, name)
        return function


class Conversation:
    """See TechRenaissanceServer."""

    _turn: Union[Turn, Type[Turn]]
    _transport: Optional[WorkerTransport]
    _loop: Optional[ServingLoop]

    def progress(self, done: float, total: Optional[float] = None, message: str = "") -> None:
        """Tell the host how far the current call is: ``done`` of ``total``, in any unit, and what it is
        doing. ``total``: None if it is unknown.

        Costs little: what comes too soon after the last, or finds little room, is left out, except for
        the very last. Raises LocalProtocolError ``bad_value``; ``bad_state`` outside of a handler, or
        in another thread than its own.
        """
        so_far, whole = _finite(done, "done"), None if total is None else _finite(total, "total")
        reply = self._reply_here("progress")
        if reply.request_id is None or self._loop is None:  # nobody takes it
            return
        reply.shielded = True
        try:
            self._talk(reply, self._loop).progress(so_far, whole, str(message))
        finally:
            self._unshield(reply)

    @replaceable_property
    def stopping(self) -> bool:
        """Whether the host has asked the current call to finish early. What it then returns
        counts as any other answer.
        """
        reply, transport = self._turn.reply or TASK_REPLY.get(None), self._transport
        if reply is None or transport is None or reply.request_id is None:
            return False
        return transport.is_stopping(reply.request_id)

    @replaceable_property
    def host(self) -> HostFunctions:
        """The functions that the host has exposed. ``self.host.price("apple", timeout_ms=500)`` calls one and
        waits for what it returns; in an ``async def`` command it is ``await self.host.price("apple")``.

        Raises CommandError if it fails, or is not there; TimedOut; Cancelled if the host gives up this call
        meanwhile; LocalProtocolError ``bad_value`` for arguments that cannot be sent, ``bad_state`` outside
        of a handler, or in another thread than its own.
        """
        self.__dict__["host"] = functions = HostFunctions(self._ask)  # found there from now on
        return functions

    def _ask(self, name: str, /, *args: Any, timeout_ms: Optional[float] = None, **kwargs: Any) -> Any:
        reply, loop = self._turn.reply, self._loop
        if reply is None or loop is None or threading.get_ident() != loop.thread:
            reply = self._reply_here(f"host.{name}")
        if loop is None or reply.request_id is None:
            text = f"host.{name}: the host of this call has no functions to call"
            raise LocalProtocolError("bad_state", text)
        reply.shielded = True
        try:
            talk: Any = reply.talk or self._talk(reply, loop)
            if self._turn.reply is None:
                return talk.ask_later(name, args, kwargs, timeout_ms)
            return talk.ask(name, args, kwargs, timeout_ms)
        finally:
            self._unshield(reply)

    def _make_input(
        self,
        reply: Reply,
        convert: Callable[[int, Any], Any],
        values: Optional[Sequence[Any]],
        *,
        is_async: bool,
    ) -> Any:
        """The iterator of a command for the input of its call. ``values``: all of it,
        if they came with the call.
        """
        if self._loop is None or reply.request_id is None:
            raise Refusal("malformed_request", "malformed request: an input needs a session")
        reply.shielded = True
        try:
            from .inputs import InputQueue, PlainInput

            talk = self._talk(reply, self._loop, is_async=is_async)
            talk.input = queue = InputQueue(self._loop, reply, convert)
            if values is not None:
                queue.give(values)
            for item in self._loop.items_ahead(reply.request_id):
                queue.put(item)
            if not is_async:
                return PlainInput(queue, self._reply_here, self._unshield)
            from .async_talk import AsyncInput

            return AsyncInput(queue)
        finally:
            self._unshield(reply)

    def _reply_here(self, what: str) -> Reply:
        """The reply of the call whose handler asks."""
        reply = self._turn.reply or TASK_REPLY.get(None)
        if reply is None:
            raise LocalProtocolError(
                "bad_state", f"{what}: there is no request in work: this is for use in commands"
            )
        if reply.is_over:
            raise LocalProtocolError("bad_state", f"{what}: the call that this belongs to is over")
        if self._loop is not None and threading.get_ident() != self._loop.thread:
            raise LocalProtocolError("bad_state", f"{what}: this is for the thread of the handler alone")
        return reply

    def _talk(self, reply: Reply, loop: ServingLoop, *, is_async: bool = False) -> Any:
        """To be shielded: what is loaded by the first must be loaded whole."""
        if reply.talk is None:
            if is_async or self._turn.reply is None:
                from .async_talk import AsyncTalk as Talk
            else:
                from .talk import Talk
            reply.talk = Talk(loop, reply)
        return reply.talk

    def _unshield(self, reply: Reply) -> None:
        raise NotImplementedError


def _finite(number: Any, name: str) -> float:
    try:
        finite = float(number) if isinstance(number, numbers.Real) else math.nan
    except OverflowError:
        finite = math.inf
    if not math.isfinite(finite):
        raise LocalProtocolError(
            "bad_value", f"progress: {name} is {number!r:.60}, which is not a finite number"
        )
    return finite
