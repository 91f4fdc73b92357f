"""Whether the caller is a signal handler, or the garbage collector, in the middle of our code.

Such a caller cannot wait for other threads of ours: the code that it has interrupted may hold a lock, of its
session or of the whole process. The program's own code looks the same on the stack where we call it: the
functions that it exposes, ``on_progress``, the iterators that values come from. But we hold no lock while it
runs, so it may do there whatever it may do elsewhere. Therefore the functions that call it are marked.
"""

import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Callable, Optional, Set, TypeVar, cast

if TYPE_CHECKING:
    from types import CodeType, FrameType, FunctionType

_Function = TypeVar("_Function", bound=Callable[..., Any])

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
# Where there is code that may hold a lock.
_FOLDERS = tuple(
    os.path.join(_PACKAGE, folder, "") for folder in ("_host", "_process", "_transport", "_system")
)
_calling: "Set[CodeType]" = set()


def calls_program(function: _Function) -> _Function:
    """Mark a function that calls the program's code. REQUIRES: neither it nor what calls it holds a lock."""
    _calling.add(cast("FunctionType", function).__code__)
    return function


def has_interrupted_us(*, is_finalizer: bool = False) -> bool:
    """Whether the function that called this one was itself called in the middle of our code: by a signal
    handler, which only the main thread runs, or, if it ``is_finalizer``, by the garbage collector, which runs
    in any thread.
    """
    if not is_finalizer and threading.current_thread() is not threading.main_thread():
        return False
    has_called_out = False  # whether these frames of ours have called the program's that were before them
    frame: Optional[FrameType] = sys._getframe(2)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    while frame:
        code = frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            has_called_out = False
        elif code in _calling:
            has_called_out = True
        elif not has_called_out and code.co_filename.startswith(_FOLDERS):
            return True
        frame = frame.f_back
    return False
