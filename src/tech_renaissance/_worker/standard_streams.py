"""The standard streams of the worker's process. A script may have put anything in their place, or nothing,
and what it has put there may fail; that must not change how the worker works, or ends.
"""

import contextlib
import faulthandler
import sys


def prepare_streams() -> None:
    """Have native crashes print a stack, and prints appear at once."""
    with contextlib.suppress(Exception):
        faulthandler.enable()
    with contextlib.suppress(Exception):
        sys.stdout.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def say(text: str) -> None:
    """Print lines to stderr."""
    with contextlib.suppress(Exception):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def flush_streams() -> None:
    """Write what they still hold, because the process ends without Python's help."""
    for name in ("stdout", "stderr"):
        with contextlib.suppress(Exception):
            getattr(sys, name).flush()
