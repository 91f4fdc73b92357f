"""Writes in all ways: without a line break, much, from a child, when nobody asks."""

import subprocess
import sys
import threading

from echo import EchoServer
from gate import pass_gate


class TalkerServer(EchoServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "print":
            print(parameters)
            print(f"({parameters})", file=sys.stderr)
        elif command == "unended":
            for _ in range(int(parameters) // 1_000_000):
                print("x" * 1_000_000, end="")
            print("x" * (int(parameters) % 1_000_000), end="")
        elif command == "later":
            threading.Thread(target=_speak, args=(parameters,)).start()
        else:
            return super().main_logic(command, parameters)
        return True


def _speak(path: str) -> None:
    pass_gate(path)
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)


if __name__ == "__main__":
    TalkerServer(library="numpy").run(sys.argv[1])
