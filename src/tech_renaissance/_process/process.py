"""The worker's process as the host sees it: the platform's ``Process`` (posix.py,
windows.py). Both have the same members.
"""

import sys

if sys.platform == "win32":
    from .windows import Process
else:
    from .posix import Process
if sys.platform == "linux":
    from .memory_linux import have_grown, out_of_memory_kills, peak_nbytes, process_state
else:
    from .memory_unknown import have_grown, out_of_memory_kills, peak_nbytes, process_state

__all__ = [
    "Process",
    "have_grown",
    "out_of_memory_kills",
    "peak_nbytes",
    "process_state",
]
