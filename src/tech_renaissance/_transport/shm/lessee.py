"""The reader's side of an arena: makes tensors that live in the other side's blocks, and returns the blocks.

A tensor made here is a view of its block. When nothing refers to the block any longer (no tag, no
tensor, no view or slice of one), its lease is returned by storing a single word. Rules:
spec/transport-shm.md, Blocks and leases.

Making a view costs more than anything else in a small call, so an unused view is not thrown away with its
lease. It is parked, and used again when the block comes back with the same header.

Not thread-safe, with one exception: tensors may die in any thread at any moment. They only leave a
note, which the next call deals with.
"""

import functools
import time
import weakref
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional

from ..._base.errors import ArenaFull, FormatError, RemoteProtocolError
from ..._base.tensor import Library, imported_library
from ..._protocol.body import TENSOR
from ..._protocol.tsr import HEADER_NBYTES_MAX, HEADER_NBYTES_MIN, Header, is_short_header, peek_header
from . import frame as shm_frame
from .arena import PREFIX_NBYTES, TIDY_S
from .segment import UNCHECKED_NBYTES, Mapping, Segment
from .view import Use, alias_maker, use_of, view_of
from .window import Windows

_LEAST_BLOCK = PREFIX_NBYTES + HEADER_NBYTES_MAX
_MOST_PARKED = 64
# Up to this size it does no harm if the owner learns a little later that a tensor has died.
_SMALL_NBYTES = 65536
# How often such a tensor is looked at. By then it may have got a name, which the next one takes over.
_MOST_LOOKS = 2
# After so many requests with the same tensor of a tag it is taken for one that will not be
# sent again soon: it is not marked any more, so that the next ones have it for nothing.
_MOST_MARKS = 4
_NUMBERS_END = 1 << 63


class MemoryRef(weakref.ref):  # pyright: ignore[reportMissingTypeArgument]
    """Notes when memory is no longer referred to. ``offset``: its block."""

    __slots__ = ("offset",)
    offset: int


class Lease:
    """A block: the lease number to return, how many holders it has here, its view, and the memory of all
    watched views. As an attachment of a request it is what is Received.
    """

    __slots__ = (
        "alias",
        "header",
        "holders",
        "is_idle",
        "is_known",
        "is_parked",
        "is_small",
        "lessee",
        "library",
        "looks",
        "memories",
        "number",
        "offset",
        "start",
        "use",
        "uses",
        "view",
        "window",
    )

    def __init__(self, offset: int, lessee: "Lessee") -> None:
        self.offset = offset
        self.lessee = lessee
        self.number = 0
        self.holders = 0
        self.view: Any = None  # never handed out; only aliases of it are
        self.alias: Callable[[Any], Any] = alias_maker("numpy")  # makes those aliases
        self.library = ""
        self.header = b""  # the header that the view was made with; empty without a view
        self.start = 0  # where the header begins in the window
        self.is_known = False  # whether it is known to be still the block's header
        self.is_idle = False  # whether the owner may write into the block
        self.is_parked = False  # whether the block has been returned, and the view is kept
        self.is_small = False  # whether it is to be let go later
        self.looks = 0  # how often its tensor may still be found alive before it is let go
        self.use: Optional[Use] = None
        self.uses = 0  # by how many requests it was marked, or is to be
        self.memories: Dict[int, MemoryRef] = {}
        self.window: Optional[Mapping] = None  # set once the tensor is wanted

    def value(self, library: Optional[Library]) -> Any:
        """See Received. A view of shared memory."""
        library = library or imported_library()
        header, start, window = self.header, self.start, self.window
        # As Lessee.tensor, in less time.
        if header and window and self.library == library and not self.is_idle:  # noqa: SIM102
            if window.mapping[start : start + len(header)] == header:
                return self.alias(self.view)
        return self.lessee.tensor(self, library)

    def let_go(self) -> None:
        """Stop holding the block. Tensors in it may live on."""
        self.holders -= 1
        if self.holders:
            return
        lessee, use, window = self.lessee, self.use, self.window
        if use is not None and window is not None and len(self.memories) == 1 and use.is_sole():
            self.is_parked = True
            window.words[self.offset - window.begin >> 3] = self.number
            return
        self.view = self.use = None
        self.header = b""
        self.is_known = False
        lessee.return_unused(self)


class Lessee:
    """Reads blocks of an arena that the other side owns."""

    def __init__(self, segment: Segment) -> None:
        """Raises OSError if the segment cannot be mapped."""
        self._segment = segment
        self._windows = Windows(segment)
        self._leases: Dict[int, Lease] = {}  # by offset; the parked ones, too
        self._most_leases = _MOST_PARKED  # when there are so many, those that are parked are thrown away
        self.dead: Deque[MemoryRef] = deque()  # for ``collect`` to deal with
        self.used: List[Lease] = []  # for ``mark_idle`` to deal with
        self.kept: Deque[Lease] = deque()  # for ``let_go_of_dead`` to deal with
        self._tidied_at = time.monotonic()

    def hold(self, offset: int, number: int) -> Lease:
        """Hold a block that the other side has lent, until it is let go. Raises RemoteProtocolError
        if there can be no such block.
        """
        if offset & 63 or offset >= self._segment.nbytes or not 0 < number < _NUMBERS_END:
            raise RemoteProtocolError("bad_frame", f"there is no block at {offset} in the arena")
        if self.dead:
            self.collect()
        lease = self._leases.get(offset)
        if lease is None:
            if len(self._leases) >= self._most_leases:
                self._drop_parked()
            self._leases[offset] = lease = Lease(offset, self)
        lease.number = number
        lease.holders += 1
        lease.uses = 0
        lease.is_known = lease.is_parked = lease.is_idle = False
        return lease

    def hold_again(self, encoded: bytes) -> Optional[List[Lease]]:
        """Hold the blocks of encoded attachments, if all are tensors in blocks that are
        known here, else none of them.
        """
        if self.dead:
            self.collect()
        found: List[Lease] = []
        numbers: List[int] = []
        leases = self._leases
        for kind, memory, offset, number in shm_frame.ATTACHMENT.iter_unpack(encoded):
            lease = leases.get(offset)
            if lease is None or kind != TENSOR or memory != shm_frame.ARENA or not 0 < number < _NUMBERS_END:
                return None
            found.append(lease)
            numbers.append(number)
        for lease, number in zip(found, numbers):
            lease.number = number
            lease.holders += 1
            lease.is_known = lease.is_parked = lease.is_idle = False
        return found

    def tensor(self, lease: Lease, library: Library) -> Any:
        """A tensor on the memory of a held block. Asking again is fast. Raises FormatError if the block has
        no tensor, ArenaFull if this process cannot map it.
        """
        if not lease.is_known or lease.library != library:
            header, start, window = lease.header, lease.start, lease.window
            is_same = header and window and window.mapping[start : start + len(header)] == header
            if not is_same or lease.library != library:
                self._make_view(lease, library)
            lease.is_known = True
            if lease.is_idle and lease.window:
                lease.window.words[(lease.offset - lease.window.begin >> 3) + 1] = 0
                lease.is_idle = False
            lease.uses += 1
            if lease.uses <= _MOST_MARKS:
                self.used.append(lease)
        return lease.alias(lease.view)

    def mark_idle(self) -> None:
        """Call it when a request has been served: its owner may write into a block that it used, if
        now only a tag refers to it.
        """
        while self.used:
            lease = self.used.pop()
            use, window = lease.use, lease.window
            if not lease.holders:  # it was an attachment's
                continue
            if use is not None and window is not None and len(lease.memories) == 1 and use.is_sole():
                window.words[(lease.offset - window.begin >> 3) + 1] = lease.number
                lease.is_idle = True
                lease.is_known = False

    def tensor_once(self, lease: Lease, library: Library) -> Any:
        """The same, for callers that will not ask again while the block is held, and then
        ``let_go_later`` if it ``is_small``.
        """
        head = self._head(lease)
        header = _parse_header(head)
        if header.nbytes > _SMALL_NBYTES or header.dtype.name == "BOOL" or lease.memories:
            return self._view(lease, head, library)
        self._make_view(lease, library)
        lease.is_small = lease.use is not None
        return lease.alias(lease.view)

    def again(self, offset: int, number: int, library: Library) -> Optional[Any]:
        """A tensor in a block whose view is parked and fits it, else None. The block is
        held until ``let_go_of_dead``.
        """
        lease = self._leases.get(offset)
        if lease is None or not lease.is_parked or lease.library != library or not 0 < number < _NUMBERS_END:
            return None
        window, header, start = lease.window, lease.header, lease.start
        if window is None or window.mapping[start : start + len(header)] != header:
            return None
        lease.is_parked = False
        lease.number = number
        lease.holders = 1
        lease.looks = _MOST_LOOKS
        self.kept.append(lease)
        return lease.alias(lease.view)

    def let_go_later(self, lease: Lease) -> None:
        """Stop holding a block with a small tensor when the tensor is found dead, or has not died soon."""
        lease.looks = _MOST_LOOKS
        self.kept.append(lease)

    def let_go_of_dead(self) -> None:
        """Look whether the tensors have died. Call it now and then."""
        kept = self.kept
        for _ in range(len(kept)):
            lease = kept.popleft()
            lease.looks -= 1
            if lease.looks and lease.use is not None and not lease.use.is_sole():
                kept.append(lease)
            else:
                lease.let_go()

    def whole_frame(self, frame: bytes) -> bytes:
        """A frame whose body is in a block, put together with its body. Returns the block.
        Raises RemoteProtocolError.
        """
        (offset, number), nbytes = shm_frame.decode_body_in_block(frame)
        lease = self.hold(offset, number)
        try:
            return frame[: shm_frame.HEADER_NBYTES] + self._body(offset, nbytes)
        finally:
            lease.let_go()

    def collect(self) -> None:
        """Return the blocks whose tensors have died."""
        while self.dead:
            memory_ref = self.dead.popleft()
            lease = self._leases.get(memory_ref.offset)
            if lease is not None and lease.memories.pop(
                id(memory_ref), None
            ):  # else its lease was parked and then thrown away
                self._return_if_unused(lease)

    def return_unused(self, lease: Lease) -> None:
        """Return a block that nobody holds, once no tensor lives in it."""
        if self.dead:
            self.collect()
        self._return_if_unused(lease)

    def tidy(self) -> None:
        """Unmap what was not needed for a while. Cheap to call often."""
        now = time.monotonic()
        if now - self._tidied_at >= TIDY_S:
            self._tidied_at = now
            self.let_go_of_dead()
            self._drop_parked()
            self._windows.tidy()

    def close(self) -> None:
        """Release the segment. Tensors in it stay."""
        self.used.clear()
        self.kept.clear()
        self._leases.clear()
        self._windows.close()
        self._segment.close()

    def _drop_parked(self) -> None:
        for offset in [lease.offset for lease in self._leases.values() if lease.is_parked]:
            del self._leases[offset]
        self._most_leases = len(self._leases) + _MOST_PARKED

    def _make_view(self, lease: Lease, library: Library) -> None:
        head = self._head(lease)
        lease.header = b""  # in case making the view fails
        lease.view = self._view(lease, head, library)
        lease.library, lease.header = library, head
        lease.use = use_of(lease.view, _parse_header(head).dtype)
        lease.alias = alias_maker(library)
        if self.dead:  # such as the view that was there before, which would keep this one from being parked
            self.collect()

    def _head(self, lease: Lease) -> bytes:
        window = lease.window
        if window is None:
            lease.window = window = self._window(lease.offset)
        # No more than the header is read: the elements after it differ from call to
        # call, while headers repeat.
        lease.start = start = lease.offset - window.begin + PREFIX_NBYTES
        head = window.mapping[start : start + HEADER_NBYTES_MIN]
        return head if is_short_header(head) else window.mapping[start : start + HEADER_NBYTES_MAX]

    def _window(self, offset: int) -> Mapping:
        try:
            window = self._windows.at(offset)
        except OSError as error:
            raise ArenaFull(f"this process cannot map a tensor: {error}") from error
        start = offset - window.begin
        if _LEAST_BLOCK > UNCHECKED_NBYTES and not window.can_hold(start, start + _LEAST_BLOCK):
            raise FormatError("short_data", "there is no memory where the tensor should be")
        return window

    def _view(self, lease: Lease, head: bytes, library: Library) -> Any:
        window = lease.window
        assert window is not None
        header = _parse_header(head)
        start = lease.start + header.header_nbytes
        end = start + header.nbytes
        if end > window.nbytes:
            raise FormatError("short_data", "the tensor ends beyond its window", window.nbytes - start)
        if header.nbytes > UNCHECKED_NBYTES and not window.can_hold(start, end):
            raise FormatError("short_data", "the tensor is larger than the memory in its arena")
        if end > window.populated_to:
            window.populated_to = end
            if self._segment.has_all(
                window.begin + start, window.begin + end
            ):  # else populating would allocate memory
                window.populate(start, end)
        view, memory = view_of(window, start, header.dtype, header.shape, library)
        memory_ref = MemoryRef(memory, self.dead.append)
        memory_ref.offset = lease.offset
        lease.memories[id(memory_ref)] = memory_ref
        return view

    def _body(self, offset: int, nbytes: int) -> bytes:
        start = offset + PREFIX_NBYTES
        if not 0 < nbytes <= self._segment.nbytes - start or not self._segment.can_hold(
            start, start + nbytes
        ):
            raise RemoteProtocolError("bad_frame", "the frame's body is larger than its arena")
        return self._segment.read(start, nbytes)

    def _return_if_unused(self, lease: Lease) -> None:
        if not lease.holders and not lease.memories and self._leases.pop(lease.offset, None):
            self._give_back(lease)

    def _give_back(self, lease: Lease) -> None:
        window = lease.window
        if window is None:
            self._segment.store(lease.offset, lease.number)
        else:
            window.words[lease.offset - window.begin >> 3] = lease.number


@functools.lru_cache(maxsize=1024)
def _parse_header(head: bytes) -> Header:
    """Parse a header. Cached because headers repeat: the same dtype and shape give the same header."""
    return peek_header(head, len(head))
