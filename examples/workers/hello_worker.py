"""A worker that greets."""

import sys

from tech_renaissance import TechRenaissanceServer


class HelloServer(TechRenaissanceServer):
    """Answers ``hello NAME``."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command.lower() == "hello":
            self.write_response("", f"Hello {parameters.title()}")
            return True
        return False


if __name__ == "__main__":
    HelloServer().run(sys.argv[1])
