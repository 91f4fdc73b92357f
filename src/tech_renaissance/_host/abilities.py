"""What a worker can do, as it has said itself in its Ready."""

from typing import Any, Dict

from .._base.display import path_for_display
from .._base.errors import RemoteProtocolError
from .._protocol.frame import Ready, Request

# How many requests may be unanswered at once, if the worker does not say less.
WINDOW = 256


def speaks_values(ready: Dict[str, Any]) -> bool:
    """Whether a worker that has said this takes calls that carry values."""
    theirs = ready.get("protocol", 1)
    return isinstance(theirs, int) and theirs >= 2


def check_protocol(request: Request, ready: Dict[str, Any]) -> None:
    """Whether a worker that has said this speaks the protocol that a request needs. Raises
    RemoteProtocolError ``old_protocol``.
    """
    if not (request.typed or request.attachments) or speaks_values(ready):
        return
    theirs = ready.get("protocol", 1)
    text = (
        f"{request.command!r} needs protocol 2, and this worker speaks protocol {theirs}: "
        "update tech-renaissance in its Python"
    )
    interpreter = ready.get("interpreter")
    if isinstance(interpreter, str):
        text += f", which is {path_for_display(interpreter)}"
    raise RemoteProtocolError("old_protocol", text)


def window_of(ready: Ready) -> int:
    """How many requests may be unanswered at once."""
    window = ready.info.get("window", WINDOW)
    return window if isinstance(window, int) and 1 <= window <= WINDOW else WINDOW
