"""How far a call is."""

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Progress:
    """What a handler has said: ``done`` of ``total``, in any unit. ``total`` is None if it is unknown."""

    done: float
    total: Optional[float] = None
    message: str = ""

    @property
    def fraction(self) -> Optional[float]:
        """``done / total``; None if the total is unknown or 0."""
        return self.done / self.total if self.total else None
