"""The blocks of what a worker is sending: lent to the host, and kept here until the frame has been sent."""

from typing import TYPE_CHECKING, Any, List, Sequence, Tuple

from . import frame as shm_frame
from .frame import Attached
from .lender import Lender

if TYPE_CHECKING:
    from .arena import Block


class SentBlocks:
    """The blocks of one frame at a time. While it has not been sent, they can be taken back."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender
        self._lent: List[Tuple[Block, int]] = []  # with their previous leases

    def lend(self, attachments: Sequence[Any]) -> List[Attached]:
        """Place the attachments of a frame in blocks, and lend these to the host. Lends none if it fails.
        Raises FormatError, ArenaFull.
        """
        place, lend = self._lender.place_attachment, self._lender.arena.lend
        attached: List[Attached] = []
        try:
            for attachment in attachments:
                kind, block = place(attachment)
                self._lent.append((block, block.lease))
                attached.append((kind, (block.offset, lend(block))))
        except BaseException:
            self.take_back()
            raise
        return attached

    def frame_of(self, data: bytes) -> bytes:
        """Move the body of a large frame into a block, and return the frame to send
        instead. Raises ArenaFull.
        """
        body = data[shm_frame.HEADER_NBYTES :]
        block = self._lender.place_bytes(body)
        self._lent.append((block, block.lease))
        lent = (block.offset, self._lender.arena.lend(block))
        return shm_frame.encode_body_in_block(data, lent, len(body))

    def take_back(self) -> None:
        """The host will not learn of the new leases."""
        for block, lease in reversed(self._lent):
            block.lease = lease
        self.release()

    def release(self) -> None:
        """Once the frame has been sent, only the host and the handler's own tensors have its blocks."""
        self._lender.unplaced.extend(block for block, _ in self._lent)
        self._lent.clear()
