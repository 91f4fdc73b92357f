"""What a response means to the caller: a text, tensors, or the error that it reports."""

from typing import Any, List, Tuple, cast

from .._base.errors import CommandError, RemoteProtocolError
from .._protocol.body import type_of
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


def whole_stream_of(response: Response) -> Tuple[List[Any], Any]:
    """The values of a stream that have come all at once, and what its generator returned. Raises what
    ``value_of`` does.
    """
    whole = cast("List[Any]", value_of(response))
    if type_of(whole) is list and len(whole) == 2 and type_of(whole[0]) is list:  # and no dict, or tensor
        return whole[0], whole[1]
    raise RemoteProtocolError("bad_value", "the answer to a stream is not [values, result]")


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
