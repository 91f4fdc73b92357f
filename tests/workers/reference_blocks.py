"""Answers what the reference text's blocks ask for."""

import sys

import numpy as np

from tech_renaissance import TechRenaissanceServer


class BlockServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "batch_process":
            self.send_tensors(sum(self.get_tensors(parameters, 3)))
        elif command == "data":
            self.send_tensors(np.full(1, 7, np.float32))
        elif command == "retry_command":
            self.send_tensors(*self.get_tensors("input_a", 1))
        elif command == "fail":
            raise RuntimeError("no result today")
        else:
            return False
        return True


if __name__ == "__main__":
    BlockServer(library="numpy").run(sys.argv[1])
