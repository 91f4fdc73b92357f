"""Shared segments: memory that a host and a worker both map.

``Segment.create`` makes one, ``Segment.inherit`` takes over one that the host made; a worker inherits its
``fileno``, on Windows its handle. Offsets are the same on both sides. The system frees the memory when the
last of these and the last mapping are closed.
"""

import sys
from typing import Optional

if sys.platform == "win32":
    from .segment_windows import UNCHECKED_NBYTES, Mapping, Segment
else:
    from .segment_posix import UNCHECKED_NBYTES, Mapping, Segment

__all__ = ["UNAVAILABLE", "UNCHECKED_NBYTES", "MappedSegment", "Mapping", "Segment"]


class MappedSegment(Mapping):
    """A segment that is mapped as a whole."""

    def __init__(self, segment: Segment) -> None:
        """Takes over the segment, even if this fails (OSError)."""
        try:
            super().__init__(segment, 0, segment.nbytes)
        except BaseException:
            segment.close()
            raise
        self._segment = segment

    def fileno(self) -> int:
        """The descriptor."""
        return self._segment.fileno()

    def close(self) -> None:
        """Close the mapping and the segment."""
        super().close()
        self._segment.close()


def _unavailable() -> Optional[str]:
    if sys.maxsize < 1 << 32:
        return "shared memory is for 64-bit processes"
    if sys.platform not in ("linux", "win32"):
        return f"shared memory is not tested on {sys.platform} yet"
    return None


# Whether the platform has segments at all, and if not, why.
UNAVAILABLE = _unavailable()
