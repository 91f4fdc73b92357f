"""The functions that a host exposes to its workers' handlers. Contract: spec/protocol.md, Callbacks.

What only these functions need is imported where it is used, so that hosts without any start sooner.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Union

from .._base.errors import FormatError, LocalProtocolError, RemoteProtocolError, TechRenaissanceError
from .._protocol.body_decoder import decode_call
from .._protocol.body_encoder import encode_result
from .._protocol.frame import Answer, Ask, Failure, Request
from .._protocol.user_message import check_command
from .call import refusal
from .coroutines import result_in_thread
from .interruption import calls_program

if TYPE_CHECKING:
    from .._protocol.binder import Binder


class _Function(NamedTuple):
    function: Callable[..., Any]
    binder: "Binder"


class Asked(NamedTuple):
    """A function and the arguments that a handler wants it to be called with."""

    function: Callable[..., Any]
    args: List[Any]
    kwargs: Dict[str, Any]


class Exposed:
    """Thread-safe."""

    def __init__(self, placed: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """``placed``: see CallMaker."""
        self._placed = placed
        self._functions: Dict[str, _Function] = {}

    def expose(self, name: str, function: Optional[Callable[..., Any]]) -> None:
        """From now on handlers can call ``function`` by this name; None: no longer. Raises LocalProtocolError
        ``bad_message`` for the name, ``bad_option`` for the function.
        """
        check_command(name)
        if name.startswith("_"):
            raise LocalProtocolError("bad_message", f"names that begin with _ are reserved: {name!r}")
        if function is None:
            self._functions.pop(name, None)
        elif callable(function):
            from .._protocol.binder import Binder

            self._functions[name] = _Function(function, Binder(function, name))
        else:
            raise LocalProtocolError(
                "bad_option", f"what is exposed is a function, or None, not {function!r}"
            )

    def asked(self, ask: Ask) -> Union[Asked, Failure]:
        """What is to be called, or why it is not."""
        if ask.error:
            return Failure(ask.error.code, str(ask.error))
        exposed = self._functions.get(ask.command)
        if exposed is None:
            return Failure("unknown_command", self._unknown(ask.command))
        from .._protocol.binder import WrongArguments

        try:
            args, kwargs = decode_call(ask.form, ask.parameters, ask.attachments)
            exposed.binder.bind(args, kwargs)
        except WrongArguments as error:
            return Failure("wrong_arguments", str(error))
        except RemoteProtocolError as error:
            return Failure(error.code, str(error))
        except Exception as error:  # of a constructor that has gone wrong
            return failure_of(error)
        return Asked(exposed.function, args, kwargs)

    def answer(self, ask: Ask, result: Any) -> Answer:
        """The Answer that means a value."""
        try:
            form, text, attachments = encode_result(result)
            return Answer(ask.id, text, form, self._placed(attachments))
        except (LocalProtocolError, FormatError, TechRenaissanceError) as error:
            return refusal(ask, failure_of(error))

    def _unknown(self, name: str) -> str:
        import difflib

        near = difflib.get_close_matches(name, list(self._functions), 3)
        text = f"the host exposes no function {name!r}"
        return f"{text}; did you mean {' or '.join(near)}?" if near else text


@calls_program
def call_asked(asked: Asked) -> Any:
    """Call the function, in a thread that can await nothing."""
    return result_in_thread("this function", asked.function(*asked.args, **asked.kwargs))


def failure_of(error: BaseException) -> Failure:
    """What the handler is told of an exception."""
    from .._worker.reply import failure_response

    failure = failure_response(Request(""), error).error
    assert failure is not None
    return failure
