"""A worker whose texts are no Unicode: ``answer`` and ``fail``, with a text as a Python literal."""

import ast
import sys

from tech_renaissance import TechRenaissanceServer


class SurrogateServer(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        text = ast.literal_eval(parameters)
        if command == "fail":
            raise ValueError(text)
        self.write_response("", text)
        return True


if __name__ == "__main__":
    SurrogateServer().run(sys.argv[1])
