"""Leaves when it is told to, and takes its time over it: waits at GATE in atexit."""

import atexit
import os
import sys

from echo import EchoServer
from gate import pass_gate


class SlowExitServer(EchoServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command != "leave":
            return super().main_logic(command, parameters)
        self.write_response("", "leaves")
        sys.exit(0)


if __name__ == "__main__":
    atexit.register(pass_gate, os.environ["GATE"])
    SlowExitServer(library="numpy").run(sys.argv[1])
