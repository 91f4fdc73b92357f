"""A KeyboardInterrupt at a chosen moment inside the package, and a second one while the first unwinds."""

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

    The moments are those at which CPython looks for signals: when a function of the package begins, when a call has returned to one, and
    when a loop begins again.
    """
    remaining = moment
    count = 0
    again = _Second(second)
    before: Dict[FrameType, str] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal remaining, count
        if not frame.f_code.co_filename.startswith(_PACKAGE):
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
            if not remaining:
                count = 1
                sys.setprofile(again)
                raise KeyboardInterrupt
            remaining -= 1
        return trace

    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
        sys.setprofile(None)
        before.clear()
    return count + again.has_come


def _name(frame: FrameType) -> str:
    names = _names.get(frame.f_code)
    if names is None:
        names = _names[frame.f_code] = {at.offset: at.opname for at in dis.get_instructions(frame.f_code)}
    return names[frame.f_lasti]
