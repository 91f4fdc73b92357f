"""What the exit status of a process means: the platform's (exit_status_posix.py, exit_status_windows.py)."""

import sys

if sys.platform == "win32":
    from .exit_status_windows import describe_exit, signal_name
else:
    from .exit_status_posix import describe_exit, signal_name

__all__ = ["describe_exit", "signal_name"]
