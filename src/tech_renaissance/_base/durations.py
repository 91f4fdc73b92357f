"""Durations as users give them: which values are valid, and the longest one.
Contract: spec/life.md, Durations.
"""

import math
from typing import Union

from .errors import LocalProtocolError

Number = Union[int, float]

# Longer durations are cut to this.
CENTURY_S = 36_500 * 86_400.0
_UNITS = {1: "seconds", 1000: "milliseconds"}


def seconds(name: str, value: Number, per_s: int = 1000) -> float:
    """A duration in seconds, between 0 and a century; a negative one counts as 0. ``per_s``: how many of
    the value's units make a second.

    Raises LocalProtocolError ``bad_option`` if ``value`` is not a number. ``name`` is for its message.
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
    """Like ``seconds``, for session options: a negative value is refused, too."""
    result = seconds(name, value, per_s)
    if value < 0:
        raise _bad(name, value, per_s)
    return result


def _bad(name: str, value: object, per_s: int) -> LocalProtocolError:
    return LocalProtocolError("bad_option", f"{name} is a number of {_UNITS[per_s]}, not {value!r}")
