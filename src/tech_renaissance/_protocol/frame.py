"""Frames as values: what the two sides say to each other, such as a Request. No I/O, no
clock. Contract: spec/protocol.md.

message.py has their JSON texts. What attachments are is up to who has the frame: above the transport they are
objects, whose types say of what kind they are; those that a host sends are what its end has placed, those
that a worker receives are Received. In a text each is a kind and a name.
"""

import math
from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence, Tuple, Union

from .._base.errors import RemoteProtocolError, TechRenaissanceError
from .body import TEXT

LONG = "long"
SHORT = "short"
# The code of the failure whose result is "invalid", a word that older hosts know.
INVALID_TENSORS = "invalid_tensors"

# How many items of a stream, or an input, may come before more are granted, and how
# many are granted at a time.
FIRST_CREDIT = 16
CREDIT_STEP = 8
# How many calls a worker with coroutines has in work at most: see spec/protocol.md, Async commands.
MOST_IN_WORK = 63


@dataclass
class Ready:
    """The worker can serve. ``info``: who it is (the keys of worker.json)."""

    info: Dict[str, Any]


@dataclass
class Request:
    """One call. ``parameters``, ``form`` and ``attachments`` are its body (spec/values.md). ``id``
    is None from older hosts. ``deadline_ns``: when it must be over, on the machine's monotonic
    clock (``_system.clock``); None for no deadline. ``typed``: whether the body means
    arguments, and the answer is to be a value. ``streams``: whether its host takes items.
    ``input``: whether its host sends some.
    """

    command: str
    parameters: str = ""
    id: Optional[int] = None
    dialect: str = LONG
    deadline_ns: Optional[int] = None
    typed: bool = False
    form: int = TEXT
    attachments: Sequence[Any] = ()
    streams: bool = False
    input: bool = False


@dataclass
class Credit:
    """Whoever takes the items of a request that streams, or has an input, takes so many more."""

    id: int
    count: int


@dataclass
class Item:
    """A value that the command of a request has yielded, or that its host sends as the next of its input; its
    body, as in a Response. ``last``: there is none, and no more come; from hosts only. ``error``: why its
    receiver could not read it, if it could not.
    """

    id: Optional[int]
    result: str = ""
    form: int = TEXT
    attachments: Sequence[Any] = ()
    error: Optional[TechRenaissanceError] = None
    last: bool = False


@dataclass
class Progress:
    """How far a handler is. ``total`` is NaN if it is unknown."""

    id: Optional[int]
    done: float
    total: float = math.nan
    message: str = ""


@dataclass
class Ask:
    """A handler calls a function of its host; its body, as in a typed Request. ``waiting``: the worker serves
    nobody else until the Answer comes. ``error``: why its host could not read it, if it could not.
    """

    id: Optional[int]
    command: str
    parameters: str = ""
    form: int = TEXT
    attachments: Sequence[Any] = ()
    waiting: bool = False
    error: Optional[TechRenaissanceError] = None


@dataclass
class Failure:
    """Why a call failed: ``code`` as in spec/errors.md, and the worker's exception, if there was one."""

    code: str
    message: str
    type: str = ""
    traceback: str = ""


@dataclass
class Answer:
    """What a function of the host has returned to an Ask; its body, as in a Response."""

    id: Optional[int]
    result: str = ""
    form: int = TEXT
    attachments: Sequence[Any] = ()
    message: str = ""
    error: Optional[Failure] = None


@dataclass
class Response:
    """The answer to one request. ``result``, ``form`` and ``attachments`` are its body (spec/values.md)."""

    command: str
    result: str = "ok"
    message: str = ""
    attachments: Sequence[Any] = ()
    error: Optional[Failure] = None
    id: Optional[int] = None
    dialect: str = LONG
    form: int = TEXT


@dataclass
class Exit:
    """The host asks the worker to leave."""


@dataclass
class Exiting:
    """The worker is leaving in an orderly way."""


Frame = Union[Ready, Request, Credit, Item, Progress, Ask, Answer, Response, Exit, Exiting]


# What a small Request consists of: id, command, parameters, typed, form, attachments, deadline_ns.
Posted = Tuple[Optional[int], str, str, bool, int, Sequence[Any], Optional[int]]
# What a Response consists of that reports no failure: form, result, attachments.
Plain = Tuple[int, str, Sequence[Any]]


class MalformedRequest(RemoteProtocolError):
    """A request that cannot be read; the error response to it needs ``id`` and ``dialect``."""

    def __init__(self, error: RemoteProtocolError, request_id: Optional[int], dialect: str) -> None:
        super().__init__(error.code, str(error))
        self.id = request_id
        self.dialect = dialect
