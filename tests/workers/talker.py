"""Writes in all ways: without a line break, much, from a child, when nobody asks, and then dies."""

import os
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
        elif command == "bytes":
            os.write(1, parameters.encode().decode("unicode_escape").encode())
        elif command == "unended":
            for _ in range(int(parameters) // 1_000_000):
                print("x" * 1_000_000, end="")
            print("x" * (int(parameters) % 1_000_000), end="")
        elif command == "lines":  # so many of 60 bytes, of one letter each
            sys.stdout.reconfigure(newline="\n")
            letter, _, count = parameters.partition(" ")
            sys.stdout.write((letter * 59 + "\n") * int(count))
        elif command == "print-and-wait":
            words, _, path = parameters.rpartition(" ")
            print(words)
            pass_gate(path)
        elif command == "print-and-die":
            print(parameters)
            os._exit(3)
        elif command == "later":
            threading.Thread(target=_speak, args=parameters.split(" ", 1)).start()
        else:
            return super().main_logic(command, parameters)
        return True


def _speak(path: str, words: str = "from a child") -> None:
    pass_gate(path)
    subprocess.run([sys.executable, "-c", f"print({words!r})"], check=True)


if __name__ == "__main__":
    TalkerServer(library="numpy").run(sys.argv[1])
