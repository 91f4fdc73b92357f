"""A script with one of the mistakes that beginners make: MISTAKE is in the environment."""

import os
import sys

from tech_renaissance import TechRenaissanceServer

MISTAKE = os.environ["MISTAKE"]


class Misspelt(TechRenaissanceServer):
    def main_logik(self, command: str, parameters: str) -> bool:
        return True


class Empty(TechRenaissanceServer):
    pass


class Uninitialised(TechRenaissanceServer):
    def __init__(self) -> None:
        self.greeting = "hello"

    def main_logic(self, command: str, parameters: str) -> bool:
        self.debug_message("not debugging")
        self.write_response("", f"{self.greeting} {parameters} {self.session_id}")
        return True


if __name__ == "__main__":
    if MISTAKE == "does not run":
        Uninitialised()
    else:
        {"misspelt": Misspelt, "empty": Empty, "uninitialised": Uninitialised}[MISTAKE]().run(sys.argv[1])
