"""Where the values of a call's input come from. Contract: spec/protocol.md, Input streams."""

import contextlib
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .._base.errors import LocalProtocolError
from .._protocol.frame import FIRST_CREDIT, Credit, Item
from .interruption import calls_program

# The place of an argument, or its name.
Place = Union[int, str]

# How many values may travel in the body of a call where items cannot.
MOST_VALUES = 10_000


class InputSource:
    """Used by whoever waits for the call, threads or tasks; ``grant`` by the thread that reads."""

    def __init__(self, values: Any) -> None:
        """``values``: an iterator, also an asynchronous one."""
        self.values: Any = values
        self.sent = 0
        self.unsent: Optional[Item] = None  # was taken, but there is no room for it yet
        self.has_ended = False
        self._has_begun = False
        self._taker: Dict[str, Any] = {}  # whose turn it is to take a value and send it
        self._granted: Tuple[int, Optional[Credit]] = (FIRST_CREDIT, None)

    @property
    def was_taken_from(self) -> bool:
        """Whether the values are not whole any more."""
        return self.has_ended or self._has_begun

    @property
    def is_to_be_closed(self) -> bool:
        """Whether the iterator is closed when the call is given up: one that nothing was taken from is left
        alone.
        """
        return self.was_taken_from

    def begin_taking(self) -> None:
        """A value is about to be taken, which the program cannot give again."""
        self._has_begun = True

    @property
    def may_send(self) -> bool:
        """Whether there may be another value, for which the worker gives credit, or one is still unsent."""
        return self.unsent is not None or (not self.has_ended and self.sent < self._granted[0])

    def begin_turn(self, taker: Any) -> bool:
        """It is this one's turn to take a value and send it, until ``end_turn``; False if it is another's."""
        return self._taker.setdefault("turn", taker) == taker  # one step, whatever the other threads do

    def end_turn(self) -> None:
        """It is nobody's turn."""
        self._taker.clear()

    def was_left(self, taker: Any) -> bool:
        """Whether it is still this one's turn, because an exception has
        ended that in the midst of a value.
        """
        return self._taker.get("turn") == taker

    def grant(self, credit: Credit) -> None:
        """The worker takes more. May be repeated after an interruption."""
        count, last = self._granted
        if last is not credit:
            self._granted = (count + credit.count, credit)

    def let_go(self) -> None:
        """Nothing more is taken from it, and it is not kept."""
        self.has_ended = True
        self.values, self.unsent = iter(()), None

    @calls_program
    def close(self) -> None:
        """Nothing more is taken from it."""
        self.has_ended = True
        close = getattr(self.values, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):  # such as that of a generator that goes on
                close()


def is_iterator(value: Any) -> bool:
    """Whether it is taken as an input."""
    return hasattr(value, "__next__") or hasattr(value, "__anext__")


def input_refused(
    error: LocalProtocolError, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Optional[Place]:
    """Which of the arguments that could not be sent is an input; None if none is. Raises
    LocalProtocolError ``bad_value`` if several are.
    """
    if error.code != "bad_value":
        return None
    places: List[Place] = [place for place, value in enumerate(args) if is_iterator(value)]
    places += [name for name, value in kwargs.items() if is_iterator(value)]
    if len(places) > 1:
        raise LocalProtocolError(
            "bad_value", "only one argument of a call can be an iterator: send others as lists"
        )
    return places[0] if places else None


def at(place: Place, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The argument there."""
    return args[place] if isinstance(place, int) else kwargs[place]


def with_input(
    args: Sequence[Any], kwargs: Mapping[str, Any], place: Place, value: Any
) -> Tuple[List[Any], Dict[str, Any]]:
    """The arguments with something else in the place of the input."""
    new_args, new_kwargs = list(args), dict(kwargs)
    if isinstance(place, int):
        new_args[place] = value
    else:
        new_kwargs[place] = value
    return new_args, new_kwargs


def too_many() -> LocalProtocolError:
    """The error for an input that cannot travel whole."""
    return LocalProtocolError(
        "too_large",
        f"over files an input travels whole, and has at most {MOST_VALUES} values: send lists of them, or use shared memory",
    )
