"""Transports: how frames and tensor bytes move between a host and a worker.

There is one contract, with one folder or file per mechanism. A transport knows nothing about states, calls
or processes: it moves a frame if there is room for it, and waits.
``tech_renaissance.testing.check_transport`` is the contract as a test.
"""

import abc
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Protocol, Sequence, Tuple, Union

from .._base.errors import CommandError, FormatError, RemoteProtocolError
from .._base.tensor import DType, Library
from .._protocol.attachments import stored
from .._protocol.body import ReadBody, kind_of
from .._protocol.frame import Ask, Failure, Frame, Item, Plain, Posted, Request, Response
from .._protocol.tsr import encode
from .._system.wait_handle import WaitHandle

# The code of a RemoteProtocolError after which an end can receive nothing more.
BROKEN_RING = "broken_ring"

# What a call waits for at the worker.
NOTHING, FOR_TURN, FOR_ITEM, FOR_ANSWER = range(4)

# How often to look at an end that fires no handle.
_POLL_S = 0.01


class Unreadable(RemoteProtocolError):
    """What cannot be read: ``error`` says why, and ``id`` which request it seems to answer, if it says so."""

    def __init__(self, error: RemoteProtocolError, response_id: Optional[int]) -> None:
        super().__init__(error.code, str(error))
        self.error = error
        self.id = response_id


class Items:
    """Several items of one request that have come one after another. ``rest``: those that have not been
    handed on; taking one out of it is all that handing on consists of, so that it can go on wherever it was
    interrupted. ``first``: how many came before, once somebody has counted.
    """

    first: Optional[int] = None

    def __init__(self, request_id: Optional[int], bodies: List[ReadBody]) -> None:
        self.id = request_id
        self.bodies = bodies
        self.rest: Iterator[ReadBody] = iter(bodies)


class Answers:
    """Several responses that have come one after another, none of which is more than a body
    without attachments: the ids of their requests, and these bodies. ``count``: how many of them
    may come, once somebody has looked.
    """

    count: Optional[int] = None

    def __init__(self, numbers: List[Optional[int]], bodies: List[ReadBody]) -> None:
        self.numbers = numbers
        self.bodies = bodies


# What comes at once, if several frames do.
Several = Union[Items, Answers]
# What a host receives: one frame or several, or the error for bytes that are not one.
Taken = Union[Frame, Several, RemoteProtocolError, None]


def ids_answered_by(taken: Taken) -> List[Optional[int]]:
    """The requests that are over once this has been dealt with."""
    if isinstance(taken, Answers):
        return taken.numbers
    if isinstance(taken, (Response, Request, Unreadable)):  # for a Request, see HostTransport.take_plain
        return [taken.id]
    return []


class Offer(NamedTuple):
    """What a worker must get when it is launched: environment variables, and descriptors to inherit."""

    environment: Dict[str, str]
    descriptors: List[int]


class Placed(Protocol):
    """An attachment of a request as it was when the call was made, at whichever host's end placed it. It is
    kept until it dies, in any thread.
    """

    @property
    def kind(self) -> int:
        """What it arrives as (spec/values.md)."""
        ...

    def tsr(self) -> Union[bytes, memoryview]:
        """The tensor that holds it, as the bytes of a TSR file."""
        ...


class PlacedBytes(NamedTuple):
    """One that is kept as the bytes of a TSR file."""

    kind: int
    data: bytes

    @staticmethod
    def of(attachment: Any) -> "PlacedBytes":
        """A copy of an attachment. Raises FormatError."""
        return PlacedBytes(kind_of(attachment), encode(stored(attachment)))

    def tsr(self) -> bytes:
        """See Placed."""
        return self.data


class Received(Protocol):
    """An attachment of a request that a worker has received."""

    def value(self, library: Optional[Library]) -> Any:
        """A tensor (``library``: as in import_tsr), bytes, or an array of numbers. The caller may modify it.
        Raises FormatError or RemoteProtocolError if it is broken, ArenaFull, OSError.
        """
        ...

    def let_go(self) -> None:
        """The request is over: what its handler has kept of it may live
        on, and the rest can be used again.
        """
        ...


class Transport(abc.ABC):
    """One end. All methods raise OSError if the mechanism itself fails (disk full, directory removed).

    Thread-safety: one thread at a time may be in ``receive``. Meanwhile any thread may call everything else,
    but only one thread at a time may be in ``try_send``.
    """

    # Whether it carries Item and Credit. If not, an input is sent as WholeInput.
    can_stream = True

    @abc.abstractmethod
    def try_send(self, frame: Frame) -> bool:
        """Hand a frame to the other end; False if there is no room for it at the moment.

        The attachments of what a worker sends may be any tensors that TSR can hold, bytes, and arrays of
        numbers. Raises FormatError for others, and then sends nothing. Those of what a host sends are what
        ``place`` made of them. A Progress finds room only if there is plenty.
        """

    @abc.abstractmethod
    def receive(self, timeout_s: float) -> Optional[Frame]:
        """Wait up to ``timeout_s`` for the next frame from the other end (0: do not wait).

        Returns None if nothing came, which may be early, after ``wake`` or when there may be room to
        send again. Raises RemoteProtocolError once for bytes that are not a frame, which are then
        consumed (at a host's end, Unreadable); but every time if its code is BROKEN_RING, after which
        frames can no longer be told apart. The attachments of what a host receives are real tensors,
        bytes and arrays, owned by the caller; those of what a worker receives are Received. An empty
        command of a Response means its request's.
        """

    @abc.abstractmethod
    def wake(self) -> None:
        """End the current wait in ``receive``, or the next one. Callable from any thread."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release all resources. No other method may be called afterwards. Safe to call twice."""


class HostTransport(Transport):
    """The host's end. It also keeps tensors under tags, from before the worker starts until the session ends.

    An exception, such as a KeyboardInterrupt from a signal handler, may leave any method at any moment.
    It loses no frame: what ``receive`` could not return is in ``taken`` or comes again, and ``has_sent``
    says what became of ``try_send``.
    """

    # If this process has run out of something and therefore cannot send or receive: what, in the
    # system's words. Until it can, it looks as if there were no room, or nothing had come; it is
    # retried as long as someone waits.
    lack = ""

    @property
    @abc.abstractmethod
    def taken(self) -> Taken:
        """What ``receive`` took last, whether it could return it or not. It does not come again. None after
        ``forget_taken`` or ``prepare``.
        """

    @abc.abstractmethod
    def forget_taken(self) -> None:
        """Forget ``taken``, which has been dealt with."""

    @abc.abstractmethod
    def has_sent(self, frame: Union[Frame, Posted]) -> bool:
        """Whether the last ``try_send``, of this very frame, has handed it over. For use after
        ``try_send`` was interrupted.
        """

    def post(self, posted: Posted) -> bool:
        """``try_send`` for a small request. False if that is to be used, or for want of room."""
        del posted
        return False

    def take_plain(self, request: Request) -> Optional[Plain]:
        """Look for a while for what the other end sends, and take it if it is an answer to this
        request, which was posted, and reports no failure, is short and well-formed. Until
        ``forget_taken``, ``taken`` is the request.
        """
        del request
        return None

    @abc.abstractmethod
    def place(self, attachment: Any) -> Placed:
        """Keep a tensor, bytes or an array of numbers for a frame to come, as it is now.
        Raises FormatError, ArenaFull.
        """

    def place_all(self, attachments: Sequence[Any]) -> Sequence[Placed]:
        """``place`` each of them."""
        return list(map(self.place, attachments))

    @abc.abstractmethod
    def put_tensor(self, tag: str, tensor: Any) -> None:
        """Put a tensor under a tag, replacing any that was there. Applies to requests sent from now on.
        Raises FormatError, ArenaFull.
        """

    @abc.abstractmethod
    def drop_tensor(self, tag: str) -> None:
        """Forget a tag, if it exists. Applies to requests sent from now on."""

    @abc.abstractmethod
    def tags(self) -> List[str]:
        """The tags that have a tensor. Reserved names among them may stand for something else."""

    @abc.abstractmethod
    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """A new, uninitialised tensor that ``put_tensor`` need not copy, if the transport supports that."""

    @abc.abstractmethod
    def prepare(self) -> Offer:
        """Prepare for a new worker: what an earlier one sent is no longer received. Tags stay."""

    @abc.abstractmethod
    def ask_to_cancel(self, request_id: int) -> None:
        """Tell the worker that this request, which was sent, has been given up. What cannot be told now, as
        when the disk is full, is told later.
        """

    @abc.abstractmethod
    def ask_to_stop(self, request_id: int) -> None:
        """Ask the worker to finish this request, which was sent, early; if need be, later, as above."""

    def awaits_item(self, request_id: int) -> bool:
        """Whether this request, which is in work, waits for an item of its input, as far as that is known."""
        del request_id
        return False

    def is_suspended(self, request_id: int) -> bool:
        """Whether nothing of this request, which is in work, runs before the worker has looked whether it is
        given up: it is a stream that waits for its turn, or another request has the worker.
        """
        del request_id
        return False

    @abc.abstractmethod
    def begun(self, request_ids: Sequence[int]) -> Dict[int, Optional[int]]:
        """Which of these unanswered requests, oldest first, the worker may have begun, and when, in
        nanoseconds of ``_system.clock``; None if that is unknown. Among them is also a request
        whose response has come, until ``forget_taken`` says that it has been dealt with.
        """

    @abc.abstractmethod
    def answered(self) -> Sequence[Optional[int]]:
        """The requests whose responses have come and have not been dealt with, as far as that is known."""

    @abc.abstractmethod
    def watch_exit(self, handle: int) -> None:
        """Call it when the worker has been launched with what was offered. From now on, waits end when this
        handle (Process.exit_handle) says that its process has ended.
        """

    def receive_some(self, timeout_s: float, *, looks: bool) -> Union[Frame, Several, None]:
        """Like ``receive``, but may take several frames at once. ``looks``: whether to look for a while
        before going to sleep; threads that should leave the processor to others do not.
        """
        del looks
        return self.receive(timeout_s)

    def fire(self, handle: Optional[WaitHandle]) -> None:
        """From now on ``handle`` fires when something comes while this end is ``armed``, from later
        workers, too. None: no handle.
        """
        del handle

    def arm(self) -> float:
        """Nobody is in ``receive`` from now on. Returns after how many seconds to look in any case;
        0 if something may have come.
        """
        return _POLL_S

    def disarm(self, *, has_fired: bool) -> None:
        """Somebody is about to receive. ``has_fired``: whether the handle has; it fires no more then
        for what has come until now.
        """
        del has_fired

    def stop_firing(self) -> None:
        """The worker has ended, and the handle need not say so any longer."""


def not_taken_in(response_id: Optional[int], dialect: str, error: Exception) -> Response:
    """The stand-in for a response that this host cannot take in because it lacks memory, address space, or a
    library that has the dtype. It reads as if the handler had failed.
    """
    name, message = _lack_of(error)
    return Response("", "error", message, (), Failure("command_failed", message, name), response_id, dialect)


def item_not_taken_in(item_id: Optional[int], error: Exception) -> Item:
    """The same for an item; also if it cannot be read at all."""
    if not isinstance(error, RemoteProtocolError):
        name, message = _lack_of(error)
        return Item(item_id, error=CommandError("command_failed", message, name, message))
    return Item(item_id, error=error)


def ask_not_taken_in(ask_id: Optional[int], error: Exception) -> Ask:
    """The same for an Ask."""
    return Ask(ask_id, "", error=item_not_taken_in(ask_id, error).error)


def lacks_dtype(error: Exception) -> bool:
    """Whether what has failed is that this host's library has no such dtype."""
    return isinstance(error, FormatError) and error.code == "unsupported_dtype"


def _lack_of(error: Exception) -> Tuple[str, str]:
    """The name of an error's type, and its message."""
    kind = MemoryError if isinstance(error, MemoryError) else type(error)  # numpy has one of its own
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return name, f"{name}: the host cannot take in the answer{f': {error}' if str(error) else ''}"


class Unopened(NamedTuple):
    """A frame that a worker has read ahead of its turn, and not looked into."""

    data: bytes


class Watching(Protocol):
    """A selector that waits for other things, too."""

    def watch(self, descriptors: List[int]) -> None:
        """Waits shall end when something can be read there."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Whether anything happened in time."""
        ...


class WorkerTransport(Transport):
    """The worker's end. Forks of the worker keep none of its descriptors (_system/fork.py), and
    may call only ``is_cancelled``.
    """

    # Whether this is a ShmWorker, whose rings the fast path may use.
    has_rings = False

    def park(self, request_id: int) -> None:
        """A request that was received has become a stream: it stays in work while others come."""

    def check_open(self, what: str) -> None:
        """Raise SessionClosed if this is the end of a fork of the worker,
        which can do nothing of the kind.
        """

    def forget_unsent(self, frame: Frame) -> None:
        """A frame for which there was no room will not be sent, or not soon."""

    def read_ahead(self, timeout_s: float, *, is_bounded: bool = True) -> Union[Frame, Unopened, None]:
        """In place of ``receive`` while a frame waits for room, or a handler for something: returns also when
        there may be room. A request that came is to be opened when its turn comes, in the order of coming,
        and so tags change only then. ``is_bounded``: reads no more than a worker's inbox takes.
        """
        del is_bounded
        return self.receive(timeout_s)

    def open(self, frame: Union[Frame, Unopened]) -> Optional[Frame]:
        """What was read ahead, now that its turn has come; None if it was only a tag's
        change. Raises like ``receive``.
        """
        assert not isinstance(frame, Unopened)
        return frame

    def wait_in(self, selector: "Watching") -> bool:
        """From now on wait in that selector, if that is possible; else False."""
        del selector
        return False

    @abc.abstractmethod
    def is_cancelled(self, request_id: int) -> bool:
        """Whether the host has given up this request, which is unanswered. May be
        called from a signal handler.
        """

    @abc.abstractmethod
    def is_stopping(self, request_id: int) -> bool:
        """Whether the host has asked for an early end of this request, which is unanswered."""

    def has_news(self) -> bool:
        """Whether the host has given up anything, or asked anything to stop, since this was asked last; False
        where that is only known for a given request. The host sees first what the worker has begun and ended.
        """
        return False

    def note_wait(self, request_id: int, what: int) -> None:
        """What a request in work waits for from now on: NOTHING, FOR_TURN, FOR_ITEM or FOR_ANSWER. The host
        sees this before the worker looks at anything else.
        """

    @abc.abstractmethod
    def get_tensor(self, tag: str, library: Optional[Library]) -> Any:
        """The tensor under a tag (``library``: as in import_tsr), which the caller may modify.

        Raises KeyError if there is no such tensor, FormatError if it is broken.
        """

    @abc.abstractmethod
    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """A new, uninitialised tensor that ``try_send`` need not copy, if the transport supports that."""
