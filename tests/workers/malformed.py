"""Answers with a body that it is given, whatever that is."""

import sys
from typing import Any, Tuple

from tech_renaissance import TechRenaissanceServer, command
from tech_renaissance._protocol.body import JSON
from tech_renaissance._worker import calls

encoded = calls.encode_result


class Written(str):
    """A text that is the body's."""

    __slots__ = ()


def encode_result(value: Any) -> Tuple[int, str, Any]:
    """A stream's result stands beside its values."""
    written = value[1] if isinstance(value, list) and len(value) == 2 else value
    return (JSON, written, []) if isinstance(written, Written) else encoded(value)


calls.encode_result = encode_result


class MalformedServer(TechRenaissanceServer):
    @command
    def say(self, text: str) -> str:
        return Written(text)


if __name__ == "__main__":
    MalformedServer(library="numpy").run(sys.argv[1])
