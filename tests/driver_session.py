"""What a driver's host has, behind the product's own interface: sessions, and what their calls give."""

import contextlib
import itertools
import json
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Sequence

from value_guest import meaning_of, value_of

from tech_renaissance import PostMortem, Progress, SessionState
from tech_renaissance._base.tensor import Library, dtype_named

if TYPE_CHECKING:
    from hosts import Driver


class DriverFailed(Exception):
    """The host's program died, or threw something that is none of the product's errors."""


class KeptTensor:
    """A tensor that stays in the host's process."""

    def __init__(self, driver: "Driver", name: str, library: Library) -> None:
        self._driver = driver
        self._library: Library = library
        self.name = name

    def read(self) -> Any:
        """What it holds now."""
        return self._driver.take(
            self._driver.call("read", kept=self.name, folder=str(self._driver.folder)), self._library
        )

    def write(self, tensor: Any) -> None:
        """Have it hold the elements of another."""
        self._driver.call("write", kept=self.name, tensor=self._driver.save(tensor))

    def release(self) -> None:
        """Let go of it."""
        self._driver.call("release", kept=self.name)


class DriverFuture:
    """A Future that is in the host's process."""

    def __init__(self, driver: "Driver", name: str) -> None:
        self._driver = driver
        self._name = name

    def __del__(self) -> None:
        if self._name:
            with contextlib.suppress(DriverFailed):  # without waiting: it may be the reader's thread
                self._driver.begin("drop_future", future=self._name)

    def drop(self) -> None:
        """Let go of it; returns when that is done."""
        self._call("drop_future")
        self._name = ""

    def result(self, timeout_ms: Optional[float] = None) -> Any:
        return told_value(self._call("result", timeout_ms=timeout_ms))

    def done(self) -> bool:
        return self._call("done")

    def cancel(self) -> None:
        self._call("cancel_future")

    def stop(self) -> None:
        self._call("stop_future")

    def progress(self) -> Optional[Progress]:
        return _progress(self._call("future_progress"))

    def state(self) -> str:
        return self._call("future_state")

    def _call(self, op: str, **arguments: Any) -> Any:
        return self._driver.call(op, future=self._name, **arguments)


class DriverStream:
    """A Stream that is in the host's process."""

    def __init__(self, driver: "Driver", name: str, timeout_ms: Optional[float]) -> None:
        self._driver = driver
        self._name = name
        self._timeout_ms = timeout_ms

    def __del__(self) -> None:
        if self._name:
            with contextlib.suppress(DriverFailed):
                self._driver.begin("drop_stream", stream=self._name)

    def drop(self) -> None:
        """Let go of it; returns when that is done."""
        self._driver.call("drop_stream", stream=self._name)
        self._name = ""

    def __iter__(self) -> "DriverStream":
        return self

    def __enter__(self) -> "DriverStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> Any:
        return self.next(self._timeout_ms)

    def next(self, timeout_ms: Optional[float] = None) -> Any:
        for value in told_value(self._call("next", timeout_ms=timeout_ms)):
            return value
        raise StopIteration

    def result(self) -> Any:
        return told_value(self._call("stream_result"))

    def close(self) -> None:
        self._call("close_stream")

    def cancel(self) -> None:
        self._call("cancel_stream")

    def stop(self) -> None:
        self._call("stop_stream")

    def progress(self) -> Optional[Progress]:
        return _progress(self._call("stream_progress"))

    def _call(self, op: str, **arguments: Any) -> Any:
        return self._driver.call(op, stream=self._name, **arguments)


class DriverSession:
    """PythonSession's interface, in front of a driver."""

    _handles = itertools.count(1)

    def __init__(
        self,
        driver: "Driver",
        script_path: str = "default",
        session_id: str = "default",
        quiet_mode: bool = False,
        *,
        library: Optional[Library] = None,
        **options: Any,
    ) -> None:
        self._driver = driver
        self._library: Library = library or "numpy"
        self._handle = f"session {next(self._handles)}"
        if callable(options.get("output")):
            driver.on_output(self._handle, options["output"])
            options["output"] = "callback"
        if "patience" in options:
            options["patience_ms"] = list(options.pop("patience"))
        if "restart_policy" in options:
            options["restart_policy"] = options["restart_policy"]._asdict()
        options = {name: value for name, value in options.items() if value is not None}
        options.update(script_path=str(script_path), session_id=session_id, quiet_mode=quiet_mode)
        self.options = options
        self._call("new", options=options)
        self.session_id: str = self._call("session_id")
        self.session_dir: str = self._call("session_dir")

    def __enter__(self) -> "DriverSession":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """In C++: destroy the session."""
        self._call("close")

    def set_quiet_mode(self, quiet: bool) -> None:
        self._call("set_quiet_mode", quiet=quiet)

    def start(self, wait_ms: int = 0) -> None:
        self._call("start", wait_ms=wait_ms)

    def is_alive(self) -> bool:
        return self._call("is_alive")

    def please_exit(self, timeout_ms: int = 5000, ensure: bool = False) -> None:
        self._call("please_exit", timeout_ms=timeout_ms, ensure=ensure)

    def terminate(self) -> None:
        self._call("terminate")

    def join(self, timeout_ms: int = 10_000) -> bool:
        return self._call("join", timeout_ms=timeout_ms)

    def is_ready(self) -> bool:
        return self._call("is_ready")

    def is_busy(self) -> bool:
        return self._call("is_busy")

    def wait_until_ready(self, timeout_ms: int = 10_000) -> bool:
        return self._call("wait_until_ready", timeout_ms=timeout_ms)

    def wait_until_ok(self, timeout_ms: int = 10_000) -> bool:
        return self._call("wait_until_ok", timeout_ms=timeout_ms)

    def new_response(self) -> bool:
        return self._call("new_response")

    def state(self) -> SessionState:
        return SessionState(**self._call("state"))

    def stack(self) -> str:
        return self._call("stack")

    def cancel(self) -> str:
        return self._call("cancel")

    def post_mortem(self) -> Optional[PostMortem]:
        record = self._call("post_mortem")
        return PostMortem(**record) if record else None

    def send_request(self, message: str, **options: Any) -> None:
        self._call("send_request", message=message, **options)

    def read_response(self) -> str:
        return self._call("read_response")

    def wait_for_response(self, timeout_ms: int = 10_000) -> str:
        return self._call("wait_for_response", timeout_ms=timeout_ms)

    def wait_for_tensor(self, timeout_ms: int = 10_000) -> Any:
        return self._tensors("wait_for_tensor", timeout_ms=timeout_ms)

    def wait_for_tensors(self, timeout_ms: int = 10_000) -> List[Any]:
        return self._tensors("wait_for_tensors", timeout_ms=timeout_ms)

    def fetch_response(self, message: str, timeout_ms: Optional[int] = None, **options: Any) -> str:
        return self._call("fetch_response", message=message, timeout_ms=timeout_ms, **options)

    def fetch_tensor(self, message: str, timeout_ms: Optional[int] = None, **options: Any) -> Any:
        return self._tensors("fetch_tensor", message=message, timeout_ms=timeout_ms, **options)

    def fetch_tensors(self, message: str, timeout_ms: Optional[int] = None, **options: Any) -> List[Any]:
        return self._tensors("fetch_tensors", message=message, timeout_ms=timeout_ms, **options)

    def calculate(self, command: str, *tensors: Any, **options: Any) -> Any:
        paths = [self._save(tensor) for tensor in tensors]
        return self._tensors("calculate", command=command, tensors=paths, **options)

    def call(
        self,
        command: str,
        *args: Any,
        timeout_ms: Optional[float] = None,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
        as_type: str = "",
        on_progress: Optional[Callable[[Progress], object]] = None,
        **kwargs: Any,
    ) -> Any:
        """``as_type``: C++ only, one that tests/cpp/driver_values.h knows. An iterator can only be the first argument, perhaps by name, and
        only an argument ``most`` stand behind it.
        """
        options = {"timeout_ms": timeout_ms, "deadline_ms": deadline_ms, "idempotent": idempotent}
        options["on_progress"] = on_progress
        for name, values in [*(("", arg) for arg in args[:1]), *kwargs.items()]:
            if hasattr(values, "__next__"):
                options["most"] = kwargs.get("most")
                return self._call_with_input(command, name, values, options)
        return told_value(
            self._call("call", command=command, meaning=_meaning(args, kwargs), type=as_type, **options)
        )

    def submit(
        self,
        command: str,
        *args: Any,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
        on_progress: Optional[Callable[[Progress], object]] = None,
        **kwargs: Any,
    ) -> DriverFuture:
        options = {"deadline_ms": deadline_ms, "idempotent": idempotent, "on_progress": on_progress}
        name = self._call("submit", command=command, meaning=_meaning(args, kwargs), **options)
        return DriverFuture(self._driver, name)

    def stream(
        self,
        command: str,
        *args: Any,
        timeout_ms: Optional[float] = None,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
        on_progress: Optional[Callable[[Progress], object]] = None,
        **kwargs: Any,
    ) -> DriverStream:
        options = {"deadline_ms": deadline_ms, "idempotent": idempotent, "on_progress": on_progress}
        if args and hasattr(args[0], "__next__"):
            name = self._call("stream_with_input", command=command, values=args[0], **options)
        else:
            name = self._call("stream", command=command, meaning=_meaning(args, kwargs), **options)
        return DriverStream(self._driver, name, timeout_ms)

    def _call_with_input(
        self, command: str, name: str, values: Iterator[Any], options: Dict[str, Any]
    ) -> Any:
        try:
            return told_value(
                self._call("call_with_input", command=command, name=name, values=values, **options)
            )
        finally:
            getattr(values, "close", lambda: None)()

    def expose(self, name: str, function: Optional[Callable[..., Any]]) -> None:
        """The function has at most two arguments, by place."""
        if function is None:
            self._call("unexpose", name=name)
        else:
            self._driver.expose(self._handle, name, function)

    def flush(self, timeout_ms: float = 10_000) -> bool:
        return self._call("flush", timeout_ms=timeout_ms)

    def send_tensor(self, tensor: Any, tag: str) -> None:
        if isinstance(tensor, KeptTensor):
            self._call("send_tensor", kept=tensor.name, tag=tag)
        else:
            self._call("send_tensor", tensor=self._save(tensor), tag=tag)

    def send_tensors(self, tensors: Sequence[Any], tags: Sequence[str]) -> None:
        self._call("send_tensors", tensors=[self._save(tensor) for tensor in tensors], tags=list(tags))

    def empty(self, shape: Sequence[int], dtype: Any = "float32") -> KeptTensor:
        """C++ only. The tensor can be sent."""
        dims = [str(dim) for dim in shape]
        return self._kept(self._call("empty", shape=dims, dtype=dtype_named(dtype).code))

    def keep(self, message: str, timeout_ms: int = 10_000) -> KeptTensor:
        """C++ only. As fetch_tensor, but the tensor stays there."""
        return self._kept(self._call("keep", message=message, timeout_ms=timeout_ms))

    def drop_tensor(self, tag: str) -> None:
        self._call("drop_tensor", tag=tag)

    def _call(self, op: str, **arguments: Any) -> Any:
        return self._driver.call(op, self._handle, **arguments)

    def _tensors(self, op: str, **arguments: Any) -> Any:
        paths = self._call(op, folder=str(self._driver.folder), **arguments)
        return [self._take(path) for path in paths] if isinstance(paths, list) else self._take(paths)

    def _kept(self, name: str) -> KeptTensor:
        return KeptTensor(self._driver, name, self._library)

    def _take(self, path: str) -> Any:
        return self._driver.take(path, self._library)

    def _save(self, tensor: Any) -> str:
        return self._driver.save(tensor)


def _meaning(args: Sequence[Any], kwargs: Dict[str, Any]) -> str:
    """Arguments of a call, for a driver."""
    pairs = [[name, meaning_of(value)] for name, value in kwargs.items()]
    return json.dumps({"args": [meaning_of(arg) for arg in args], "kwargs": pairs})


def told_value(meaning: str) -> Any:
    """The value that a driver tells."""
    return value_of(json.loads(meaning))


def _progress(value: Optional[Dict[str, Any]]) -> Optional[Progress]:
    return None if value is None else Progress(**value)
