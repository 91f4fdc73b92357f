"""Ends a test that hangs: shows where it stands and kills the processes it waits for, so that the run goes on."""

import faulthandler
import os
import sys
import threading

from processes import descendants, kill

_PATIENCE_S = 300.0  # far more than any test takes on a machine that does much else
_LAST_PATIENCE_S = 20.0


class Watchdog:
    """Watches one test from construction to ``stop``."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self.bit = False
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The test came to its end."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._stopped.wait(_PATIENCE_S):
            return
        self.bit = True
        faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
        for pid in reversed(descendants(os.getpid())):
            kill(pid)
        if not self._stopped.wait(_LAST_PATIENCE_S):
            os._exit(3)  # it hangs by itself: nothing else ends it
