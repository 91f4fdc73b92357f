"""The hosts under test: the Python one as it is, and hosts in a process of their own behind the same interface."""

import contextlib
import errno
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
from driver_session import DriverFailed, DriverSession, told_value
from value_guest import meaning_of

import tech_renaissance
from tech_renaissance import (
    ArenaFull,
    CallCancelled,
    OutputLine,
    PostMortem,
    Progress,
    TechRenaissanceError,
    TimedOut,
    export_tsr,
    import_tsr,
)
from tech_renaissance._base.tensor import Library
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

    def session(self, *args: Any, **options: Any) -> DriverSession:
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
            with _if_it_still_reads():  # if not, the reader hears of it, too
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
        return self._functions[ask["session"], ask["name"]](*told_value(ask["arguments"]))

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
        with _if_it_still_reads():  # it may have died with a request unread
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


@contextlib.contextmanager
def _if_it_still_reads() -> Iterator[None]:
    """Writes to a pipe that its reader may have closed, which Windows calls an invalid argument."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EINVAL):
            raise


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
