"""What a worker's death means, in words: its exit status and the advice that fits its last lines."""

import re
import signal

_NO_MODULE = re.compile(r"No module named '?([\w.]+)'?")
_LINES = 20


def describe_exit(status: int) -> str:
    """An exit status as a person reads it; negative is a signal."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"


def explain(status: int, output_tail: str, interpreter: str) -> str:
    """The exit status, the last lines of output, and what to do about it."""
    lines = output_tail.rstrip().splitlines()[-_LINES:]
    text = describe_exit(status)
    if lines:
        text += "; its last lines:\n" + "\n".join(f"    {line}" for line in lines)
    missing = _NO_MODULE.findall(output_tail)
    if missing:
        package = missing[-1].partition(".")[0].replace("_", "-")
        text += f"\nThe worker's interpreter lacks a package; this installs it: {interpreter} -m pip install {package}"
    return text
