"""The wait handle on Windows: each member is waited for by the system's thread pool, because asyncio's loop
there waits for nothing but its own completion port.
"""

import contextlib
import ctypes
import threading
from ctypes import wintypes
from typing import TYPE_CHECKING, Any, Callable, Dict, NamedTuple, Tuple

from .event_windows import set_event

if TYPE_CHECKING:
    import asyncio

_INFINITE = 0xFFFFFFFF
_EXECUTE_ONLY_ONCE = 0x8
# Waits until the callback has returned.
_BLOCKING = wintypes.HANDLE(-1)

_CALLBACK = ctypes.WINFUNCTYPE(None, ctypes.c_void_p, ctypes.c_ubyte)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_register = _kernel32.RegisterWaitForSingleObject
_register.argtypes = [
    ctypes.POINTER(wintypes.HANDLE), wintypes.HANDLE, _CALLBACK, ctypes.c_void_p, wintypes.ULONG, wintypes.ULONG,
]  # fmt: skip
_unregister = _kernel32.UnregisterWaitEx
_unregister.argtypes = [wintypes.HANDLE, wintypes.HANDLE]


class _Wait(NamedTuple):
    """One member's wait for one loop. ``callback`` is kept alive by it."""

    number: int
    callback: Any


class WaitHandle:
    """Thread-safe. Members are events, auto-reset ones among them, which a wait of the pool resets;
    change notifications; and processes.

    Each wait is for one time, and the loop begins the next one once it has acted. Otherwise the pool would
    tell it of the same change again and again, in ever more threads, until it had come to act.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._members: Dict[int, None] = {}
        self._loops: Dict[asyncio.AbstractEventLoop, Callable[[], object]] = {}
        self._waits: Dict[Tuple[int, asyncio.AbstractEventLoop], _Wait] = {}

    def add(self, member: int) -> None:
        """A new member: an event or a process. Raises OSError."""
        with self._lock:
            self._members[member] = None
            for loop in self._loops:
                self._begin(member, loop)

    def remove(self, member: int) -> None:
        """A member no longer, if it was. Call it before the handle is closed."""
        with self._lock:
            self._members.pop(member, None)
            for loop in self._loops:
                self._end(member, loop)

    def listen(self, loop: "asyncio.AbstractEventLoop", action: Callable[[], object]) -> None:
        """From now on ``loop`` calls ``action`` when a member fires."""
        with self._lock:
            self._loops[loop] = action
            for member in self._members:
                self._begin(member, loop)

    def ignore(self, loop: "asyncio.AbstractEventLoop") -> None:
        """No longer. What has fired is given back, for whoever waits for the members themselves."""
        with self._lock:
            if self._loops.pop(loop, None) is None:
                return
            for member in self._members:
                self._end(member, loop)
                set_event(member)  # no process is an event, and this does nothing to it

    def close(self) -> None:
        """Release it. Safe to call twice."""
        with self._lock:
            for member in list(self._members):
                self.remove(member)
            self._loops.clear()

    def _begin(self, member: int, loop: "asyncio.AbstractEventLoop") -> None:
        def fired(_: object, __: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(self._act, member, loop)

        callback = _CALLBACK(fired)
        number = wintypes.HANDLE()
        if not _register(ctypes.byref(number), member, callback, None, _INFINITE, _EXECUTE_ONLY_ONCE):
            raise ctypes.WinError(ctypes.get_last_error())
        self._waits[member, loop] = _Wait(number.value or 0, callback)

    def _act(self, member: int, loop: "asyncio.AbstractEventLoop") -> None:
        action = self._loops.get(loop)
        if action is None:
            return
        try:
            action()
        finally:
            with self._lock:
                if (member, loop) in self._waits:  # else a process whose end has been noticed
                    self._end(member, loop)
                    self._begin(member, loop)

    def _end(self, member: int, loop: "asyncio.AbstractEventLoop") -> None:
        wait = self._waits.pop((member, loop), None)
        if wait:
            _unregister(wait.number, _BLOCKING)
