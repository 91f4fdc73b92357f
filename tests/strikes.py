"""How the faults run ends processes, and which faults the platform has (strikes_posix.py, strikes_windows.py)."""

import sys

if sys.platform == "win32":
    from strikes_windows import (
        DIRECTORY_WAYS,
        GENTLE,
        LIMIT_S,
        PATIENCE_S,
        STRANGE,
        WAYS,
        Ends,
        statuses,
        strike,
    )
else:
    from strikes_posix import (
        DIRECTORY_WAYS,
        GENTLE,
        LIMIT_S,
        PATIENCE_S,
        STRANGE,
        WAYS,
        Ends,
        statuses,
        strike,
    )

__all__ = [
    "DIRECTORY_WAYS",
    "GENTLE",
    "LIMIT_S",
    "PATIENCE_S",
    "STRANGE",
    "WAYS",
    "Ends",
    "statuses",
    "strike",
]
