"""The doorbell wakes the other side when it is asleep: ``Doorbell`` is one side's
end, as the platform makes it.
"""

import sys

if sys.platform == "win32":
    from .doorbell_windows import Doorbell
else:
    from .doorbell_posix import Doorbell

__all__ = ["Doorbell"]
