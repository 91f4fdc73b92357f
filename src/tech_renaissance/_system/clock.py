"""The machine's monotonic clock, by which deadlines travel between processes. Contract: spec/life.md."""

import sys
import time

if sys.platform == "win32" and sys.version_info < (3, 10):
    from .clock_windows import clock_ns
else:
    clock_ns = time.perf_counter_ns

__all__ = ["clock_ns"]
