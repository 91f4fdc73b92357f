"""What a session owns from its first start to its end: the directory, the transport, the process. And how it stops them."""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from typing import Dict, List, NamedTuple, Optional, Tuple

from .._base.errors import LaunchError, LocalProtocolError, SessionClosed, TechRenaissanceError, WorkerLost
from .._base.names import is_reserved_tag
from .._base.post_mortem import PostMortem, last_traceback, native_fault, shortened_command, signal_name
from .._base.tensor import Library
from .._process.interpreter import find_interpreter
from .._process.output import Output
from .._process.process import Process, have_grown, out_of_memory_kills, own_peak_nbytes, peak_nbytes
from .._process.stacks import take_stacks
from .._transport.choose import check_transport_name, host_transport
from .._transport.file.watch import Backoff
from .._transport.session_directory import SessionDirectory, remove_leftovers, session_directory
from .._transport.session_files import read_worker_info, write_post_mortem, write_status
from .._transport.transport import HostTransport
from .call import Call, call_ended
from .exchange import Exchange

_KILLED = -9
RESTARTS = ("never", "on-crash")

# How a worker is stopped: each step, and for how many seconds it is given before the next one.
Ladder = Tuple[Tuple[str, float], ...]
END_LADDER: Ladder = (("exit", 2.0), ("terminate", 1.0), ("kill", 5.0))
TERMINATE_LADDER = END_LADDER[1:]

# How long the process of a worker that has left may take to end, before its error is told without an exit status.
_DEATH_S = 5.0


class CancelPatience(NamedTuple):
    """How long each step that ends a call is given before the next one, in milliseconds; see spec/life.md."""

    notice_ms: int = 200
    interrupt_ms: int = 1000
    terminate_ms: int = 1000


class RestartPolicy(NamedTuple):
    """How a crashed worker is restarted: back-off (doubled with each crash in a row), at most ``limit`` restarts in ``window_s``;
    ``keep_tags``: the tensors under tags are there again.
    """

    first_backoff_ms: int = 100
    max_backoff_ms: int = 10_000
    limit: int = 5
    window_s: float = 60.0
    keep_tags: bool = True


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
    patience: CancelPatience
    restart: str
    restart_policy: RestartPolicy


class Launch(NamedTuple):
    """What a process is started with."""

    arguments: List[str]
    environment: Dict[str, str]
    directory: Optional[str]
    output: Output
    inherited: List[int]


class Worker:
    """A launched process and what is said to it. Thread-safe."""

    def __init__(self, launch: Launch, transport: HostTransport, path: str, *, hands_over: bool) -> None:
        """``path``: of the session directory. ``hands_over``: see Exchange. Raises LaunchError."""
        self._path = path
        self._interpreter = launch.arguments[0]
        self._started_at = time.time()
        self._own_peak_nbytes = own_peak_nbytes()
        self._kills_before = out_of_memory_kills(os.getpid())
        self._ended_by = ""  # why its host ends it, once it does
        self._stopped = False  # by its host, and not for a call
        self._death_s = _DEATH_S
        self._released = False
        self._stacks_lock = threading.Lock()
        self.ending = threading.Lock()  # of who ends a call
        self.launched_at = time.monotonic()
        self.transport = transport
        self.post_mortem: Optional[PostMortem] = None
        self.last_call: Optional[Call] = None  # that was in work when the process ended
        self.exchange = Exchange(
            transport,
            lambda: not self.is_alive(),
            self.death,
            switch_output=self._switch_output if callable(launch.output) else None,
            hands_over=hands_over,
        )
        self.process = Process(*launch, self._finish)
        transport.watch_exit(self.process.exit_handle)

    def is_alive(self) -> bool:
        """Whether the process runs, as the kernel says now."""
        return self.process.is_alive()

    def leave(self, timeout_s: float) -> bool:
        """Ask it to leave and wait for the end of the process; False if it still runs."""
        deadline = time.monotonic() + timeout_s
        if self.is_alive() and self.exchange.ask_to_leave(timeout_s):
            self.exchange.wait_left(max(0.0, deadline - time.monotonic()))
        return self.process.wait(max(0.0, deadline - time.monotonic()))

    def stop(self, ladder: Ladder, why: str) -> None:
        """End the process by the steps of the ladder; every waiting call fails."""
        for step, patience_s in ladder:
            if not self.is_alive():
                break
            self._stopped = True
            self._ended_by = self._ended_by or why
            if step == "exit":
                with contextlib.suppress(
                    TechRenaissanceError
                ):  # it cannot be told: the next step needs no cooperation
                    self.leave(patience_s)
            else:
                self.end_process(step, why)
                if not self.process.wait(patience_s) and step == "kill":
                    self.process.is_given_up = True
                    self._death_s = 0.0
        self.exchange.close()

    def end_process(self, step: str, why: str) -> None:
        """Terminate or kill it. ``why``: for the post-mortem."""
        self._ended_by = self._ended_by or why
        getattr(self.process, step)()

    def interrupt(self) -> None:
        """Interrupt the handler. The same signal asks for the stacks: one at a time."""
        with self._stacks_lock:
            self.process.interrupt()

    def stacks(self) -> str:
        """The Python stacks of all threads, or why they cannot be had; empty if the worker does not offer them."""
        with self._stacks_lock:
            return take_stacks(self.process, os.path.join(self._path, "stack.txt")) if self.is_alive() else ""

    def close(self) -> None:
        """End what still runs, and release what the process holds in the host. The directory is the next worker's then."""
        self.stop((), "")
        self.process.close()
        self._released = True

    @property
    def was_stopped(self) -> bool:
        """Whether its host has stopped it, and not for a single call."""
        return self._stopped

    @property
    def was_lost(self) -> bool:
        """Whether its process has ended as nobody asked for."""
        record = self.post_mortem
        if record is None or self._stopped or self.exchange.was_asked_to_leave:
            return False
        return record.exit_status != 0 or record.moment in ("starting", "busy")

    @property
    def has_crashed(self) -> bool:
        """Whether it was lost after it had been ready."""
        return self.was_lost and self.exchange.was_ready

    def _switch_output(self, command: str) -> None:
        self.process.switch_output(command)

    def _finish(self, process: Process, status: Optional[int]) -> None:
        """Make the record of its end, for now and later."""
        call = self.exchange.current
        if call and not (call.why or self._may_have_begun(call)):
            call = None
        self.last_call = call
        info = read_worker_info(self._path)
        stderr = process.stderr_tail()
        peak = peak_nbytes(process.pid)
        self.post_mortem = record = PostMortem(
            pid=process.pid,
            exit_status=status,
            signal=signal_name(status),
            moment=self._moment(call),
            ended_by_host=self._ended_by,
            command=shortened_command(call.message) if call else "",
            running_s=round(time.monotonic() - call.since, 6) if call else 0.0,
            traceback=last_traceback(stderr, status),
            stack=native_fault(stderr),
            output_tail=process.output_tail(),
            memory_peak_nbytes=peak if peak and peak > self._own_peak_nbytes else None,
            out_of_memory=status == _KILLED and not self._ended_by and have_grown(self._kills_before),
            interpreter=self._interpreter,
            python=str(info.get("python", "")),
            tech_renaissance=str(info.get("tech_renaissance", "")),
            started_at=self._started_at,
            ended_at=time.time(),
        )
        if self._released:
            return
        with contextlib.suppress(OSError):  # the disk is full, or the directory gone: the object is there
            write_post_mortem(self._path, record.to_json())
            write_status(self._path, "terminated")

    def _may_have_begun(self, call: Call) -> bool:
        try:
            return self.transport.may_have_begun(call.request.id or 0)
        except OSError:
            return True

    def _moment(self, call: Optional[Call]) -> str:
        if not self.exchange.was_ready:
            return "starting"
        if call:
            return "busy"
        return "exiting" if self.exchange.was_asked_to_leave else "idle"

    def death(self, call: Optional[Call]) -> TechRenaissanceError:
        """The error that tells of the process's end, to a call or to whoever comes later."""
        self.process.wait(self._death_s)
        record = self.post_mortem
        if record is None:
            self._death_s = 0.0  # it will not be waited for again
            text = "the worker left, but its process still runs"
            return WorkerLost("worker_lost", text, None, self.process.output_tail())
        if call and call.why:
            return call_ended(call, record)
        if self._stopped:
            return SessionClosed(
                "session_closed", "the worker was ended by its host: start the session again"
            )
        details = (record.exit_status, record.output_tail, record)
        if not self.exchange.was_ready:
            return LaunchError("died_at_start", f"the worker ended before it was ready: {record}", *details)
        return WorkerLost("worker_lost", f"the worker ended: {record}", *details)


class Life:
    """Owner of a session's process and files. Thread-safe."""

    def __init__(self, options: Options) -> None:
        """Raises LocalProtocolError ``bad_name`` or ``bad_option``; nothing is made yet."""
        if options.restart not in RESTARTS:
            raise LocalProtocolError(
                "bad_option", f"restart is 'never' or 'on-crash', not {options.restart!r}"
            )
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
        self._last_post_mortem: Optional[PostMortem] = None  # of a worker that is released
        self._closed = False

    @property
    def is_ours(self) -> bool:
        """False in a fork of the host."""
        return os.getpid() == self._owner_pid

    @property
    def post_mortem(self) -> Optional[PostMortem]:
        """How the last worker ended; None if none has."""
        worker = self._worker
        return (worker and worker.post_mortem) or self._last_post_mortem

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
                remove_leftovers(os.path.dirname(self.path))
            if self._transport is None:
                try:
                    self._transport = host_transport(
                        self._transport_name, self.path, self._poll_ms, self._options.library
                    )
                except OSError as error:
                    raise LaunchError("launch_failed", f"cannot make a transport: {error}") from error
            return self._transport

    def start(self) -> bool:
        """Launch a worker; False if one runs already, and has not been given up."""
        with self._lock:
            self.check_open()
            if self._worker and self._worker.is_alive() and not self._worker.process.is_given_up:
                return False
            arguments = self._arguments()
            transport = self.transport
            self._release_worker()
            offer = transport.prepare()
            environment = {**self._worker_environment(), **offer.environment}
            directory, output = self._options.working_directory, self._output()
            launch = Launch(arguments, environment, directory, output, offer.descriptors)
            hands_over = self._options.restart != "never"
            self._worker = Worker(launch, transport, self.path, hands_over=hands_over)
            return True

    def restart(self, crashed: Worker, *, keep_tags: bool) -> Worker:
        """Launch a worker in place of one that has crashed; or the one that its user has launched meanwhile. Raises LaunchError,
        SessionClosed.
        """
        with self._lock:
            self.check_open()
            if self._worker is crashed:
                if not keep_tags:
                    for tag in self.transport.tags():
                        if not is_reserved_tag(tag):  # as those of calls that wait are
                            self.transport.drop_tensor(tag)
                self.start()
            assert self._worker is not None
            return self._worker

    def terminate(self) -> None:
        """End the process for certain; the directory stays."""
        with self._lock:
            if self._worker:
                self._worker.stop(TERMINATE_LADDER, "terminate()")

    def end(self) -> None:
        """End the process, for good; ``clear`` follows. Never raises."""
        with self._lock:
            self._closed = True
            if self._worker:
                self._worker.stop(END_LADDER, "close()")

    def clear(self) -> None:
        """After the end, and once nobody else writes there: no files are left. Never raises."""
        with self._lock:
            self._release_worker()
            if self._transport:
                self._transport.close()
            if self._directory:
                with contextlib.suppress(
                    OSError
                ):  # someone else's file in it, or it is gone: nothing more can be done
                    self._directory.remove()
            self._transport = self._directory = None

    def check_open(self) -> None:
        """Raise SessionClosed after the end."""
        if self._closed:
            raise SessionClosed("session_closed", "the session was closed: make a new one")

    def _release_worker(self) -> None:
        if self._worker:
            self._worker.close()
            self._last_post_mortem = self._worker.post_mortem
            self._worker = None

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
        if callable(self._options.output):  # what a call has written is there before its answer is
            environment["PYTHONUNBUFFERED"] = "1"
        return environment

    def _output(self) -> Output:
        return self._options.output or ("discard" if self._options.quiet else "inherit")
