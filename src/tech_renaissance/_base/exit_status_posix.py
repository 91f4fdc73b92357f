"""What the exit status of a process means on POSIX. Negative is a signal."""

import signal
from typing import Optional


def signal_name(status: Optional[int]) -> str:
    """The name of the signal that an exit status stands for; empty if it is not a signal's."""
    if status is None or status >= 0:
        return ""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def describe_exit(status: Optional[int]) -> str:
    """An exit status in words."""
    if status is None:
        return "its exit status is unknown"
    if status >= 0:
        return f"exit status {status}"
    name = signal_name(status)
    return name if name.startswith("signal") else f"signal {-status} ({name})"
