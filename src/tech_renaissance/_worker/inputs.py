"""The input of a call: values that its host sends one after another, as an iterator of the command.
Contract: spec/protocol.md, Input streams.
"""

from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, List, Optional, Sequence, Union

from .._protocol.binder import WrongArguments
from .._protocol.frame import CREDIT_STEP, FIRST_CREDIT, Credit, Item
from .._transport.transport import FOR_ITEM, NOTHING
from .reply import Refusal, Reply, drop
from .talk import value_of

if TYPE_CHECKING:
    from .loop import ServingLoop

# Makes the value with a number what the command's hint wants. Raises WrongArguments.
Convert = Callable[[int, Any], Any]


class Given:
    """A value that came with the call itself."""

    def __init__(self, value: Any) -> None:
        self.value = value


class InputQueue:
    """What has come of an input and not been taken. For the thread that serves, only."""

    def __init__(self, loop: "ServingLoop", reply: Reply, convert: Convert) -> None:
        self.loop = loop
        self.reply = reply
        self._convert = convert
        self._came: Deque[Union[Item, Given]] = deque()
        self._credit = FIRST_CREDIT
        self._owed = 0  # how many were taken since more were granted
        self._number = 0
        self._is_over = False
        self._has_overrun = False
        self.waiters: List[Any] = []  # futures of coroutines

    def give(self, values: Sequence[Any]) -> None:
        """All of it, which came with the call."""
        self._came.extend(map(Given, values))
        self._came.append(Item(None, last=True))

    def put(self, item: Item) -> None:
        """One has come."""
        if self._is_over:
            drop(item)
            return
        if not item.last:
            self._credit -= 1
            self._has_overrun = self._has_overrun or self._credit < 0
        self._came.append(item)
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    def is_there(self) -> bool:
        """Whether there is something to take. Grants what has not been granted for lack of room."""
        if self._owed >= CREDIT_STEP:
            self._grant()
        return bool(self._came) or self._is_over

    def take(self) -> Optional[Given]:
        """The next value; None at the end. Raises Refusal for one that the command does not want,
        RemoteProtocolError for one that cannot be read.
        """
        if self._has_overrun:
            raise Refusal("malformed_request", "malformed request: its host sent an item without credit")
        if self._is_over:
            return None
        came = self._came.popleft()
        if isinstance(came, Item):
            if came.last:
                self.close()
                return None
            self._owed += 1
            if self._owed >= CREDIT_STEP:
                self._grant()
            if came.error is not None:
                drop(came)
                raise came.error
            value = value_of(came, self.loop.library)
        else:
            value = came.value
        number, self._number = self._number, self._number + 1
        try:
            return Given(self._convert(number, value))
        except WrongArguments as error:
            raise Refusal("wrong_arguments", str(error)) from error.__cause__

    def close(self) -> None:
        """No more is taken."""
        self._is_over = True
        while self._came:
            came = self._came.popleft()
            if isinstance(came, Item):
                drop(came)
        self.end_waits()

    def end_waits(self) -> None:
        """End the waits of coroutines whose call is over."""
        for waiter in self.waiters:
            waiter.cancel()

    def note(self, what: int) -> None:
        """What the call waits for from now on."""
        self.loop.transport.note_wait(self.reply.request_id or 0, what)

    def _grant(self) -> None:
        frame = Credit(self.reply.request_id or 0, self._owed)
        if self.loop.transport.try_send(frame):
            self._credit += self._owed
            self._owed = 0
        else:
            self.loop.transport.forget_unsent(frame)


class PlainInput:
    """An iterator whose ``next`` waits. ``check``: whether it may be used here; ``unshield``: ends a
    part that must not be interrupted.
    """

    def __init__(
        self, queue: InputQueue, check: Callable[[str], Reply], unshield: Callable[[Reply], None]
    ) -> None:
        self._queue = queue
        self._check = check
        self._unshield = unshield

    def __iter__(self) -> "PlainInput":
        return self

    def __next__(self) -> Any:
        queue, reply = self._queue, self._check("an input")
        reply.shielded = True
        try:
            if not queue.is_there():
                queue.note(FOR_ITEM)
                try:
                    queue.loop.read_for(reply, queue.is_there, None)
                finally:
                    queue.note(NOTHING)
            given = queue.take()
        finally:
            self._unshield(reply)
        if given is None:
            raise StopIteration
        return given.value
