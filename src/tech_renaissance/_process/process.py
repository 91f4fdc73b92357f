"""The worker's process, from the host's side: the platform's ``Process`` (posix.py, windows.py); both have the same members."""

import sys

if sys.platform == "win32":
    from .windows import Process
else:
    from .posix import Process

__all__ = ["Process"]
