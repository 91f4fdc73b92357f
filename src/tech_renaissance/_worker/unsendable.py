"""What a caller is told of a value that its command has given, and that cannot be sent."""

import inspect
from typing import Any, Sequence, Tuple, Type

from .._base.errors import FormatError, LocalProtocolError, TechRenaissanceError
from .._protocol.body_encoder import encode_result

REFUSALS: Tuple[Type[TechRenaissanceError], ...] = (LocalProtocolError, FormatError)


def unsendable_result(command: str, value: Any, error: Any) -> TechRenaissanceError:
    """``error``: what encoding the value has raised, one of REFUSALS."""
    if inspect.iscoroutine(value):
        value.close()
        return LocalProtocolError(
            "bad_value",
            f"what {command!r} returned is a coroutine, which nobody awaits: make the command, or the wrapper around it, async def",
        )
    return type(error)(error.code, f"what {command!r} returned: {error}")


def unsendable_item(command: str, number: int, item: Any, error: Any) -> TechRenaissanceError:
    """Of a stream. ``number``: how many items came before it."""
    try:
        encode_result(item, (number,))
    except REFUSALS as refusal:
        error = refusal
    return type(error)(error.code, f"what {command!r} yielded: {error}")


def unsendable_stream(command: str, items: Sequence[Any], result: Any, error: Any) -> TechRenaissanceError:
    """Of a stream whose items travel with its result."""
    for number, item in enumerate(items):
        try:
            encode_result(item)
        except REFUSALS as refusal:
            return unsendable_item(command, number, item, refusal)
    try:
        encode_result(result)
    except REFUSALS as refusal:
        error = refusal
    return unsendable_result(command, result, error)
