"""What a response means to the caller: a text, tensors, or the error that it reports."""

from typing import Any, List

from .._base.errors import CommandError
from .._protocol.body_decoder import decode_result
from .._protocol.frame import Response
from .call import Call


def text_of(response: Response) -> str:
    """The text of an answer. Raises the CommandError that it reports."""
    check_response(response)
    return response.result


def tensors_of(response: Response) -> List[Any]:
    """The tensors of an answer. Raises the CommandError that it reports,
    or ``no_tensor`` if there are none.
    """
    check_response(response)
    if not response.attachments:
        raise CommandError(
            "no_tensor",
            f"{response.command!r} answered {response.result!r} and no tensor",
            result=response.result,
        )
    return list(response.attachments)


def value_of(response: Response) -> Any:
    """The value of an answer to a typed call. Raises the CommandError that it reports,
    RemoteProtocolError if it is no value.
    """
    if response.error:
        check_response(response)
    return decode_result(response.form, response.result, response.attachments)


def value_of_call(call: Call) -> Any:
    """The value of a typed call that is done. Raises what ended it, and what ``value_of`` raises."""
    if call.result is not None:
        return decode_result(call.form, call.result, call.attachments)
    return value_of(call.take_response())


def check_response(response: Response) -> None:
    """Raise the CommandError that the response reports, if any."""
    error = response.error
    if error:
        text = f"{response.command}: {error.message}" + (f"\n{error.traceback}" if error.traceback else "")
        raise CommandError(
            error.code, text.rstrip(), error.type, error.message, error.traceback, response.result
        )
