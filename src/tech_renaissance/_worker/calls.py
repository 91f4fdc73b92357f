"""Calls of commands: arguments from bodies and texts, results as bodies and texts. Contract:
spec/protocol.md, Typed calls.

Loaded with the first command, or the first typed call.
"""

import contextlib
import json
import re
from functools import lru_cache, partial
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple, cast

from .._base.errors import RemoteProtocolError
from .._protocol.attachments import stored
from .._protocol.binder import WrongArguments
from .._protocol.body import ATTACHMENTS, TEXT, Input, type_of
from .._protocol.body_copy import copy_of_value
from .._protocol.body_decoder import decode_call
from .._protocol.body_encoder import encode_result, encode_text, is_tensor_type
from .command_table import Command
from .reply import Refusal, Reply
from .unsendable import REFUSALS, unsendable_result, unsendable_stream

# How many values a call that takes no items gets of a generator.
MOST_VALUES = 10_000

# A result that is surely short enough.
_SHORT_TEXT = 4096
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS = {True: "true", False: "false"}


class Calls:
    """Runs commands. ``values``: what the attachments of a request hold. ``tensor``: the tensor that a word
    names; if it is None, the reply says why.
    """

    def __init__(
        self,
        main_logic: Callable[[str, str], bool],
        values: Callable[[Reply], List[Any]],
        tensor: Callable[[str], Any],
        make_input: Callable[..., Any],
    ) -> None:
        self._main_logic = main_logic
        self._values = values
        self._tensor = tensor
        self._make_input = make_input

    def typed(self, reply: Reply, command: Command, form: int, text: str) -> None:
        """Call a command with the arguments of a body; what it returns is the reply."""
        if form == TEXT and command.takes_one_string and not reply.attachments:
            value: Any = command.function(text)
        else:
            args, kwargs = _call_of(form, text, reply, self._values(reply) if reply.attachments else ())
            try:
                if reply.has_input:
                    self._bind_input(reply, command, args, kwargs)
                else:
                    command.bind(args, kwargs)
            except WrongArguments as error:
                raise Refusal("wrong_arguments", str(error)) from error.__cause__
            value = command.function(*args, **kwargs)
        if command.is_async:
            reply.coroutine, reply.finish = value, partial(self._finish, reply, command)
        else:
            self._say(reply, command, value)

    def _bind_input(self, reply: Reply, command: Command, args: List[Any], kwargs: Dict[str, Any]) -> None:
        """Put the command's iterator in the place of the input."""
        convert = command.binder.bind_input(args, kwargs)
        places = [(args, place) for place in range(len(args))] + [(kwargs, name) for name in kwargs]
        for whole, place in cast("List[Tuple[Any, Any]]", places):
            value = whole[place]
            if isinstance(value, Input):
                whole[place] = self._make_input(reply, convert, value.values, is_async=command.is_async)

    def _finish(self, reply: Reply, command: Command, value: Any) -> None:
        if reply.takes_items:  # it has none, only a result
            reply.streams = reply.takes_items = False
        self._say(reply, command, value)

    def _say(self, reply: Reply, command: Command, value: Any) -> None:
        kind = type_of(value)
        if kind is str and len(value) <= _SHORT_TEXT and value.isascii() and not reply.streams:
            reply.result = value  # as below, in less time
            return
        if _is_iterator(kind):
            if reply.takes_items:
                reply.generator = value
                return
            value = _values_of(value, reply)
        elif reply.streams and not reply.takes_items:
            value = [[], value]
        if value is None:
            say_as_value(reply)
            return
        try:
            reply.form, reply.result, reply.tensors = encode_result(value)
        except REFUSALS as error:
            if reply.streams and not reply.takes_items:
                values, result = value
                raise unsendable_stream(command.name, values, result, error) from None
            raise unsendable_result(command.name, value, error) from None

    def text(self, reply: Reply, command: Command, text: str) -> None:
        """Call a command with the words of a text; what it returns is the reply's text and tensors."""
        try:
            attached = [f"${place}" for place in range(len(reply.attachments))]
            args, kwargs = command.binder.bind_text(text, self._named_tensor, attached)
        except WrongArguments as error:
            raise Refusal("wrong_arguments", str(error)) from error.__cause__
        except _NoTensor:
            return
        value: Any = command.function(*args, **kwargs)
        if command.is_async:
            reply.coroutine, reply.finish = value, partial(self._say_text, reply, command)
        else:
            self._say_text(reply, command, value)

    def _say_text(self, reply: Reply, command: Command, value: Any) -> None:
        if _is_iterator(type_of(value)):
            value = _values_of(value, reply)
        if value is None:
            return
        try:
            reply.result, reply.tensors = _text_of(value)
        except REFUSALS as error:
            raise unsendable_result(command.name, value, error) from None

    def main_logic(self, reply: Reply, form: int, text: str) -> bool:
        """Make a typed call a text for ``main_logic``, and what that says a value."""
        values = self._values(reply)
        args, kwargs = _call_of(form, text, reply, values)
        try:
            parameters = _joined(args, kwargs, values)
        except ValueError as error:
            reply.refusal = str(error)
            return False
        is_known = self._main_logic(reply.command, parameters)
        if is_known or reply.said_something:
            say_as_value(reply)
        return is_known

    def _named_tensor(self, word: str) -> Any:
        tensor = self._tensor(word)
        if tensor is None:
            raise _NoTensor
        return tensor


class _NoTensor(Exception):
    """There is no such tensor; the reply says why."""


def _call_of(form: int, text: str, reply: Reply, values: Sequence[Any]) -> Tuple[List[Any], Dict[str, Any]]:
    if form == TEXT and reply.attachments:
        raise Refusal("malformed_request", "malformed request: a typed call has attachments beside a text")
    try:
        return decode_call(form, text, values, has_input=reply.has_input)
    except RemoteProtocolError as error:
        raise Refusal("malformed_request", f"malformed request: {error}") from None


def _joined(args: List[Any], kwargs: Mapping[str, Any], attached: Sequence[Any]) -> str:
    """The text of a call for ``main_logic``, in which tensors are their places. Raises ValueError
    with the reason if it has none.
    """
    what = "main_logic takes strings, bools, numbers and tensors by place"
    if kwargs:
        raise ValueError(f"{what}, and no {next(iter(kwargs))!r} by name")
    words: List[str] = []
    for place, value in enumerate(args):
        kind = type_of(value)
        if kind is str:
            words.append(value)
        elif kind is bool:
            words.append(_WORDS[value])
        elif kind in (int, float):
            words.append(repr(value))
        elif is_tensor_type(kind):
            words.append(f"${[value is one for one in attached].index(True)}")
        else:
            raise ValueError(f"{what}, and args[{place}] is of type {kind.__name__}")
    return " ".join(words)


def say_as_value(reply: Reply) -> None:
    """Make a value of what a handler has said: its text, its tensors, or a list of all of them;
    null if it has said nothing.
    """
    text, tensors = reply.result, reply.tensors
    if reply.is_invalid:
        return
    if text is None:
        reply.form, reply.result = ATTACHMENTS, ""
        return
    reply.result = text = _SURROGATE.sub("\ufffd", text)
    if tensors:
        reply.form, reply.result, reply.tensors = encode_result([text, *tensors])


@lru_cache(maxsize=1024)
def _is_iterator(kind: Any) -> bool:
    return hasattr(kind, "__next__")


def _values_of(generator: Any, reply: Reply) -> List[Any]:
    """The values of a generator, each as it was when it was yielded, since many generators yield the same
    object again and again; for a host that asked for a stream, with what the generator returned.
    """
    values: List[Any] = []
    while True:
        try:
            values.append(copy_of_value(next(generator)))
        except StopIteration as end:
            return [values, end.value] if reply.streams else values
        if len(values) > MOST_VALUES:
            with contextlib.suppress(Exception):  # such as that of a generator that goes on
                getattr(generator, "close", lambda: None)()
            raise Refusal(
                "too_large", f"{reply.command!r} gives more than {MOST_VALUES} values: call it by stream"
            )


def _text_of(value: Any) -> Tuple[str, List[Any]]:
    """The text and the tensors that answer a text call."""
    if isinstance(value, str):
        return str.__str__(value), []
    text, attachments = encode_text(value)
    if text[:1] == '"':  # something that is sent as a string
        text = json.loads(text)
    return text or "ok", [stored(attachment) for attachment in attachments]
