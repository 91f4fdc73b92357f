"""Transports: how frames and tensor bytes move between a host and a worker.

One contract, one file per mechanism. A transport knows nothing of states, calls or processes: it moves a frame when there
is room for it, and waits. ``tech_renaissance.testing.check_transport`` is the contract as a test.
"""

import abc
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Union

from .._base.errors import RemoteProtocolError
from .._base.tensor import DType, Library
from .._protocol.frame import Failure, Frame, Response

# The code of a RemoteProtocolError after which an end can receive nothing any more.
BROKEN_RING = "broken_ring"


# What a host receives: a frame, or why what came is none.
Taken = Union[Frame, RemoteProtocolError, None]


class Offer(NamedTuple):
    """What a worker must be given when it is launched: environment variables, and descriptors to inherit."""

    environment: Dict[str, str]
    descriptors: List[int]


class Transport(abc.ABC):
    """One end. All methods raise OSError when the mechanism itself fails (disk full, directory gone).

    Thread-safety: one thread at a time may be in ``receive``; everything else may be called beside it from any thread,
    but ``try_send`` by one thread at a time.
    """

    @abc.abstractmethod
    def try_send(self, frame: Frame) -> bool:
        """Hand a frame to the other end; False if there is no room for it now.

        The tensors of a Response may be any tensors that TSR can hold. Raises FormatError for others: nothing is sent then.
        """

    @abc.abstractmethod
    def receive(self, timeout_s: float) -> Optional[Frame]:
        """The next frame from the other end, waiting up to ``timeout_s`` (0: not at all).

        None when nothing came; it may return early, after ``wake``, or when there may be room to send again.
        Raises RemoteProtocolError for bytes that are no frame, once: they are consumed. With the code BROKEN_RING, every time:
        what comes cannot be told from what came. The tensors of a Response are tensors, owned by the caller; its command may be
        empty: then it is that of its request.
        """

    @abc.abstractmethod
    def wake(self) -> None:
        """End a wait in ``receive``, or the next one, from any thread."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release what the end holds. No other method may be called afterwards. Safe to call twice."""


class HostTransport(Transport):
    """The host's end: it also keeps tensors under tags, from before the worker starts until the session ends.

    An exception, such as a KeyboardInterrupt out of a signal handler, may leave any method at any moment. No frame is lost by it: what
    ``receive`` could not return is in ``taken``, or comes again; ``has_sent`` says what became of ``try_send``.
    """

    # What this process has run out of, in the system's words, if nothing can be sent or received for that. It is as if there were no room,
    # or nothing had come: tried again while somebody waits.
    lack = ""

    @property
    @abc.abstractmethod
    def taken(self) -> Taken:
        """What ``receive`` took last, whether it could return it or not; it does not come again. None since ``forget_taken`` or ``prepare``."""

    @abc.abstractmethod
    def forget_taken(self) -> None:
        """It has been dealt with."""

    @abc.abstractmethod
    def has_sent(self, frame: Frame) -> bool:
        """Whether the last ``try_send``, which was of this very frame, has handed it over. After one that was interrupted."""

    @abc.abstractmethod
    def put_tensor(self, tag: str, tensor: Any) -> None:
        """Put a tensor under a tag, in place of one that was there: for the requests that are sent from now on. Raises
        FormatError, ArenaFull.
        """

    @abc.abstractmethod
    def drop_tensor(self, tag: str) -> None:
        """Forget a tag, likewise; that there is none is no error."""

    @abc.abstractmethod
    def tags(self) -> List[str]:
        """The tags that have a tensor; reserved ones may be among them that name something else."""

    @abc.abstractmethod
    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """A new tensor, uninitialised, that ``put_tensor`` need not copy where the transport can do that."""

    @abc.abstractmethod
    def prepare(self) -> Offer:
        """Make ready for a new worker: nothing that an earlier one said is received again. Tags stay."""

    @abc.abstractmethod
    def cancel(self, request_id: int) -> None:
        """Let the worker know that nobody wants this request's answer any more; the last one counts."""

    @abc.abstractmethod
    def may_have_begun(self, request_id: int) -> bool:
        """Whether the worker may have begun with this request, the oldest one that has no response."""

    @abc.abstractmethod
    def watch_exit(self, handle: int) -> None:
        """The worker is launched, and has what it was offered. From now on waits end when this handle (Process.exit_handle) says that its
        process is gone.
        """


def not_taken_in(response_id: Optional[int], dialect: str, error: Exception) -> Response:
    """What stands for a response that this host cannot take in, for want of memory or address space: as if the worker had had too
    little to send it.
    """
    kind = MemoryError if isinstance(error, MemoryError) else type(error)  # numpy has one of its own
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    message = f"{name}: the host cannot take in the answer{f': {error}' if str(error) else ''}"
    return Response("", "error", message, (), Failure("command_failed", message, name), response_id, dialect)


class WorkerTransport(Transport):
    """The worker's end. Forks of the worker keep none of its descriptors (_system/fork.py), and call nothing of it but ``is_cancelled``."""

    @abc.abstractmethod
    def is_cancelled(self, request_id: int) -> bool:
        """Whether this request is the last one that the host has cancelled. May be called from a signal handler."""

    @abc.abstractmethod
    def get_tensor(self, tag: str, library: Optional[Library]) -> Any:
        """The tensor under a tag (``library``: as in import_tsr), the caller's to modify.

        Raises KeyError if there is none, FormatError if it is broken.
        """

    @abc.abstractmethod
    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """A new tensor, uninitialised, that ``try_send`` need not copy where the transport can do that."""
