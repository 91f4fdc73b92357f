"""Says texts back, and tensors."""

import sys

from echo import EchoServer


class EchoTensorsServer(EchoServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command != "same":
            return super().main_logic(command, parameters)
        self.send_tensors(*(self.get_tensors(parameters) or []))
        return True


if __name__ == "__main__":
    EchoTensorsServer(library="numpy").run(sys.argv[1])
