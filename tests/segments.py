"""A session's shared memory as a monitor sees it: the control words, how much memory the arenas have taken, and which segments a
process has. Each platform has its own (segments_posix.py, segments_windows.py).
"""

import sys

if sys.platform == "win32":
    from segments_windows import Monitor, descriptors, duplicate, mappings
else:
    from segments_posix import Monitor, descriptors, duplicate, mappings

__all__ = ["Monitor", "descriptors", "duplicate", "mappings"]
