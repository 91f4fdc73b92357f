"""Tells how it was launched."""

import json
import sys

from tech_renaissance import TechRenaissanceServer


class LaunchedServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "arguments":
            self.write_response("", json.dumps(sys.argv[2:]))
        elif command == "optimize":
            self.write_response("", f"{sys.flags.optimize} {sys._xoptions.get('mark')} {sys.warnoptions}")
        else:
            return False
        return True


if __name__ == "__main__":
    LaunchedServer(library="numpy").run(sys.argv[1])
