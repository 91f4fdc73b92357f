"""A KeyboardInterrupt, or a signal handler, at a chosen moment inside the package; and a second KeyboardInterrupt while the first unwinds."""

import dis
import os
import sys
from types import CodeType, FrameType
from typing import Any, Callable, Dict, Optional

import tech_renaissance

_PACKAGE = os.path.dirname(tech_renaissance.__file__)
_LOOKS = ("CALL", "JUMP_BACKWARD")
_names: Dict[CodeType, Dict[int, str]] = {}


class _Second:
    """Raises while the first interruption unwinds, as a profile function: a trace function that has raised is called no more."""

    def __init__(self, moment: Optional[int]) -> None:
        self.has_come = False
        self._remaining = moment

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if self._remaining is None or event not in ("call", "c_return"):
            return
        if frame.f_code.co_filename.startswith(_PACKAGE):
            if not self._remaining:
                self.has_come = True
                raise KeyboardInterrupt
            self._remaining -= 1


def interrupted(action: Callable[[], object], moment: int, second: Optional[int] = None) -> int:
    """Run ``action`` and raise KeyboardInterrupt at a moment, counted from 0, and again at the ``second`` moment from there. Returns how often
    that was possible before it was over.
    """
    again = _Second(second)

    def interrupt() -> None:
        sys.setprofile(again)
        raise KeyboardInterrupt

    has_come = False
    try:
        has_come = handled(action, moment, interrupt)
    except KeyboardInterrupt:
        has_come = True
    finally:
        sys.setprofile(None)
    return has_come + again.has_come


def handled(action: Callable[[], object], moment: int, handle: Callable[[], object], *files: str) -> bool:
    """Run ``action``, and ``handle`` at a moment, counted from 0, as a signal handler. Returns whether that was possible before it was over.

    The moments are those at which CPython looks for signals: when a function of the package begins, when a call has returned to one, and
    when a loop begins again. Those that count are in the ``files`` of the package with such names, if any are given.
    """
    remaining = moment
    before: Dict[FrameType, str] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal remaining
        path = frame.f_code.co_filename
        if not path.startswith(_PACKAGE) or (files and os.path.basename(path) not in files):
            return None
        if event == "call":
            frame.f_trace_opcodes = True
            is_moment = True
        elif event == "opcode":
            name = _name(frame)
            is_moment = before.get(frame, "").startswith(_LOOKS) and name != "PUSH_EXC_INFO"
            before[frame] = name
        else:
            return trace
        if is_moment:
            remaining -= 1
            if remaining == -1:
                handle()
        return trace

    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(None)
        before.clear()
    return remaining < 0


def _name(frame: FrameType) -> str:
    names = _names.get(frame.f_code)
    if names is None:
        names = _names[frame.f_code] = {at.offset: at.opname for at in dis.get_instructions(frame.f_code)}
    return names[frame.f_lasti]
