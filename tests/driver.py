"""The Python host as a program that tests drive, for what must not happen in pytest's own process: being killed, forking. With the argument
"asyncio", the asyncio host.

The same protocol as tests/cpp/driver.cpp, which explains it.
"""

import builtins
import dataclasses
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, TextIO

sys.path.insert(0, str(Path(__file__).with_name("workers")))

if sys.platform == "win32":
    import numpy as np  # noqa: F401 - under wine, it may hang in a thread while others begin and end

from driver_mix import burst, converse, interrupted
from driver_values import ValueCalls
from gate import pass_gate
from loop_thread import LoopThread

from tech_renaissance import (
    CancelPatience,
    OutputLine,
    PostMortem,
    PythonSession,
    RestartPolicy,
    SessionClosed,
    TechRenaissanceError,
    export_tsr,
    import_tsr,
)

_RETURNS_TENSORS = ("wait_for_tensor", "wait_for_tensors", "fetch_tensor", "fetch_tensors", "calculate")
_ERROR_FIELDS = (
    "code",
    "exit_status",
    "output_tail",
    "remote_type",
    "remote_message",
    "remote_traceback",
    "result",
    "offset",
    "step",
    "stack",
    "post_mortem",
)


class Driver:
    """Serves calls until the end of stdin."""

    def __init__(self, answers: TextIO, new_session: Callable[..., Any]) -> None:
        self._answers = answers
        self._new_session = new_session
        self._lock = threading.Lock()
        self._sessions: Dict[str, Any] = {}
        self._values = ValueCalls()
        self._saved = 0

    def run(self) -> None:
        """Serve each line in a thread of its own; all of them end before the sessions do."""
        threads: List[threading.Thread] = []
        for line in sys.stdin:
            request = json.loads(line)
            if request["op"] == "call_interrupted":
                self._serve(request)
                continue
            threads.append(threading.Thread(target=self._serve, args=(request,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self._values.clear()

    def _serve(self, request: Dict[str, Any]) -> None:
        answer: Dict[str, Any] = {"id": request.pop("id")}
        try:
            answer["value"] = _plain(self._call(request.pop("op"), request.pop("session"), request))
        except Exception as error:
            answer["error"] = _describe(error)
        self._write(answer)

    def _call(self, op: str, handle: str, arguments: Dict[str, Any]) -> Any:
        if op == "new":
            self._sessions[handle] = self._new_session(**self._options(handle, arguments["options"]))
            return None
        if op == "fork":
            return self._fork(**arguments)
        if not handle:
            return self._values.use(op, arguments)
        if handle not in self._sessions:
            raise SessionClosed("session_closed", "the session was closed: make a new one")
        if op == "call_interrupted":
            return interrupted(self._sessions[handle], **arguments)
        if op == "close":
            return self._sessions.pop(handle).close()
        return self._use(self._sessions[handle], op, arguments)

    def _use(self, session: Any, op: str, arguments: Dict[str, Any]) -> Any:
        if op in ("call", "submit", "stream"):
            return self._values.begin(session, op, arguments)
        if op == "converse":
            return converse(session, **arguments)
        if op == "burst":
            return burst(session, **arguments)
        folder = arguments.pop("folder", "")
        if "tensor" in arguments:
            arguments["tensor"] = import_tsr(arguments["tensor"], "numpy")
        if "tensors" in arguments:
            arguments["tensors"] = [import_tsr(path, "numpy") for path in arguments["tensors"]]
        member = getattr(session, op)
        if op == "calculate":
            result = member(arguments.pop("command"), *arguments.pop("tensors"), **arguments)
        else:
            result = member(**arguments) if callable(member) else member
        if op in _RETURNS_TENSORS:
            return (
                [self._save(tensor, folder) for tensor in result]
                if op.endswith("s")
                else self._save(result, folder)
            )
        return result

    def _save(self, tensor: Any, folder: str) -> str:
        with self._lock:
            self._saved += 1
            path = os.path.join(folder, f"result_{self._saved}.tsr")
        export_tsr(tensor, path)
        return path

    def _fork(
        self, calls: Sequence[Dict[str, Any]] = (), results: str = os.devnull, gate: str = ""
    ) -> Optional[int]:
        """What happens in a fork of the host disturbs nobody."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                self._be_fork(calls, results, gate)
                status = 0
            finally:
                os._exit(status)
        return None if gate else os.waitpid(child, 0)[1]

    def _be_fork(self, calls: Sequence[Dict[str, Any]], results: str, gate: str) -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2, self._answers.fileno()):
            os.dup2(nothing, descriptor)
        self._sessions = {
            handle: getattr(session, "plain", session) for handle, session in self._sessions.items()
        }
        self._new_session = PythonSession  # there is no thread for a loop here
        answers: List[Any] = []
        for call in calls:
            try:
                answers.append(_plain(self._call(call.pop("op"), call.pop("session"), call)))
            except TechRenaissanceError as error:
                answers.append(error.code)
        Path(results).write_text(json.dumps(answers))
        if gate:
            pass_gate(gate)
        for session in self._sessions.values():
            session.close()

    def _options(self, handle: str, options: Dict[str, Any]) -> Dict[str, Any]:
        if options.get("output") == "callback":
            options["output"] = self._callback(handle, **options.pop("callback", {}))
        if "patience_ms" in options:
            options["patience"] = CancelPatience(*options.pop("patience_ms"))
        if "restart_policy" in options:
            options["restart_policy"] = RestartPolicy(**options["restart_policy"])
        if "on_restart" in options:
            message = options["on_restart"]
            options["on_restart"] = (
                (lambda session: _raise(message[6:]))
                if message.startswith("raise ")
                else lambda session: session.fetch_response(message)
            )
        return options

    def _callback(
        self, handle: str, gate: str = "", pause_us: int = 0, calls: bool = False, raises: str = ""
    ) -> Callable[[OutputLine], None]:
        gates = [gate] if gate else []

        def callback(line: OutputLine) -> None:
            self._report(handle, *line)
            if gates:
                pass_gate(gates.pop())
            if pause_us:
                time.sleep(pause_us / 1e6)
            if raises:
                _raise(raises)
            if calls and line.text.startswith("call "):
                self._report(handle, self._called(handle, line.text[5:]), "called", line.message)

        return callback

    def _called(self, handle: str, request: str) -> str:
        arguments = json.loads(request)
        try:
            return str(_plain(self._call(arguments.pop("op"), handle, arguments)))
        except TechRenaissanceError as error:
            return type(error).__name__

    def _report(self, handle: str, text: str, stream: str, message: str) -> None:
        self._write({"session": handle, "output": text, "stream": stream, "message": message})

    def _write(self, answer: Dict[str, Any]) -> None:
        with self._lock:
            self._answers.write(json.dumps(answer) + "\n")
            self._answers.flush()


def _raise(name: str) -> None:
    raise getattr(builtins, name)("from a callback")


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, PostMortem):
        return dataclasses.asdict(value)
    return value._asdict() if hasattr(value, "_asdict") else value


def _describe(error: Exception) -> Dict[str, Any]:
    ours = isinstance(error, TechRenaissanceError)
    fields = {name: _plain(getattr(error, name)) for name in _ERROR_FIELDS if hasattr(error, name)}
    return {
        "type": type(error).__name__ if ours else "",
        "message": f"{type(error).__name__}: {error}",
        **fields,
    }


if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda number, frame: None)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # stdout is the workers' from now on
    if sys.argv[1:] == ["asyncio"]:
        thread = LoopThread()
        Driver(answers, thread.session).run()
        thread.close()
    else:
        Driver(answers, PythonSession).run()
