"""Makes calls of what programs ask for."""

import itertools
from typing import Any, Callable, List, Mapping, Optional, Sequence, Set

from .._base.durations import seconds
from .._base.errors import LocalProtocolError
from .._base.progress import Progress
from .._protocol.body import Body, Input
from .._protocol.body_copy import copy_of_value
from .._protocol.body_encoder import encode_call
from .._protocol.frame import Exit, Request
from .._protocol.user_message import check_command, is_command, parse_message
from .._system.clock import clock_ns
from .call import Call, PlainCall
from .coroutines import refuse_coroutine
from .input_source import MOST_VALUES, InputSource, Place, at, input_refused, too_many, with_input
from .interruption import calls_program

# deadline_ms, idempotent, on_progress.
_NOTHING_SPECIAL = (None, False, None)
# What this many names have taught us is forgotten, in case a program makes new ones all the time.
_MOST_KNOWN = 4096

OnProgress = Callable[[Progress], object]


def check_on_progress(function: Any, *, can_await: bool = True) -> None:
    """Raise LocalProtocolError ``bad_option`` for what cannot be called. ``can_await``: whether a coroutine
    may be awaited by whoever waits for the call.
    """
    if not callable(function):
        raise LocalProtocolError(
            "bad_option", f"on_progress is a function that takes a Progress, or None, not {function!r}"
        )
    if not can_await:
        refuse_coroutine("on_progress", function)


class CallMaker:
    """Base of Caller."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._known_commands: Set[str] = set()  # names that have passed check_command

    @property
    def can_stream(self) -> bool:
        """See HostTransport; known once a worker is ready."""
        raise NotImplementedError

    def placed(self, attachments: Sequence[Any]) -> Sequence[Any]:
        """Each of them, placed: see HostTransport."""
        raise NotImplementedError

    def worker_for(self, call: Call) -> Any:
        """Wait until a worker is ready for a new call, which can be ended meanwhile.
        Raises what has ended it.
        """
        raise NotImplementedError

    def make_call(
        self, message: str, deadline_ms: Optional[float], idempotent: bool, tensors: Sequence[Any] = ()
    ) -> Optional[Call]:
        """A new call; None for a request to leave. ``tensors`` are attached, and named in front of the
        message's parameters. Raises LocalProtocolError ``bad_message``, FormatError, ArenaFull.
        """
        request = parse_message(message)
        if isinstance(request, Exit):
            return None
        if request.command not in self._known_commands and is_command(request.command):
            self._learn(request.command)
        if tensors:
            request.parameters = with_names(tensors, request.parameters)
        return self._new_call(request, tensors, deadline_ms, idempotent)

    def make_answered_call(self, message: str, *options: Any) -> Call:
        """The same for a call whose answer somebody waits for, so that it is no request to leave."""
        call = self.make_call(message, *options)
        if call is None:
            raise LocalProtocolError("bad_message", "'exit' has no answer: use please_exit")
        return call

    def make_typed_call(
        self,
        command: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        deadline_ms: Optional[float],
        idempotent: bool,
        on_progress: Optional[OnProgress] = None,
        *,
        streams: bool = False,
        source: Optional[InputSource] = None,
    ) -> Call:
        """A new call that carries values. ``source``: of the Input among them. Raises LocalProtocolError
        ``bad_message`` for the command, and ``bad_value`` or ``too_large``; FormatError, ArenaFull.
        """
        body = encode_call(args, kwargs)
        options = (deadline_ms, idempotent, on_progress)
        return self.make_encoded_call(command, body, *options, streams=streams, source=source)

    def make_encoded_call(
        self,
        command: str,
        body: Body,
        deadline_ms: Optional[float],
        idempotent: bool,
        on_progress: Optional[OnProgress] = None,
        *,
        streams: bool = False,
        source: Optional[InputSource] = None,
    ) -> Call:
        """The same for arguments as a body."""
        form, text, attachments = body
        self._learn(check_command(command))
        request = Request(command, text, typed=True, form=form, streams=streams)
        call = self._new_call(request, attachments, deadline_ms, idempotent)
        if on_progress is not None:
            check_on_progress(on_progress)
            call.on_progress = on_progress
        if source:
            request.input = True
            call.source = source
        return call

    def make_light_call(
        self, command: str, args: Sequence[Any], kwargs: Mapping[str, Any], *options: Any
    ) -> Call:
        """The same for a call that stays in line while there is no room: a PlainCall if
        nothing is special about it.
        """
        form, text, attachments = body = encode_call(args, kwargs)
        if (
            options == _NOTHING_SPECIAL
            and not attachments
            and type(command) is str
            and command in self._known_commands
        ):
            return PlainCall((next(self._ids), command, text, True, form, (), None))
        return self.make_encoded_call(command, body, *options)

    def make_sent_call(
        self, command: str, args: Sequence[Any], kwargs: Mapping[str, Any], *options: Any
    ) -> Call:
        """The same for a call that nobody need wait for, so that it has neither an input nor a timeout."""
        if "timeout_ms" in kwargs:
            raise LocalProtocolError(
                "bad_option",
                "a call that is submitted has no timeout_ms: wait for its future with one, or give the call a deadline_ms",
            )
        try:
            return self.make_light_call(command, args, kwargs, *options)
        except LocalProtocolError as error:
            if input_refused(error, args, kwargs) is None:
                raise
        raise LocalProtocolError(
            "bad_value",
            "an iterator is the input of a call that is waited for: use call or stream, or send a list",
        )

    def make_awaited_call(
        self,
        command: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        deadline_ms: Optional[float],
        idempotent: bool,
        on_progress: Optional[OnProgress] = None,
        *,
        streams: bool = False,
    ) -> Call:
        """The same for a call that a thread waits for, so one of its
        arguments may be an iterator: its input.
        """
        if on_progress is not None:
            check_on_progress(on_progress, can_await=False)
        options = (deadline_ms, idempotent, on_progress)
        try:
            return self.make_typed_call(command, args, kwargs, *options, streams=streams)
        except LocalProtocolError as error:
            place = input_refused(error, args, kwargs)
            if place is None:
                raise
        values = at(place, args, kwargs)
        if not hasattr(values, "__next__"):
            raise LocalProtocolError(
                "bad_value", "an asynchronous iterator is an input for AsyncSession alone"
            )
        source = InputSource(values)
        call = self.make_fed_call(
            command, args, kwargs, *options, place=place, source=source, streams=streams
        )
        self.worker_for(call)
        if not self.can_stream:
            try:
                self.send_whole(call, args, kwargs, place, whole_input(values))
            finally:
                source.close()
        return call

    def make_fed_call(
        self,
        command: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *options: Any,
        place: Place,
        source: InputSource,
        streams: bool = False,
    ) -> Call:
        """The same for a call whose input is in that place."""
        args, kwargs = with_input(args, kwargs, place, Input(None))
        return self.make_typed_call(command, args, kwargs, *options, streams=streams, source=source)

    def send_whole(
        self, call: Call, args: Sequence[Any], kwargs: Mapping[str, Any], place: Place, whole: List[Any]
    ) -> None:
        """The input of a call that was made travels at once: these are its values.
        Raises as ``make_typed_call``.
        """
        args, kwargs = with_input(args, kwargs, place, Input(whole))
        request = call.request
        request.form, request.parameters, attachments = encode_call(args, kwargs)
        request.attachments = self.placed(attachments)
        if call.source:
            call.source.has_ended = True

    def _learn(self, command: str) -> None:
        if len(self._known_commands) >= _MOST_KNOWN:
            self._known_commands.clear()
        self._known_commands.add(command)

    def _new_call(
        self, request: Request, attachments: Sequence[Any], deadline_ms: Optional[float], idempotent: bool
    ) -> Call:
        request.id = next(self._ids)
        if deadline_ms is not None:
            request.deadline_ns = clock_ns() + int(seconds("deadline_ms", deadline_ms) * 1e9)
        if attachments:
            request.attachments = self.placed(attachments)
        return Call(request, idempotent=idempotent)


def with_names(tensors: Sequence[Any], parameters: str) -> str:
    """The parameters of a request to which these tensors are attached: their names stand in front."""
    names = [f"${index}" for index in range(len(tensors))]
    return " ".join([*names, parameters] if parameters else names)


@calls_program
def whole_input(values: Any) -> List[Any]:
    """All values of an input, each as it was when it was taken, for a transport without items. Raises
    LocalProtocolError.
    """
    whole: List[Any] = []
    for value in values:  # in this function itself: see calls_program
        if len(whole) == MOST_VALUES:
            raise too_many()
        whole.append(copy_of_value(value))
    return whole
