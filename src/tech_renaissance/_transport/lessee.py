"""The reader's side of an arena: tensors that live in the other side's blocks, and giving the blocks back.

A tensor made here is a view of its block. When nothing refers to the block any more (no tag, no tensor, no view or slice
of one), its lease is returned by storing one word. Rules: spec/transport-shm.md, Blocks and leases.

Making a view costs more than all else in a small call, so a view that nobody has is not thrown away with its lease: it is
parked, and serves again when the block comes back with the same header.

Not thread-safe, but for one thing: tensors may die in any thread at any moment. Then they only leave a note, which is dealt with
at the next call.
"""

import functools
import sys
import weakref
from collections import deque
from typing import Any, Deque, Dict, Optional

from .._errors import FormatError, RemoteProtocolError
from .._tensor import Library
from .._tsr import HEADER_NBYTES_MAX, Header, peek_header
from .arena import PREFIX_NBYTES
from .segment import Segment, page_up
from .view import StorageUse, view_of

_LEAST_BLOCK = PREFIX_NBYTES + HEADER_NBYTES_MAX
_MOST_PARKED = 64
# The lease's own reference to its view, and the argument of getrefcount.
_OWN_REFERENCES = 2


class Watch(weakref.ref):  # type: ignore[type-arg]
    """Notes that memory is not referred to any more; knows of which block it was (or, for a lender, at which address)."""

    __slots__ = ("offset",)
    offset: int


class _Lease:
    """One block: the number to return, how many hold it here, its view, and the memory of all views that are watched."""

    __slots__ = ("header", "holders", "is_known", "library", "number", "use", "view", "watches")

    def __init__(self) -> None:
        self.number = 0
        self.holders = 0
        self.view: Any = None
        self.library = ""
        self.header = b""  # under which the view was made
        self.is_known = False  # whether that is still the block's header
        self.use: Optional[StorageUse] = None
        self.watches: Dict[int, Watch] = {}


class Lessee:
    """Reads blocks of an arena that the other side owns."""

    def __init__(self, segment: Segment) -> None:
        self._bytes = segment.bytes
        self._segment = segment
        self._words = segment.words
        self._leases: Dict[int, _Lease] = {}
        self._parked: Dict[int, _Lease] = {}  # returned, but for their views
        self._dead: Deque[Watch] = deque()
        self._populated = 0

    def hold(self, offset: int, number: int) -> None:
        """The other side has lent a block: keep it until ``let_go``. Raises RemoteProtocolError for one that cannot be."""
        if offset & 63 or offset > self._segment.nbytes - _LEAST_BLOCK or not 0 < number < 1 << 63:
            raise RemoteProtocolError("bad_frame", f"there is no block at {offset} in the arena")
        if self._dead:
            self.collect()
        lease = self._leases.get(offset)
        if lease is None:
            lease = self._parked.pop(offset, None) or _Lease()
            self._leases[offset] = lease
        lease.number = number
        lease.holders += 1
        lease.is_known = False

    def let_go(self, offset: int) -> None:
        """Hold the block no longer; tensors of it may live on."""
        lease = self._leases[offset]
        lease.holders -= 1
        if lease.holders:
            return
        if _is_unused(lease):
            self._park(offset, lease)
            return
        lease.view = lease.use = None
        lease.is_known = False
        if self._dead:
            self.collect()
        self._return_if_unused(offset, lease)

    def tensor(self, offset: int, library: Library) -> Any:
        """A tensor that is a view of a block that is held. Raises FormatError if the block has none."""
        lease = self._leases[offset]
        if lease.is_known and lease.library == library:
            return lease.view
        start = offset + PREFIX_NBYTES
        head = self._bytes[start : start + HEADER_NBYTES_MAX].tobytes()
        if lease.view is not None and lease.library == library and lease.header == head:
            lease.is_known = True
            return lease.view
        header = _parse_header(head)
        start += header.header_nbytes
        end = start + header.nbytes
        if end > self._segment.nbytes:
            raise FormatError("short_data", "the tensor ends behind its arena", self._segment.nbytes - offset)
        if end > self._populated:
            self._populate(end)
        lease.view, memory = view_of(self._segment, start, header.dtype, header.shape, library)
        lease.library, lease.header, lease.is_known = library, head, True
        lease.use = StorageUse.of(lease.view)
        watch = Watch(memory, self._dead.append)
        watch.offset = offset
        lease.watches[id(watch)] = watch
        return lease.view

    def body(self, offset: int, nbytes: int) -> bytes:
        """A copy of a large frame's body, in a block that is held."""
        start = offset + PREFIX_NBYTES
        if not 0 < nbytes <= self._segment.nbytes - start:
            raise RemoteProtocolError("bad_frame", "the frame's body ends behind its arena")
        return self._bytes[start : start + nbytes].tobytes()

    def collect(self) -> None:
        """Return the blocks whose tensors died."""
        while self._dead:
            watch = self._dead.popleft()
            lease = self._leases.get(watch.offset)
            if lease is not None and lease.watches.pop(
                id(watch), None
            ):  # else its lease was parked, and thrown away
                self._return_if_unused(watch.offset, lease)

    def _park(self, offset: int, lease: _Lease) -> None:
        if len(self._parked) >= _MOST_PARKED:
            del self._parked[next(iter(self._parked))]
        self._parked[offset] = lease
        del self._leases[offset]
        self._words[offset >> 3] = lease.number

    def _return_if_unused(self, offset: int, lease: _Lease) -> None:
        if not lease.holders and not lease.watches and self._leases.pop(offset, None):
            self._words[offset >> 3] = lease.number

    def _populate(self, end: int) -> None:
        start, self._populated = self._populated, page_up(end)
        self._segment.populate(start, self._populated)


def _is_unused(lease: _Lease) -> bool:
    """Whether a lease has a view that nobody else refers to, nor to any part of it."""
    use = lease.use
    return (
        use is not None
        and len(lease.watches) == 1
        and sys.getrefcount(lease.view) == _OWN_REFERENCES
        and use.is_sole()
    )


@functools.lru_cache(maxsize=1024)
def _parse_header(head: bytes) -> Header:
    """Headers repeat: the same dtype and shape is the same header."""
    return peek_header(head, len(head))
