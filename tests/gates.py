"""Gates: a worker stops at one until the test lets it pass, so that tests need no sleeping.

Workers pass a gate with ``gate.pass_gate(path)``, see tests/workers/gate.py. A gate of the test has

    path                the name by which workers know it
    wait_for_arrival()  wait until a worker stands before it
    has_arrival()       whether one does that has not been told of yet
    open(count=1)       let so many pass, now or later
    close()             take it away; who stands before it may pass
"""

import sys

if sys.platform == "win32":
    from gates_windows import Gate
else:
    from gates_posix import Gate

__all__ = ["Gate"]
