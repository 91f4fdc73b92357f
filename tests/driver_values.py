"""The part of tests/driver.py for calls that carry values, which cross as meanings of the value vectors."""

import itertools
import json
import threading
from typing import TYPE_CHECKING, Any, Dict, Union

from value_guest import meaning_of, value_of

if TYPE_CHECKING:
    from tech_renaissance import PythonSession
    from tech_renaissance._host.future import Future
    from tech_renaissance._host.stream import Stream


class ValueCalls:
    """Calls, and what stands for those under way. Thread-safe."""

    def __init__(self) -> None:
        self._kept: Dict[str, Union[Future, Stream]] = {}
        self._names = itertools.count(1)
        self._lock = threading.Lock()

    def begin(self, session: "PythonSession", op: str, arguments: Dict[str, Any]) -> str:
        """``call``, ``submit`` or ``stream``; the last two give a name."""
        meaning = json.loads(arguments.pop("meaning"))
        args = [value_of(arg) for arg in meaning["args"]]
        kwargs = {name: value_of(value) for name, value in meaning["kwargs"]}
        arguments.pop("type", None)
        result = getattr(session, op)(arguments.pop("command"), *args, **arguments, **kwargs)
        if op == "call":
            return json.dumps(meaning_of(result))
        with self._lock:
            name = str(next(self._names))
            self._kept[name] = result
        return name

    def use(self, op: str, arguments: Dict[str, Any]) -> Any:
        """Something with what has such a name."""
        name = arguments.pop("future", "") or arguments.pop("stream", "")
        if op.startswith("drop_"):
            with self._lock:
                self._kept.pop(name, None)
            return None
        kept: Any = self._kept[name]
        if op == "next":
            timeout_ms = arguments["timeout_ms"]
            try:
                return json.dumps([meaning_of(next(kept) if timeout_ms is None else kept.next(timeout_ms))])
            except StopIteration:
                return "[]"
        method = {"future_state": "state", "stream_result": "result"}.get(op, op.partition("_")[0])
        result = getattr(kept, method)(**arguments)
        return json.dumps(meaning_of(result)) if method == "result" else result

    def clear(self) -> None:
        """Let go of all of it."""
        with self._lock:
            self._kept.clear()
