"""What the exit status of a process means on Windows. A process that an exception ended has the exception's
code, which is negative as a signed number.
"""

from typing import Optional

_BITS = 0xFFFFFFFF
# Codes of errors, as programs of Microsoft's own have them.
_FIRST_ERROR, _LAST_ERROR = 0xC0000000, 0xCFFFFFFF
_NAMES = {
    0x80000003: "breakpoint",
    0xC0000005: "access violation",
    0xC0000006: "page read error",
    0xC0000017: "out of memory",
    0xC000001D: "illegal instruction",
    0xC0000025: "exception that cannot be continued",
    0xC000008C: "array index out of bounds",
    0xC000008E: "floating-point division by zero",
    0xC0000094: "integer division by zero",
    0xC0000095: "integer overflow",
    0xC0000096: "privileged instruction",
    0xC00000FD: "stack overflow",
    0xC0000135: "missing DLL",
    0xC0000138: "function missing in a DLL",
    0xC0000139: "function missing in a DLL",
    0xC000013A: "Ctrl+C",
    0xC0000142: "failure to start a DLL",
    0xC0000374: "heap corruption",
    0xC0000409: "fail-fast exit",
    0xC0000420: "failed assertion",
    0xE06D7363: "C++ exception",
}


def signal_name(status: Optional[int]) -> str:
    """The name of the exception that an exit status stands for; empty if it is not an exception's."""
    if status is None or status >= 0:
        return ""
    code = status & _BITS
    return _NAMES.get(code) or (f"exception 0x{code:X}" if _FIRST_ERROR <= code <= _LAST_ERROR else "")


def describe_exit(status: Optional[int]) -> str:
    """An exit status in words."""
    if status is None:
        return "its exit status is unknown"
    name = signal_name(status)
    if not name:
        return f"exit status {status}"
    return name if name.startswith("exception 0") else f"exception 0x{status & _BITS:X} ({name})"
