"""Durations as users give them: which ones make sense, and how long the longest is. Contract: spec/life.md, Durations."""

import math
from typing import Union

from .errors import LocalProtocolError

Number = Union[int, float]

# What is longer counts as this.
CENTURY_S = 36_500 * 86_400.0
_UNITS = {1: "seconds", 1000: "milliseconds"}


def seconds(name: str, value: Number, per_s: int = 1000) -> float:
    """How long a wait may take, in seconds from 0 to a century; one that is negative has passed. ``per_s``: of the value's unit.

    Raises LocalProtocolError ``bad_option`` for what is no number. ``name``: for its text.
    """
    try:
        result = float(value / per_s)
        if math.isnan(result):
            raise ValueError
        return min(max(0.0, result), CENTURY_S)
    except OverflowError:
        return CENTURY_S if value > 0 else 0.0
    except (TypeError, ValueError):
        raise _bad(name, value, per_s) from None


def option_seconds(name: str, value: Number, per_s: int = 1000) -> float:
    """The same for an option of a session, which cannot be negative."""
    result = seconds(name, value, per_s)
    if value < 0:
        raise _bad(name, value, per_s)
    return result


def _bad(name: str, value: object, per_s: int) -> LocalProtocolError:
    return LocalProtocolError("bad_option", f"{name} is a number of {_UNITS[per_s]}, not {value!r}")
