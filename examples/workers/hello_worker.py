"""A worker that greets."""

import sys

from tech_renaissance import TechRenaissanceServer, command


class HelloServer(TechRenaissanceServer):
    @command
    def hello(self, name: str) -> str:
        """Greet someone."""
        return f"Hello {name.title()}"


if __name__ == "__main__":
    HelloServer().run(sys.argv[1])
