"""Stops at a gate between ``exiting`` and ``terminated``."""

import os
import sys

from echo import EchoServer
from gate import pass_gate

from tech_renaissance._transport.file.worker import FileWorker

_close = FileWorker.close


def _slow_close(worker: FileWorker) -> None:
    pass_gate(os.environ["GATE"])
    _close(worker)


if __name__ == "__main__":
    FileWorker.close = _slow_close  # type: ignore[method-assign]
    EchoServer(library="numpy").run(sys.argv[1])
