"""Prints far more than anyone reads."""

import os
import sys

from echo import EchoServer


class FloodServer(EchoServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command != "flood":
            return super().main_logic(command, parameters)
        block = b"x" * 65536
        for _ in range(int(parameters) * 16):
            os.write(1, block)
            os.write(2, block)
        return True


if __name__ == "__main__":
    FloodServer(library="numpy").run(sys.argv[1])
