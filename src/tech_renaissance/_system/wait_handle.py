"""What event loops wait for: a WaitHandle fires while any of its members does, and outlives them."""

import sys

if sys.platform == "win32":
    from .wait_handle_windows import WaitHandle
elif sys.platform == "linux":
    from .wait_handle_linux import WaitHandle
else:
    from .wait_handle_kqueue import WaitHandle

__all__ = ["WaitHandle"]
