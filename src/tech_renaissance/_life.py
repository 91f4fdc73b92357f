"""What a session owns from its first start to its end: the directory, the transport, the process. And how it stops them."""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

from ._errors import LaunchError, SessionClosed, TechRenaissanceError, WorkerLost
from ._exchange import Exchange
from ._process.death import explain
from ._process.interpreter import find_interpreter
from ._process.output import Output
from ._process.process import Process
from ._tensor import Library
from ._transport import HostTransport
from ._transport.choose import check_transport_name, host_transport
from ._transport.status import write_status
from ._transport.watch import Backoff
from ._workspace import SessionDirectory, session_directory

# How a worker is stopped: each step, and for how many seconds it is given before the next one.
Ladder = Tuple[Tuple[str, float], ...]
END_LADDER: Ladder = (("exit", 2.0), ("terminate", 1.0), ("kill", 5.0))
TERMINATE_LADDER = END_LADDER[1:]

# How long the process of a worker that has left may take to end, before its error is told without an exit status.
_DEATH_S = 5.0


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
    transport: Optional[str]


class Worker:
    """A launched process and what is said to it. Thread-safe.

    ``last_word`` is called once, when the process has ended, however it ended.
    """

    def __init__(
        self, process: Process, interpreter: str, transport: HostTransport, last_word: Callable[[], None]
    ) -> None:
        self.process = process
        self.launched_at = time.monotonic()
        self._interpreter = interpreter
        self._last_word: Optional[Callable[[], None]] = last_word
        self._stopped = False
        transport.watch_exit(process.exit_handle)
        self.exchange = Exchange(transport, lambda: not self.is_alive(), self._death)

    def is_alive(self) -> bool:
        """Whether the process runs, as the kernel says now."""
        return self.process.poll() is None

    def leave(self, timeout_s: float) -> bool:
        """Ask it to leave and wait for the end of the process; False if it still runs."""
        deadline = time.monotonic() + timeout_s
        if self.is_alive() and self.exchange.ask_to_leave(timeout_s):
            self.exchange.wait_left(max(0.0, deadline - time.monotonic()))
        return self.process.wait(max(0.0, deadline - time.monotonic())) is not None

    def stop(self, ladder: Ladder) -> None:
        """End the process by the steps of the ladder; every waiting call fails."""
        for step, patience_s in ladder:
            if not self.is_alive():
                break
            self._stopped = True
            if step == "exit":
                with contextlib.suppress(
                    TechRenaissanceError
                ):  # it cannot be told: the next step needs no cooperation
                    self.leave(patience_s)
            else:
                getattr(self.process, step)()
                self.process.wait(patience_s)
        self.exchange.close()
        self._say_last_word()

    def close(self) -> None:
        """End what still runs, and release what the process holds in the host."""
        self.stop(())
        self.process.close()

    def _say_last_word(self) -> None:
        last_word, self._last_word = self._last_word, None
        if last_word:
            last_word()

    def _death(self, starting: bool) -> TechRenaissanceError:
        """The error that tells of the process's end."""
        status = self.process.wait(_DEATH_S)
        tail = self.process.output_tail()
        if status is None:
            return WorkerLost("worker_lost", "the worker left, but its process still runs", None, tail)
        self._say_last_word()
        if self._stopped:
            return SessionClosed(
                "session_closed", "the worker was ended by its host: start the session again"
            )
        text = explain(status, tail, self._interpreter)
        if starting:
            return LaunchError("died_at_start", f"the worker ended before it was ready: {text}", status, tail)
        return WorkerLost("worker_lost", f"the worker ended: {text}", status, tail)


class Life:
    """Owner of a session's process and files. Thread-safe."""

    def __init__(self, options: Options) -> None:
        """Raises LocalProtocolError ``bad_name`` or ``bad_option``; nothing is made yet."""
        self._options = options
        self._environment = {**os.environ, **options.environment}
        self._poll_ms = options.poll_ms or self._environment.get("TR_POLL_MS")
        if self._poll_ms:
            Backoff.parse(self._poll_ms)
        self._transport_name = check_transport_name(
            options.transport or self._environment.get("TR_TRANSPORT")
        )
        self.path = session_directory(options.session_id, self._environment, options.workspace)
        self._lock = threading.RLock()
        self._owner_pid = os.getpid()
        self._directory: Optional[SessionDirectory] = None
        self._transport: Optional[HostTransport] = None
        self._worker: Optional[Worker] = None
        self._closed = False

    @property
    def worker(self) -> Optional[Worker]:
        """The present worker, or the last one; None if there was none, or after the end."""
        return self._worker

    @property
    def transport(self) -> HostTransport:
        """The host's end; claims the directory when first used."""
        with self._lock:
            self.check_open()
            if self._directory is None:
                self._directory = SessionDirectory(self.path, empty=True)
            if self._transport is None:
                self._transport = host_transport(
                    self._transport_name, self.path, self._poll_ms, self._options.library
                )
            return self._transport

    def start(self) -> bool:
        """Launch a worker; False if one runs already."""
        with self._lock:
            self.check_open()
            if self._worker and self._worker.is_alive():
                return False
            arguments = self._arguments()
            transport = self.transport
            self._release_worker()
            offer = transport.prepare()
            environment = {**self._worker_environment(), **offer.environment}
            process = Process(
                arguments, environment, self._options.working_directory, self._output(), offer.descriptors
            )
            self._worker = Worker(process, arguments[0], transport, self._write_last_word)
            return True

    def terminate(self) -> None:
        """End the process for certain; the directory stays."""
        with self._lock:
            if self._worker:
                self._worker.stop(TERMINATE_LADDER)

    def end(self) -> None:
        """End everything: no process and no files are left. Never raises; a fork of the host ends nothing."""
        if os.getpid() != self._owner_pid:
            return
        with self._lock:
            if self._worker:
                self._worker.stop(END_LADDER)
            self._release_worker()
            if self._transport:
                self._transport.close()
            if self._directory:
                with contextlib.suppress(
                    OSError
                ):  # someone else's file in it, or it is gone: nothing more can be done
                    self._directory.remove()
            self._transport = self._directory = None
            self._closed = True

    def check_open(self) -> None:
        """Raise SessionClosed after the end."""
        if self._closed:
            raise SessionClosed("session_closed", "the session was closed: make a new one")

    def _release_worker(self) -> None:
        if self._worker:
            self._worker.close()
            self._worker = None

    def _write_last_word(self) -> None:
        with contextlib.suppress(OSError):  # for people to read, no more
            write_status(self.path, "terminated")

    def _arguments(self) -> List[str]:
        options = self._options
        interpreter = find_interpreter(options.python, self._environment)
        if options.script_path == "default":
            return [interpreter, "-m", "tech_renaissance.default_server", options.session_id]
        script = os.path.abspath(options.script_path)
        if not os.path.isfile(script):
            raise LaunchError("script_not_found", f"there is no worker script {script!r}")
        return [interpreter, script, options.session_id]

    def _worker_environment(self) -> Dict[str, str]:
        environment = {**self._environment, "TR_WORKSPACE": os.path.dirname(os.path.dirname(self.path))}
        if self._poll_ms:
            environment["TR_POLL_MS"] = self._poll_ms
        if self._transport_name:
            environment["TR_TRANSPORT"] = self._transport_name
        return environment

    def _output(self) -> Output:
        return self._options.output or ("discard" if self._options.quiet else "inherit")
