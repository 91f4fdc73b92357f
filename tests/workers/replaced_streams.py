"""Puts other things in the place of its standard streams: at once (STREAMS), or when it is told to."""

import os
import sys

from echo import EchoServer


class Tee:
    """Knows nothing but how to write."""

    def write(self, text: str) -> None:
        pass


class ReplacingServer(EchoServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "replace":
            replace_streams(parameters)
            return True
        return super().main_logic(command, parameters)


def replace_streams(how: str) -> None:
    if how == "none":
        sys.stdout = sys.stderr = None
    elif how == "closed":
        sys.stdout.close()
        sys.stderr.close()
    elif how == "deleted":
        del sys.stdout, sys.stderr
    elif how == "tee":
        sys.stdout = sys.stderr = Tee()


if __name__ == "__main__":
    replace_streams(os.environ.get("STREAMS", ""))
    ReplacingServer(library="numpy").run(sys.argv[1])
