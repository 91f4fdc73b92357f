"""Starts processes of its own, and holds the GIL if asked to."""

import ctypes
import os
import subprocess
import sys

from echo import EchoServer


class ParentServer(EchoServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "child":
            self.write_response("", str(self.start_child()))
        elif command == "fork":
            child = os.fork()
            if child == 0:
                ctypes.CDLL(None).pause()
            self.write_response("", str(child))
        elif command == "hold-the-gil":
            with open(parameters, "w"):
                if sys.platform == "win32":
                    ctypes.PyDLL("kernel32").Sleep(600_000)
                else:
                    ctypes.PyDLL(None).sleep(600)
        else:
            return super().main_logic(command, parameters)
        return True

    def start_child(self, **options) -> int:
        """Its number. It outlives us if nobody ends it."""
        command = [sys.executable, "-c", "import threading; threading.Event().wait(600)"]
        return subprocess.Popen(command, **options).pid


if __name__ == "__main__":
    ParentServer(library="numpy").run(sys.argv[1])
