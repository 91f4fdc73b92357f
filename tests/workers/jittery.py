"""Answers after a random pause, and would sleep for an hour if a wake-up were lost."""

import random
import sys
import time

from tech_renaissance import TechRenaissanceServer
from tech_renaissance._transport.shm import control

control.SLEEP_S = 3600.0
numbers = random.Random(7)


class JitteryServer(TechRenaissanceServer):
    """One command: ``echo``."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Answer at once, or after up to 200 microseconds."""
        if numbers.random() < 0.5:
            time.sleep(numbers.random() * 200e-6)
        self.write_response("", parameters)
        return command == "echo"


if __name__ == "__main__":
    JitteryServer().run(sys.argv[1])
