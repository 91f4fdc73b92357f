"""The worker's side of a gate (tests/gates.py): say that we are here, and wait until we may go on."""

import sys

if sys.platform == "win32":
    from gate_windows import announce, pass_gate
else:
    from gate_posix import announce, pass_gate

__all__ = ["announce", "pass_gate"]
