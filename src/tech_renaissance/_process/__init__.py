"""The worker's process, from the host's side: launched, watched, stopped.

``Process`` is the platform's (posix.py, windows.py); both have the same members. Choosing an interpreter and explaining a
death are in files of their own.
"""

import sys

if sys.platform == "win32":
    from .windows import Process
else:
    from .posix import Process

__all__ = ["Process"]
