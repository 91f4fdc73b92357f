"""Dies as it is told, once or always."""

import ctypes
import os
import signal
import subprocess
import sys

from crash import CrashServer
from gate import pass_gate


class MortalServer(CrashServer):
    counted = 0

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "traceback":  # of the script itself, after the handler
            raise SystemExit(_fail(parameters))
        if command == "die-once":  # at the first call, and answer at the second
            if not os.path.exists(parameters):
                with open(parameters, "w"):
                    os._exit(7)
            self.write_response("", "survived")
            return True
        if command == "wait-and-die":
            pass_gate(parameters)
            os._exit(7)
        if command == "count":  # which one of those this is
            self.write_response("", f"{parameters} {self.counted}")
            self.counted += 1
            return True
        if command == "eat":  # so many MiB
            self.kept = bytearray(int(parameters) << 20)
            for start in range(0, len(self.kept), 4096):
                self.kept[start] = 1
            return True
        if command == "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
            self.write_response("", str(child.pid))
            return True
        if command == "abort":
            ctypes.pythonapi.abort()
        if command == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if command == "weights":  # what on_restart has sent
            self.write_response("", str(self.get_tensor("weights") is not None))
            return True
        return super().main_logic(command, parameters)


def _fail(text: str) -> int:
    import traceback

    try:
        raise KeyError(text)
    except KeyError:
        traceback.print_exc()
    return 1


if __name__ == "__main__":
    MortalServer(library="numpy").run(sys.argv[1])
