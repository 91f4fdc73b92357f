"""A server with commands of many kinds."""

import enum
import math
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

import numpy as np

from tech_renaissance import Cancelled, TechRenaissanceServer, command


class Colour(enum.Enum):
    """Is sent as its value."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Layer:
    """A record with a default."""

    width: int
    rate: float = 0.5


@dataclass
class Net:
    """A record that does not like every name."""

    name: str
    layers: List[Layer] = field(default_factory=list)
    parent: "Optional[Net]" = None

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("a bad name")
        if self.name == "worse":
            raise ZeroDivisionError("a worse name")


class Calculator(TechRenaissanceServer):
    """Has commands of many kinds."""

    offset = 10

    @command
    def hello(self, name: str) -> str:
        """Greet someone.

        At length.
        """
        return f"Hello {name}"

    @command
    def add(self, a: float, b: float = 1.0) -> float:
        return a + b + self.offset

    @command
    def matmul(self, a: np.ndarray, b: np.ndarray, *, scale: float = 1.0) -> np.ndarray:  # type: ignore[type-arg]
        """Matrix product."""
        return scale * (a @ b)

    @command(name="linalg.norm")
    def norm(self, x: np.ndarray) -> float:  # type: ignore[type-arg]
        return math.sqrt(float((x * x).sum()))

    @command
    def same(self, value: Any) -> Any:
        return value

    @command
    def build(self, net: Net, colour: Colour = Colour.RED) -> Dict[str, Any]:
        return {"net": net, "colour": colour, "type": type(net.layers[0]).__name__ if net.layers else None}

    @command
    def opt(self, x: Optional[np.ndarray] = None) -> str:  # type: ignore[type-arg]
        return "nothing" if x is None else "something"

    @command
    def gather(self, *parts: int, **named: str) -> Any:
        return [list(parts), named]

    @command
    def fail(self, kind: str = "ValueError") -> None:
        raise {"ValueError": ValueError("no good"), "SystemExit": SystemExit(3), "Cancelled": Cancelled()}[
            kind
        ]

    @command
    @staticmethod
    def static(a: int) -> int:
        return -a

    @classmethod
    @command
    def of_class(cls) -> str:
        return cls.__name__

    @command
    def said(self, what: str) -> None:
        if "text" in what:
            self.write_response("", "said \ud800")
        if "tensor" in what:
            self.send_tensors(np.ones(1))

    def no_command(self) -> None:
        pass
