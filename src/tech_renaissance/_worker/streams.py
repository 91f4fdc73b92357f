"""The generators of a worker that are on their way to a host, item by item. Contract:
spec/protocol.md, Streams.
"""

import contextlib
from typing import Any, List, Optional, Union

from .._protocol.body import Body
from .._protocol.body_encoder import encode_result
from .._protocol.frame import FIRST_CREDIT, Credit, Failure, Item, Request, Response
from .reply import Reply, error_response, remaining_seconds
from .turn import Turn
from .unsendable import REFUSALS, unsendable_item, unsendable_result


class OutStream:
    """The generator of one call. ``reply``: that of the call, which its handler sees
    while the generator runs.
    """

    def __init__(self, turn: Turn, request: Request, reply: Reply, generator: Any) -> None:
        self.request = request
        self.reply = reply
        self.credit = FIRST_CREDIT
        self._turn = turn
        self._made = 0  # how many items
        self._generator = generator

    def step(self) -> Union[Item, Response]:
        """As ``produce``, with the body in an Item."""
        made = self.produce()
        if isinstance(made, Response):
            return made
        form, text, attachments = made
        return Item(self.request.id, text, form, attachments)

    def produce(self) -> Union[Body, Response]:
        """Run to the next ``yield``, whose value's body is the item's; or to the end, which is the response.
        SystemExit and KeyboardInterrupt become Leave.
        """
        try:
            return self._run_on()
        except StopIteration as end:
            value = end.value
        except BaseException as error:
            return self._turn.excuse(self.request, self.reply, error)
        try:
            self.reply.form, self.reply.result, self.reply.tensors = encode_result(value)
            return self.reply.response(self.request)
        except REFUSALS as error:
            refusal = unsendable_result(self.request.command, value, error)
            return self._turn.excuse(self.request, self.reply, refusal)
        except BaseException as error:
            return self._turn.excuse(self.request, self.reply, error)

    def close(self) -> Response:
        """Have the generator run its ``finally`` blocks. Its host, which has
        given it up, drops the response.
        """
        failure = Failure("cancelled", "its host closed the stream, or took no more of it", "GeneratorExit")
        response = error_response(self.request, failure)
        try:
            self._close()
        except BaseException as error:
            response = self._turn.excuse(self.request, self.reply, error)
        return response

    def fail(self, error: BaseException) -> Response:
        """Close the generator because of an error that is not its own. SystemExit and KeyboardInterrupt of
        its ``finally`` blocks become Leave.
        """
        try:
            with contextlib.suppress(Exception):  # such as that of a generator that goes on
                self._close()
        except BaseException as stronger:
            error = stronger
        return self._turn.excuse(self.request, self.reply, error)

    def is_over(self) -> bool:
        """Whether its deadline has passed."""
        deadline_ns = self.reply.deadline_ns
        return deadline_ns is not None and remaining_seconds(deadline_ns) == 0

    def _run_on(self) -> Body:
        # As in Turn.handle: it may be interrupted while there is a reply, and not afterwards.
        self._turn.reply = self.reply
        try:
            value = next(self._generator)
            try:
                body = encode_result(value)
            except REFUSALS as error:
                refusal = unsendable_item(self.request.command, self._made, value, error)
                with contextlib.suppress(Exception):  # such as that of a generator that goes on
                    self._close_generator()
                raise refusal from None
            except BaseException:
                self._close_generator()
                raise
        finally:
            self._turn.reply = None
        self._made += 1
        self.credit -= 1
        return body

    def _close(self) -> None:
        self._turn.reply = self.reply
        try:
            self._close_generator()
        finally:
            self._turn.reply = None

    def _close_generator(self) -> None:
        close = getattr(self._generator, "close", None)  # an iterator may have none
        if close is not None:
            close()


class Streams:
    """All streams of a worker, which take turns."""

    def __init__(self) -> None:
        self._streams: List[OutStream] = []

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._streams)

    def add(self, stream: OutStream) -> None:
        """One more."""
        self._streams.append(stream)

    def grant(self, credit: Credit) -> None:
        """A host takes more items. Credit for a stream that has ended counts for nothing."""
        for stream in self._streams:
            if stream.request.id == credit.id:
                stream.credit += credit.count

    def only(self) -> Optional[OutStream]:
        """The only one."""
        return self._streams[0] if len(self._streams) == 1 else None

    def has_turn(self) -> bool:
        """Whether one of them may go on."""
        return any(stream.credit > 0 for stream in self._streams)

    def next_in_turn(self) -> Optional[OutStream]:
        """The one whose turn it is, which is the last from now on; None if all of them rest."""
        for place, stream in enumerate(self._streams):
            if stream.credit > 0:
                self._streams.append(self._streams.pop(place))
                return stream
        return None

    def remove(self, stream: OutStream) -> None:
        """It has ended."""
        self._streams.remove(stream)

    def all(self) -> List[OutStream]:
        """A list of them."""
        return list(self._streams)
