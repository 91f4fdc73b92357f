"""The tensors that reach a worker: the attachments of its requests, and those that wait under their tags."""

from typing import Any, Dict, List, Optional, Sequence

from ..._base.errors import RemoteProtocolError
from ..._base.tensor import Library, imported_library
from ..._protocol.attachments import read_stored
from ..._protocol.body import TENSOR
from ..transport import Received
from . import frame as shm_frame
from .control import ControlSide
from .frame import PUT, Attached, decode_put
from .lessee import Lease, Lessee
from .segment import Segment


class _PackedAttachment:
    """An attachment of a request that is no tensor; see Received."""

    __slots__ = ("_kind", "_lease")

    def __init__(self, kind: int, lease: Lease) -> None:
        self._kind = kind
        self._lease = lease

    def value(self, library: Optional[Library]) -> Any:
        """See Received."""
        return read_stored(self._kind, self._lease.value, library)

    def let_go(self) -> None:
        """See Received."""
        self._lease.let_go()


class WorkerTensors:
    """The part of a ShmWorker that holds them, until they are let go or replaced."""

    def __init__(self, side: ControlSide, host_arena: Segment) -> None:
        self.side = side
        self._wake_host = side.wake_other
        self.lessee = Lessee(host_arena)
        self._tags: Dict[str, Lease] = {}

    def get_tensor(self, tag: str, library: Optional[Library]) -> Any:
        """See WorkerTransport. The tensor is a view of shared memory."""
        lease, library = self._tags[tag], library or imported_library()
        if lease.is_known and lease.library == library:
            return lease.alias(lease.view)
        return self.lessee.tensor(lease, library)

    def hold(self, attached: Sequence[Attached]) -> List[Received]:
        """Hold the attachments of a frame until they are let go. Raises
        RemoteProtocolError if some are invalid.
        """
        attachments: List[Received] = []
        hold = self.lessee.hold
        try:
            for kind, (offset, number) in attached:
                lease = hold(offset, number)
                attachments.append(lease if kind == TENSOR else _PackedAttachment(kind, lease))
        except RemoteProtocolError:
            for attachment in attachments:
                attachment.let_go()
            raise
        return attachments

    def hold_encoded(self, encoded: bytes) -> Sequence[Received]:
        """The same for attachments as they are in a frame."""
        is_whole = not len(encoded) % shm_frame.ATTACHMENT.size
        held = self.lessee.hold_again(encoded) if is_whole else None
        return self.hold(shm_frame.decode_attachments(encoded)) if held is None else held

    def take_tag(self, kind: int, data: bytes) -> None:
        """Take in a Put or Drop frame. Raises RemoteProtocolError for others, and broken ones."""
        lessee, tags = self.lessee, self._tags
        if kind == PUT:
            tag, (offset, number) = decode_put(data)
            old = tags.get(tag)
            tags[tag] = lessee.hold(offset, number)
        elif kind == shm_frame.DROP:
            old = tags.pop(shm_frame.decode_drop(data), None)
        else:
            raise RemoteProtocolError("bad_frame", f"a host does not send frames of kind {kind}")
        if old is not None:
            old.let_go()
        # The host may be waiting for room. A response would wake it, but these frames have none.
        if self.side.reader.is_crowded:
            self._wake_host()
