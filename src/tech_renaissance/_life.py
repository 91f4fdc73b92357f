"""What a session owns from its first start to its end: the directory, the transport, the process. And how it stops them."""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from . import _files
from ._errors import LaunchError, SessionClosed, TechRenaissanceError, WorkerLost
from ._exchange import Exchange
from ._process import Process
from ._process.death import explain
from ._process.interpreter import find_interpreter
from ._process.output import Output
from ._tensor import Library
from ._transport.file import FileHost
from ._workspace import SessionDirectory, session_directory

# How a worker is stopped: each step, and for how many seconds it is given before the next one.
END_LADDER: Tuple[Tuple[str, float], ...] = (("exit", 2.0), ("terminate", 1.0), ("kill", 5.0))
TERMINATE_LADDER = END_LADDER[1:]


@dataclass
class Options:
    """The options of PythonSession; see there."""

    script_path: str
    session_id: str
    quiet: bool
    python: Optional[str]
    environment: Dict[str, str]
    working_directory: Optional[str]
    workspace: Optional[str]
    launch_timeout_s: float
    output: Optional[Output]
    poll_ms: Optional[str]
    library: Optional[Library]


class Life:
    """Owner of a session's process and files. Thread-safe."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._environment = {**os.environ, **options.environment}
        self.path = session_directory(options.session_id, self._environment, options.workspace)
        self._lock = threading.RLock()
        self._owner_pid = os.getpid()
        self._directory: Optional[SessionDirectory] = None
        self._transport: Optional[FileHost] = None
        self._process: Optional[Process] = None
        self._interpreter = ""
        self._launched_at = 0.0
        self._exchange: Optional[Exchange] = None
        self._closed = False

    @property
    def exchange(self) -> Exchange:
        """The talk with the present worker, or with the last one. Raises SessionClosed if there was none, or after the end."""
        self._check_open()
        if self._exchange is None:
            raise SessionClosed("not_started", "the session has no worker: call start() first")
        return self._exchange

    @property
    def transport(self) -> FileHost:
        """The host's end; claims the directory when first used."""
        with self._lock:
            self._check_open()
            if self._transport is None:
                self._directory = SessionDirectory(self.path, empty=True)
                self._transport = FileHost(self.path, self._poll_ms(), self._options.library)
            return self._transport

    def start(self) -> bool:
        """Launch a worker; False if one runs already."""
        with self._lock:
            self._check_open()
            if self.is_alive():
                return False
            arguments = self._arguments()
            transport = self.transport
            self._release_process()
            transport.prepare()
            process = Process(
                arguments, self._worker_environment(), self._options.working_directory, self._output()
            )
            self._process = process
            transport.watch_exit(process.exit_handle)
            self._launched_at = time.monotonic()
            self._exchange = Exchange(transport, lambda: process.poll() is not None, self._death)
            return True

    def is_alive(self) -> bool:
        """Whether the process runs, as the kernel says now."""
        process = self._process
        return process is not None and process.poll() is None

    def launch_remaining_s(self) -> float:
        """What remains of the launch timeout."""
        return max(0.0, self._launched_at + self._options.launch_timeout_s - time.monotonic())

    def output_tail(self) -> str:
        """The last lines of the worker, living or dead."""
        return self._process.output_tail() if self._process else ""

    def leave(self, timeout_s: float) -> bool:
        """Ask the worker to leave and wait for its end; False if it did not."""
        deadline = time.monotonic() + timeout_s
        exchange = self._exchange
        if exchange is None or not self.is_alive():
            return True
        if not exchange.wait_started(timeout_s):
            return False
        exchange.leave(max(0.0, deadline - time.monotonic()))
        return self.join(max(0.0, deadline - time.monotonic()))

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the process; False if it still runs."""
        return self._process is None or self._process.wait(timeout_s) is not None

    def terminate(self) -> None:
        """End the process for certain; the directory stays."""
        with self._lock:
            self._stop(TERMINATE_LADDER)

    def end(self) -> None:
        """End everything: no process and no files are left. Never raises; a fork of the host ends nothing."""
        if os.getpid() != self._owner_pid or self._closed:
            return
        with self._lock:
            self._stop(END_LADDER)
            self._release_process()
            if self._transport:
                self._transport.close()
            if self._directory:
                with contextlib.suppress(OSError):  # someone else's file in it, or it is gone: nothing more can be done
                    self._directory.remove()
            self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise SessionClosed("session_closed", "the session was closed: make a new one")

    def _stop(self, ladder: Tuple[Tuple[str, float], ...]) -> None:
        if self._process is None:
            return
        for step, patience_s in ladder:
            if not self.is_alive():
                break
            if step == "exit":
                with contextlib.suppress(TechRenaissanceError):
                    self.leave(patience_s)
            else:
                getattr(self._process, step)()
                self._process.wait(patience_s)
        if self._exchange:
            self._exchange.close()
        self._write_last_word()

    def _write_last_word(self) -> None:
        with contextlib.suppress(OSError):
            _files.write(os.path.join(self.path, "status.txt"), b"terminated")

    def _release_process(self) -> None:
        if self._exchange:
            self._exchange.close()
        if self._process:
            self._process.close()
            self._process = None

    def _arguments(self) -> List[str]:
        options = self._options
        self._interpreter = find_interpreter(options.python, self._environment)
        if options.script_path == "default":
            return [self._interpreter, "-m", "tech_renaissance.default_server", options.session_id]
        script = os.path.abspath(options.script_path)
        if not os.path.isfile(script):
            raise LaunchError("script_not_found", f"there is no worker script {script!r}")
        return [self._interpreter, script, options.session_id]

    def _worker_environment(self) -> Dict[str, str]:
        environment = {**self._environment, "TR_WORKSPACE": os.path.dirname(os.path.dirname(self.path))}
        if self._poll_ms():
            environment["TR_POLL_MS"] = self._poll_ms() or ""
        return environment

    def _poll_ms(self) -> Optional[str]:
        return self._options.poll_ms or self._environment.get("TR_POLL_MS")

    def _output(self) -> Output:
        return self._options.output or ("discard" if self._options.quiet else "inherit")

    def _death(self, starting: bool) -> TechRenaissanceError:  # noqa: FBT001 - a callback
        """The error that tells of the process's end."""
        assert self._process is not None
        status = self._process.wait(5.0)
        tail = self._process.output_tail()
        if status is None:
            return WorkerLost("worker_lost", "the worker left, but its process still runs", None, tail)
        text = explain(status, tail, self._interpreter)
        if starting:
            return LaunchError("died_at_start", f"the worker ended before it was ready: {text}", status, tail)
        return WorkerLost("worker_lost", f"the worker ended: {text}", status, tail)
