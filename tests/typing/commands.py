"""Commands keep their types, in the worker and for its host. Never run: type checkers read it.

What it must complain about is marked, and a mark without a complaint is an error, too.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

import math
from dataclasses import dataclass
from enum import Enum
from typing import Iterator, List, Optional, Tuple

from tech_renaissance import PythonSession, TechRenaissanceServer, command, current_server, serve


@dataclass
class Point:
    """A record."""

    x: float
    y: float = 0.0


class Side(Enum):
    """An enum."""

    LEFT = "left"


class Calculator(TechRenaissanceServer):
    """Methods, plain and decorated otherwise."""

    def setup(self) -> None:
        """Load what the commands need."""
        self.bias: float = 1.0

    def teardown(self) -> None:
        """Give it back."""

    @command
    def add(self, a: float, b: float = 1.0) -> float:
        """Plain."""
        return a + b + self.bias

    @command(name="linalg.norm")
    def norm(self, point: Point, *, scale: float = 1.0) -> float:
        """With a name of its own."""
        return scale * math.hypot(point.x, point.y)

    @command
    def count(self, n: int) -> Iterator[int]:
        """A generator."""
        yield from range(n)

    @command
    def middle(self, points: List[Point]) -> Point:
        """A record."""
        return points[len(points) // 2]

    @command
    def side(self, point: Point) -> Side:
        """A member of an enum."""
        return Side.LEFT

    @command
    def polar(self, point: Point) -> Tuple[float, Side]:
        """A tuple."""
        return math.hypot(point.x, point.y), Side.LEFT

    @staticmethod
    @command
    def halve(value: float) -> float:
        """Without self."""
        return value / 2

    @classmethod
    @command
    def title(cls) -> str:
        """Of the class."""
        return cls.__name__


@command
def greet(name: str) -> str:
    """A plain function is still one."""
    remaining_s: Optional[float] = current_server().remaining_s
    return f"hi {name}, you have {remaining_s}"


def main(calculator: Calculator, session: PythonSession) -> None:
    """Call them here and there."""
    number: float = calculator.add(1.0)
    length: float = calculator.norm(Point(3.0, 4.0), scale=2.0)
    numbers: List[int] = list(calculator.count(3))
    words: List[str] = [calculator.title(), greet("you"), Calculator.title()]
    half: float = calculator.halve(number + length) + Calculator.halve(1.0)

    calculator.add("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    calculator.norm(Point(3.0, 4.0), 2.0)  # type: ignore[misc]  # pyright: ignore[reportCallIssue]
    calculator.halve("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    greet(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    word: str = calculator.add(1.0)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    remote = session.typed(Calculator)
    number = remote.add(1.0)
    remote.add("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    x: float = remote.middle([Point(1.0)]).x
    colour: str = remote.side(Point(x))  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    is_left: bool = remote.side(Point(x)) is Side.LEFT
    radius, side = remote.polar(Point(x))
    side_name: str = side.name
    print(radius * 2.0, side_name, is_left, colour)
    command(name=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    print(number, length, numbers, words, half, word)


if __name__ == "__main__":
    serve(greet, Calculator.halve, command(greet, name="hello"), library="numpy")
