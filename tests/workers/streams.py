"""Commands that are generators."""

import os
import sys
import time
from typing import Any, Dict, Iterator, Optional

import numpy as np
from gate import pass_gate

from tech_renaissance import TechRenaissanceServer, command


class StreamServer(TechRenaissanceServer):
    closed = 0
    begun = 0

    @command
    def count(self, end: int, fail_at: Optional[int] = None, die_at: Optional[int] = None) -> Any:
        """The numbers up to the end, and then a word."""
        self.begun += 1
        try:
            for number in range(end):
                if number == fail_at:
                    raise ValueError(f"at {number}")
                if number == die_at:
                    os._exit(3)
                yield number
        finally:
            self.closed += 1
        return "that was all"

    @command
    def tensors(self, count: int) -> Iterator[Dict[str, Any]]:
        """Tensors of shared memory, each with its number."""
        for number in range(count):
            tensor = self.empty([100], "float32")
            tensor[:] = number
            yield {"number": number, "tensor": tensor, "raw": b"x" * number}

    @command
    def weights(self, count: int) -> Iterator[Dict[str, Any]]:
        """One array and one dict, which change from step to step."""
        step: Dict[str, Any] = {"weights": np.zeros(3), "loss": []}
        for number in range(count):
            step["weights"] += 1
            step["loss"].append(number)
            yield step

    @command
    def gated(self, gate: str) -> Iterator[str]:
        """Stand at a gate between two items."""
        yield "before"
        pass_gate(gate)
        yield "after"

    @command
    def stand(self, gate: str) -> None:
        pass_gate(gate)

    @command
    def endless(self, sign: str, *, deaf: bool = False) -> Iterator[int]:
        """One item, then, after a sign (a file), work that only an interrupt ends; if ``deaf``, not even that."""
        try:
            yield 1
            open(sign, "w").close()
            while True:
                try:
                    while True:
                        time.sleep(0.001)
                except BaseException:
                    if not deaf:
                        raise
        finally:
            self.closed += 1

    @command
    def bad_item(self) -> Iterator[Any]:
        """The second cannot be sent."""
        yield 1
        yield {1, 2}

    @command
    def bad_item_and_on(self) -> Iterator[Any]:
        """Nor can this one, and the generator does not let itself be closed."""
        try:
            yield 1
            yield {1, 2}
        except GeneratorExit:
            yield 3

    @command
    def bad_end(self) -> Any:
        yield 1
        return {1, 2}

    @command
    def huge_item(self) -> Iterator[Any]:
        """There is no room for the second."""
        try:
            yield 1
            yield np.broadcast_to(np.float32(1), (1 << 50,))
        finally:
            self.closed += 1

    @command
    def iterator(self, end: int) -> Any:
        """No generator, but as good as one."""
        return map(str, range(end))

    @command
    def closings(self) -> int:
        """How many generators have come to their ends."""
        return self.closed

    @command
    def beginnings(self) -> int:
        """How many counts have begun."""
        return self.begun

    @command
    def pid(self) -> int:
        return os.getpid()


if __name__ == "__main__":
    StreamServer(library="numpy").run(sys.argv[1])
