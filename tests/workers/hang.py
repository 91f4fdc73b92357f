"""Hangs, and takes no hint."""

import os
import signal
import sys
import threading

from echo import EchoServer


class HangServer(EchoServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command != "ignore-everything":
            return super().main_logic(command, parameters)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        folder = os.path.join(os.environ["TR_WORKSPACE"], "python_session", f"tr_session_{self.session_id}")
        with open(os.path.join(folder, "deaf"), "w") as file:
            file.write("deaf")
        while True:
            threading.Event().wait(3600)


if __name__ == "__main__":
    HangServer(library="numpy").run(sys.argv[1])
