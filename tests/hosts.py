"""The hosts under test: the Python one as it is, and hosts in a process of their own behind the same interface."""

import contextlib
import functools
import inspect
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Sequence

from cpp_programs import cpp_driver
from value_guest import meaning_of, value_of

import tech_renaissance
from tech_renaissance import (
    ArenaFull,
    CallCancelled,
    OutputLine,
    PostMortem,
    Progress,
    SessionState,
    TechRenaissanceError,
    TimedOut,
    export_tsr,
    import_tsr,
)
from tech_renaissance._base.tensor import Library, dtype_named
from tech_renaissance._transport.shm.segment import UNAVAILABLE

HOSTS = ("python", "cpp")
# Those of the platform.
TRANSPORTS = ("file",) if UNAVAILABLE else ("file", "shm")

# Those of TSR's table that numpy has.
NUMPY_DTYPES = [
    "float32",
    "int8",
    "int32",
    "float16",
    "float64",
    "int16",
    "uint8",
    "int64",
    "bool",
    "uint16",
    "uint32",
    "uint64",
    "complex64",
    "complex128",
]

WORKERS = Path(__file__).with_name("workers")

# Longer than any call of a test may take; a test that gets here has failed.
_PATIENCE_S = 120.0


class DriverFailed(Exception):
    """The host's program died, or threw something that is none of the product's errors."""


class Driver:
    """A host in a process of its own: tests/driver.py or tests/cpp/driver.cpp, which explains the protocol."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        """``folder``: for the tensors that travel to and fro, and for what the program prints."""
        self.folder = Path(tempfile.mkdtemp(prefix="driver_", dir=str(folder)))
        self.output = self.folder / "output.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, start_new_session=True
            )
        self._ids = itertools.count(1)
        self._lock = threading.RLock()  # the end of a future or stream may come at any time
        self._answers: Dict[int, Future[Any]] = {}
        self._has_ended = False
        self._callbacks: Dict[str, Callable[[OutputLine], None]] = {}
        self._told: Dict[int, Callable[[Any], object]] = {}  # on_progress of calls
        self._inputs: Dict[int, Iterator[Any]] = {}  # of calls
        self._functions: Dict[Any, Callable[..., Any]] = {}  # exposed, by session and name
        self._running = threading.local()  # the function that this thread runs for the host
        self._raised: Dict[str, BaseException] = {}  # by such functions
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()
        self._closed = False

    def session(self, *args: Any, **options: Any) -> "DriverSession":
        """A session of that host; arguments as for PythonSession."""
        return DriverSession(self, *args, **options)

    def call(self, op: str, session: str = "", **arguments: Any) -> Any:
        """The value of a call; raises its error as the Python class of that name.

        The host waits for ``on_progress``, an exposed function or the next value of ``values``, which run in other threads here; what they
        ask of the host is done there in the thread that waits for them, and what they raise is thrown there.
        """
        return self.begin(op, session, **arguments).result(_PATIENCE_S)

    def begin(self, op: str, session: str = "", **arguments: Any) -> "Future[Any]":
        """A call whose answer nobody has to wait for."""
        number = next(self._ids)
        answer: Future[Any] = Future()
        told = arguments.get("on_progress")
        if callable(told):
            self._told[number] = told
            arguments["on_progress"] = "report"
        if "values" in arguments:
            self._inputs[number] = arguments.pop("values")
        request = {"id": number, "op": op, "session": session, **arguments}
        if op != "answer" and getattr(self._running, "ask", None):
            request["within"] = self._running.ask
        with self._lock:
            if self._has_ended:
                raise DriverFailed("the host has ended")
            self._answers[number] = answer
            assert self.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # the reader hears of it, too
                self.process.stdin.write(json.dumps(request).encode() + b"\n")
                self.process.stdin.flush()
        return answer

    def expose(self, session: str, name: str, function: Callable[..., Any]) -> None:
        """Have a function serve what a handler asks, in a thread of its own."""
        self._functions[session, name] = function
        self.call("expose", session, name=name, arity=len(inspect.signature(function).parameters))

    def _answer(self, ask: Dict[str, Any]) -> None:
        self._running.ask = ask["ask"]
        try:
            meaning = json.dumps(meaning_of(self._run(ask)))
        except Exception as error:
            self._raised[str(error)] = error
            self.call("answer", ask=ask["ask"], raises=str(error))
        else:
            self.call("answer", ask=ask["ask"], meaning=meaning)

    def _run(self, ask: Dict[str, Any]) -> Any:
        if "told" in ask:
            self._told[ask["told"]](Progress(**ask["value"]))
            return None
        if "fed" in ask:
            return list(itertools.islice(self._inputs[ask["fed"]], 1))
        return self._functions[ask["session"], ask["name"]](*_value(ask["arguments"]))

    def on_output(self, session: str, callback: Callable[[OutputLine], None]) -> None:
        """Give the output of a session whose option ``output`` is "callback" to a function."""
        self._callbacks[session] = callback

    def save(self, tensor: Any) -> str:
        """A tensor as a file for the host."""
        descriptor, path = tempfile.mkstemp(suffix=".tsr", dir=str(self.folder))
        os.close(descriptor)
        export_tsr(tensor, path)
        return path

    def take(self, path: str, library: Library) -> Any:
        """A tensor that the host has saved; the file is gone then."""
        tensor = import_tsr(path, library)
        os.unlink(path)
        return tensor

    def close(self) -> None:
        """Let the program come to its end. Raises DriverFailed if it complains (as one with sanitizers may)."""
        status = self._end()
        if status:
            raise DriverFailed(
                f"the host ended with status {status}:\n{self.output.read_text(errors='replace')}"
            )

    def kill(self) -> None:
        """SIGKILL: the host gets no chance to clean up."""
        self.process.kill()
        self._end()

    def _end(self) -> int:
        if self._closed:
            return 0
        self._closed = True
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died with a request unread
            self.process.stdin.close()
        try:
            return self.process.wait(_PATIENCE_S)
        finally:
            self.process.kill()
            self._reader.join()

    def _read(self, answers: IO[bytes]) -> None:
        with answers:
            for line in answers:
                answer = json.loads(line)
                if "output" in answer:
                    self._callbacks[answer["session"]](
                        OutputLine(answer["output"], answer["stream"], answer["message"])
                    )
                elif "ask" in answer:
                    threading.Thread(target=self._answer, args=(answer,), daemon=True).start()
                elif "error" in answer:
                    error = self._raised.get(answer["error"]["message"])
                    self._answers.pop(answer["id"]).set_exception(error or _error(answer["error"]))
                else:
                    self._answers.pop(answer["id"]).set_result(answer["value"])
        with self._lock:
            self._has_ended = True
        for waiting in self._answers.values():
            waiting.set_exception(DriverFailed("the host ended in the middle of the call"))


def _progress(value: Optional[Dict[str, Any]]) -> Optional[Progress]:
    return None if value is None else Progress(**value)


def _error(description: Dict[str, Any]) -> Exception:
    """The error of the same name; its fields are as the host described them."""
    kind = getattr(tech_renaissance, description.pop("type"), None)
    if kind is None:
        return DriverFailed(description["message"])
    message = description.pop("message")
    if description.get("post_mortem"):
        description["post_mortem"] = PostMortem(**description["post_mortem"])
    error: TechRenaissanceError = (
        kind(message)
        if kind in (ArenaFull, CallCancelled, TimedOut)
        else kind(description.pop("code"), message)
    )
    for name, value in description.items():
        setattr(error, name, value)
    return error


class KeptTensor:
    """A tensor that stays in the host's process."""

    def __init__(self, driver: Driver, name: str, library: Library) -> None:
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

    def __init__(self, driver: Driver, name: str) -> None:
        self._driver = driver
        self._name = name

    def __del__(self) -> None:
        with contextlib.suppress(DriverFailed):  # without waiting: it may be the reader's thread
            self._driver.begin("drop_future", future=self._name)

    def result(self, timeout_ms: Optional[float] = None) -> Any:
        return _value(self._call("result", timeout_ms=timeout_ms))

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

    def __init__(self, driver: Driver, name: str, timeout_ms: Optional[float]) -> None:
        self._driver = driver
        self._name = name
        self._timeout_ms = timeout_ms

    def __del__(self) -> None:
        with contextlib.suppress(DriverFailed):
            self._driver.begin("drop_stream", stream=self._name)

    def __iter__(self) -> "DriverStream":
        return self

    def __enter__(self) -> "DriverStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> Any:
        return self.next(self._timeout_ms)

    def next(self, timeout_ms: Optional[float] = None) -> Any:
        for value in _value(self._call("next", timeout_ms=timeout_ms)):
            return value
        raise StopIteration

    def result(self) -> Any:
        return _value(self._call("stream_result"))

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


def _meaning(args: Sequence[Any], kwargs: Dict[str, Any]) -> str:
    """Arguments of a call, for a driver."""
    pairs = [[name, meaning_of(value)] for name, value in kwargs.items()]
    return json.dumps({"args": [meaning_of(arg) for arg in args], "kwargs": pairs})


def _value(meaning: str) -> Any:
    """The value that a driver tells."""
    return value_of(json.loads(meaning))


class DriverSession:
    """PythonSession's interface, in front of a driver."""

    _handles = itertools.count(1)

    def __init__(
        self,
        driver: Driver,
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
        return _value(
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
            return _value(self._call("call_with_input", command=command, name=name, values=values, **options))
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


def drop_file(session: Any, name: str, text: str) -> None:
    """Put a stray file into the session's directory, whole."""
    path = Path(session.session_dir, f"stray-{name}")
    path.write_text(text)
    path.replace(path.with_name(name))


def worker_torch_has(name: str) -> bool:
    """Whether the torch of the workers' interpreter has something, such as a dtype."""
    return name in _names_in_worker_torch()


@functools.lru_cache(maxsize=None)
def _names_in_worker_torch() -> FrozenSet[str]:
    python = os.environ.get("TR_TEST_WORKER_PYTHON") or sys.executable
    command = [python, "-c", "import torch; print(*dir(torch))"]
    return frozenset(subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True).stdout.split())


def driver_command(host: str) -> Optional[List[str]]:
    """What starts a host ("asyncio" as well) in a process of its own; None if it cannot be built here."""
    if host != "cpp":
        return [sys.executable, str(Path(__file__).with_name("driver.py")), host]
    program = cpp_driver()
    return [program] if program else None
