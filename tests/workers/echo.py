"""Texts: says them back, whole."""

import os
import sys

from gate import pass_gate

from tech_renaissance import TechRenaissanceServer


class EchoServer(TechRenaissanceServer):
    def commands(self):
        return ["echo", "length", "pid", "wait", "silent", "shout"]

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "echo":
            self.write_response("", parameters)
        elif command == "length":
            self.write_response("", str(len(parameters)))
        elif command == "long":
            self.write_response("", parameters * 100_000)
        elif command == "pid":
            self.write_response("", str(os.getpid()))
        elif command == "wait":  # at a gate, then say the rest
            path, _, text = parameters.partition(" ")
            pass_gate(path)
            self.write_response("", text)
        elif command == "variable":
            self.write_response("", os.environ.get(parameters, "(none)"))
        elif command == "directory":
            self.write_response("", os.getcwd())
        elif command == "print":
            print(parameters)
            print(parameters.upper(), file=sys.stderr)
        elif command == "twice":
            self.write_response("", "first")
            self.write_response("", parameters)
        elif command == "renamed":
            self.write_response("another", "answered")
        elif command == "said-but-false":
            self.write_response("", "known after all")
            return False
        elif command != "silent":
            return False
        return True


if __name__ == "__main__":
    EchoServer(library="numpy").run(sys.argv[1])
