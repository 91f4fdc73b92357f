"""Coroutines among the functions that the program gives us to call in a thread, which can await nothing."""

import functools
import inspect
from typing import Any, cast

from .._base.errors import LocalProtocolError


def refuse_coroutine(name: str, function: Any) -> None:
    """Raise LocalProtocolError ``bad_option`` for a coroutine function. ``name``: of the option."""
    called = function
    while isinstance(called, functools.partial):
        called = cast("Any", called).func
    if not hasattr(called, "__code__"):  # an object that can be called
        kind = cast("Any", type(called))
        called = getattr(kind, "__call__", None)  # noqa: B004 - its code is wanted
    code = getattr(called, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_COROUTINE:
        raise LocalProtocolError(
            "bad_option", f"{name} is called in a thread, which cannot await a coroutine: {function!r}"
        )


def result_in_thread(name: str, result: Any) -> Any:
    """What a function has returned. Raises TypeError if that is a coroutine. ``name``: of the function."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(f"{name} is a coroutine, and only AsyncSession runs those")
    return result
