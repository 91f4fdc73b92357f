"""Commands whose hints say what their results are, and one whose hint is wrong."""

import enum
import sys
from dataclasses import dataclass, field
from typing import Any, Generator, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

import numpy as np

from tech_renaissance import TechRenaissanceServer, command


class Colour(enum.Enum):
    """Is sent as its value."""

    RED = "red"
    BLUE = "blue"


class Size(NamedTuple):
    """Is sent as a list."""

    width: int
    height: int


@dataclass
class Layer:
    """Is sent as a dict."""

    name: str
    size: Size
    colour: Colour = Colour.RED


@dataclass
class Net:
    """Has others in it, and may be in another."""

    layers: List[Layer] = field(default_factory=list)
    parent: "Optional[Net]" = None


@dataclass
class Looked:
    """Its constructor has a mistake."""

    key: str

    def __post_init__(self) -> None:
        """Look it up."""
        assert {"known": 1}[self.key]


class Typed(TechRenaissanceServer):
    @command
    def net(self, names: List[str]) -> Net:
        """A record of records."""
        layers = [Layer(name, Size(1, 2), Colour.BLUE) for name in names]
        return Net(layers, parent=Net())

    @command(name="colour.of")
    def colour(self, name: str) -> Colour:
        """An enum's member, by a name of its own."""
        return Colour(name)

    @command
    def split(self, x: np.ndarray) -> Tuple[np.ndarray, float]:
        """A tuple."""
        return x * 2, float(x.sum())

    @command
    def some(self) -> "Set[int]":
        """What cannot be sent as it is; the hint is text."""
        return [1, 2, 1]  # type: ignore[return-value]

    @command
    def layers(self, count: int) -> Iterator[Layer]:
        """A generator of records."""
        for number in range(count):
            yield Layer(str(number), Size(number, number))

    @command
    def rounds(self, count: int) -> Generator[Size, None, Colour]:
        """A generator that also returns something."""
        for number in range(count):
            yield Size(number, number)
        return Colour.RED

    @command
    def later(self) -> Union[Layer, None]:
        """Nothing, this time."""
        return None

    @command
    def wrong(self) -> Net:
        """No layer has such a size."""
        return {"layers": [{"name": "a", "size": [1, "wide"]}]}  # type: ignore[return-value]

    @command
    def look(self) -> Looked:
        """Its constructor has no such key."""
        return {"key": "unknown"}  # type: ignore[return-value]

    @command
    def wrong_items(self) -> Iterator[Colour]:
        """The second is none."""
        yield Colour.RED
        yield "green"  # type: ignore[misc]
        yield Colour.BLUE

    @command
    def any(self) -> "Unknown":  # type: ignore[name-defined]  # noqa: F821
        """A hint that cannot be read."""
        return {"x": 1}

    @command
    def bare(self):  # type: ignore[no-untyped-def]
        """No hint."""
        return [1]

    def no_command(self) -> Any:
        """Not called from outside."""


if __name__ == "__main__":
    Typed(library="numpy").run(sys.argv[1])
