"""A worker that imports numpy and answers: what starting a session costs."""

import sys

import numpy as np  # noqa: F401 - its import is what is measured

from tech_renaissance import TechRenaissanceServer


class NumpyServer(TechRenaissanceServer):
    """Answers ``hello``."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Serve one request."""
        self.write_response("", f"Hello {parameters.title()}")
        return command == "hello"


if __name__ == "__main__":
    NumpyServer().run(sys.argv[1])
