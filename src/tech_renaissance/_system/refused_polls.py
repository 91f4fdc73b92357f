"""What to do when ``poll`` refuses to wait: it takes no more descriptors than RLIMIT_NOFILE allows, and a
program may lower that limit, as sandboxes do, while those that it has stay open.
"""

import errno
import time

# How often to look for what cannot be waited for.
_LOOK_S = 0.005


def rest_if_refused(error: OSError, timeout_s: float) -> None:
    """Sleep for a moment, after which the caller looks itself for what it waits for. Raises other errors."""
    if error.errno != errno.EINVAL:
        raise error
    time.sleep(min(_LOOK_S, timeout_s))
