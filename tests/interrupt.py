"""A KeyboardInterrupt at a chosen moment inside the package."""

import dis
import os
import sys
from types import CodeType, FrameType
from typing import Any, Callable, Dict

import tech_renaissance

_PACKAGE = os.path.dirname(tech_renaissance.__file__)
_names: Dict[CodeType, Dict[int, str]] = {}


def interrupted(action: Callable[[], object], moment: int) -> bool:
    """Run ``action`` and raise KeyboardInterrupt at a moment, counted from 0; False if it was over before.

    The moments are those at which CPython looks for signals: when a function of the package begins, and when a call has returned to one.
    """
    remaining = moment
    before: Dict[FrameType, str] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal remaining
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        if event == "call":
            frame.f_trace_opcodes = True
            is_moment = True
        elif event == "opcode":
            name = _name(frame)
            is_moment = before.get(frame, "").startswith("CALL") and name != "PUSH_EXC_INFO"
            before[frame] = name
        else:
            return trace
        if is_moment:
            if not remaining:
                raise KeyboardInterrupt
            remaining -= 1
        return trace

    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
        before.clear()
    return False


def _name(frame: FrameType) -> str:
    names = _names.get(frame.f_code)
    if names is None:
        names = _names[frame.f_code] = {at.offset: at.opname for at in dis.get_instructions(frame.f_code)}
    return names[frame.f_lasti]
