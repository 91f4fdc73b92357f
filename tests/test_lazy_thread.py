"""The thread that starts when it is first needed, where a signal handler raises in Thread.start."""

import threading
from typing import Any, Callable, List

import pytest

from tech_renaissance._system.lazy_thread import LazyThread

# How threading.Thread has a thread started.
_START = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"


class _Raised(Exception):
    """What the handler raises."""


def test_one_that_ends_before_it_has_begun_has_a_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the end of what the thread is for."""
    runs: List[None] = []
    lazy = LazyThread("test", lambda: runs.append(None))
    start: Callable[..., Any] = getattr(threading, _START)
    taken_back, failed = threading.Event(), threading.Event()

    def interrupted(bootstrap: Callable[[], None], *args: Any, **kwargs: Any) -> None:
        def begin() -> None:
            taken_back.wait(60)
            try:
                bootstrap()
            except KeyError:  # Thread.start has taken back what it needs
                failed.set()

        start(begin, *args, **kwargs)
        raise _Raised

    with monkeypatch.context() as patch:
        patch.setattr(threading, _START, interrupted)
        with pytest.raises(_Raised):
            lazy.start()
    taken_back.set()
    assert failed.wait(60)
    lazy.start()
    lazy.join()
    assert len(runs) == 1


def test_one_that_has_begun_all_the_same_stays_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread runs once, and whoever waits for it waits for the one that runs."""
    runs: List[threading.Thread] = []
    may_end = threading.Event()

    def run() -> None:
        runs.append(threading.current_thread())
        may_end.wait(60)

    lazy = LazyThread("test", run)
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise _Raised

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(_Raised):
            lazy.start()
    lazy.start()
    may_end.set()
    lazy.join()
    assert len(runs) == 1
    assert not runs[0].is_alive()
    assert lazy.has_ended
