"""Handlers that say how far they are, and call functions of their host."""

import os
import sys
import time
from typing import Any, Iterator

from gate import pass_gate

from tech_renaissance import CommandError, TechRenaissanceServer, command


class Talkers(TechRenaissanceServer):
    cleanings = 0

    @command
    def train(self, steps: int, gate: str = "", at: int = 0) -> int:
        """Say it at each step; stand at a gate before one; stop early if that is wanted. How many steps were taken."""
        for step in range(steps):
            if gate and step == at:
                pass_gate(gate)
            if self.stopping:
                return step
            self.progress(step + 1, steps, f"step {step + 1}")
        return steps

    @command
    def say_often(self, count: int, gate: str = "") -> int:
        """Slowly enough for each to be sent; stand at a gate in the end. How many were said."""
        for number in range(count):
            if self.stopping:
                return number
            self.progress(number + 1, count)
            time.sleep(0.011)
        if gate:
            pass_gate(gate)
        return count

    @command
    def talk_without_total(self) -> None:
        self.progress(1.5)

    @command
    def generate(self, count: int, gate: str = "") -> Iterator[int]:
        """The same, one value each step."""
        for number in range(count):
            if self.stopping:
                return "stopped"
            self.progress(number + 1, count)
            yield number
            if gate and not number:
                pass_gate(gate)
        return "whole"

    @command
    def ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """What a function of the host returns."""
        return getattr(self.host, name)(*args, **kwargs)

    @command
    def ask_and_look(self, name: str) -> Any:
        """What a function of the host returns, and whether the call is to stop."""
        return [getattr(self.host, name)(), self.stopping]

    @command
    def ask_often(self, name: str, count: int) -> Any:
        return [getattr(self.host, name)(number) for number in range(count)]

    @command
    def ask_and_yield(self, name: str, count: int) -> Iterator[Any]:
        for number in range(count):
            yield getattr(self.host, name)(number)

    @command
    def try_ask(self, name: str, *args: Any) -> Any:
        """The error of a function of the host, as a record."""
        try:
            return getattr(self.host, name)(*args)
        except CommandError as error:
            return {"code": error.code, "type": error.remote_type, "text": str(error)}

    @command
    def ask_and_clean(self, name: str) -> Any:
        try:
            return getattr(self.host, name)()
        finally:
            self.cleanings += 1

    @command
    def count_cleanings(self) -> int:
        return self.cleanings

    @command
    def same(self, value: Any) -> Any:
        return value

    @command
    def total(self, numbers: Iterator[float], *, most: int = 1 << 30) -> float:
        """Of an input, as far as it is wanted."""
        result = 0.0
        for place, number in enumerate(numbers):
            if place == most:
                break
            result += number
        return result

    @command
    def count_after(self, values: Any, gate: str) -> int:
        """Stand at a gate, and then count the values of an input."""
        pass_gate(gate)
        return sum(1 for _ in values)

    @command
    def echo_input(self, values: Any, gate: str = "") -> Iterator[Any]:
        """Each value of an input as an item; stand at a gate before each."""
        count = 0
        for value in values:
            count += 1
            if gate:
                pass_gate(gate)
            yield value
        return count

    @command
    def take_ask_and_take(self, values: Any, name: str) -> Any:
        """A value of an input, what a function of the host returns, and the next value."""
        return [next(values), getattr(self.host, name)(), next(values)]

    def setup(self) -> None:
        for gate in sys.argv[2:]:
            pass_gate(gate)

    @command
    def pid(self) -> int:
        return os.getpid()

    @command
    def die(self) -> None:
        os._exit(3)


if __name__ == "__main__":
    Talkers(library="numpy").run(sys.argv[1])
