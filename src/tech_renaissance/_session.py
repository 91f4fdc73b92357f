"""The host's side: PythonSession starts a worker, calls it, shares tensors with it, watches it, stops it."""

import functools
import time
import weakref
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence, Union

from ._base.durations import option_seconds, seconds
from ._base.errors import LocalProtocolError, TimedOut
from ._base.names import check_tag_to_send
from ._base.post_mortem import PostMortem
from ._base.session_state import SessionState
from ._base.tensor import Library, dtype_named, imported_library
from ._host.caller import TIMEOUT_MS
from ._host.checked_options import checked, checked_hook, path_text
from ._host.end_call import end_call
from ._host.ending import unbroken
from ._host.fast_caller import FastCaller
from ._host.interruption import has_interrupted_us
from ._host.life import Life
from ._host.options import CancelPatience, Options, RestartPolicy
from ._host.unfetched_calls import UnfetchedCalls
from ._process.output import Output
from ._protocol.connection import State
from ._system.lazy_thread import LazyThread
from ._text_calls import TextCalls
from ._value_calls import ValueCalls

if TYPE_CHECKING:
    import os


class PythonSession(TextCalls, ValueCalls):
    """One worker process and everything said to it.

    May be used from several threads: concurrent ``fetch_*`` and ``calculate`` calls each get their own
    answer; the worker serves one at a time, in the order in which they were sent. Timeouts are in
    milliseconds and start when the worker is ready: a call made while it is starting first waits for it, up
    to the launch timeout. A call whose timeout passes raises TimedOut, and its late answer is discarded. A
    call whose deadline passes (counted from the moment of the call) is ended by the steps of spec/life.md.

    Use it in a ``with`` block, or call ``close``: that leaves no process and no files. If you do neither, the
    garbage collector or the interpreter's exit does it.
    """

    def __init__(
        self,
        script_path: Union[str, "os.PathLike[str]"] = "default",
        session_id: str = "default",
        quiet_mode: bool = False,
        *,
        arguments: Sequence[str] = (),
        python: Union[str, "os.PathLike[str]", None] = None,
        python_arguments: Sequence[str] = (),
        environment: Optional[Mapping[str, str]] = None,
        working_directory: Union[str, "os.PathLike[str]", None] = None,
        workspace: Union[str, "os.PathLike[str]", None] = None,
        launch_timeout_ms: float = 30_000,
        output: Optional[Output] = None,
        poll_ms: Optional[str] = None,
        look_us: Optional[int] = None,
        library: Optional[Library] = None,
        transport: Optional[str] = None,
        patience: Optional[CancelPatience] = None,
        restart: str = "never",
        restart_policy: Optional[RestartPolicy] = None,
        on_restart: "Optional[Callable[[PythonSession], None]]" = None,
    ) -> None:
        """Make a session; nothing happens until ``start`` (or a first ``send_tensor``).

        ``script_path``: the worker's script, or "default" for tech_renaissance.default_server.
        ``session_id``: a name; only one living session in a workspace may have it. ``quiet_mode``: discard
        the worker's output (its last lines are kept for errors). ``arguments``: for the script, after the
        session id; its ``sys.argv[2:]``. ``python``: the worker's interpreter; by default TR_PYTHON, else
        the host's. ``python_arguments``: options for the interpreter, before the script, such as ``["-X",
        "dev"]``. ``environment``: variables added to the host's. ``working_directory``: the worker's; by
        default the host's. ``workspace``: the folder of the session directories; by default TR_WORKSPACE,
        else ``workspace`` in the current directory. ``output``: "inherit", "discard", the path of a file to
        append to, or a function that gets one OutputLine at a time, in another thread. ``poll_ms``:
        "first:max", poll files by this schedule, without file notifications. ``look_us``: how long each
        side of shared memory looks for a message before it sleeps; a call is fastest while the other side
        is looking, but looking keeps a processor busy; by default TR_LOOK_US, else for as long as looking
        has paid off. ``library``: what results arrive as, "torch" or "numpy"; by default torch if the host
        has imported it, else numpy. ``transport``: "shm" or "file"; by default TR_TRANSPORT, else shared
        memory if both sides support it. ``patience``: how long each step that ends a call is given.
        ``restart``: "never" or "on-crash", as ``restart_policy`` says. ``on_restart`` is then called with
        the session, in a thread of its own, whenever a new worker is ready and before calls go on, for
        example to send weights again.

        Raises LocalProtocolError ``bad_name`` or ``bad_option``.
        """
        options = Options(
            script_path=script_path,
            session_id=session_id,
            quiet=quiet_mode,
            arguments=arguments,
            python=path_text("python", python),
            python_arguments=python_arguments,
            environment={} if environment is None else environment,
            working_directory=path_text("working_directory", working_directory),
            workspace=path_text("workspace", workspace),
            launch_timeout_s=option_seconds("launch_timeout_ms", launch_timeout_ms),
            output=output,
            poll_ms=poll_ms,
            look_us=look_us,
            library=library,
            transport=transport,
            patience=CancelPatience() if patience is None else patience,
            restart=restart,
            restart_policy=RestartPolicy() if restart_policy is None else restart_policy,
        )
        self._options = checked(options)
        self._life = life = Life(self._options)
        self._caller = FastCaller(life, self._options, _weakly(self, checked_hook(on_restart)))
        self._finalizer = weakref.finalize(self, _end, life, self._caller, is_finalizer=True)
        self._unfetched = UnfetchedCalls()

    # ------------------------------------------------------------------ life

    def __enter__(self) -> "PythonSession":
        """Start the worker."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the session."""
        self.close()

    @property
    def session_id(self) -> str:
        """The session's name."""
        return self._options.session_id

    @property
    def session_dir(self) -> str:
        """Absolute path of the session directory."""
        return self._life.path

    def set_quiet_mode(self, quiet: bool) -> None:
        """Discard the worker's output, or pass it on; takes effect at the next ``start``."""
        self._options.quiet = quiet

    def start(self, wait_ms: float = 0) -> None:
        """Start the worker. Returns before it is ready, unless ``wait_ms`` is given: then it waits up to that
        long, and it is not an error if the worker needs longer. Does nothing if a worker is running. A signal
        handler that has interrupted a call can start no worker (LocalProtocolError ``bad_state``).

        Works again after ``terminate``, an exit or a crash; tensors sent under tags are still there.
        Raises LaunchError: no interpreter, no script, the session id is in use, the system refused, or the
        worker died during the wait.
        """
        wait_s = seconds("wait_ms", wait_ms)
        if has_interrupted_us():
            raise LocalProtocolError(
                "bad_state", "a signal handler that has interrupted a call can start no worker"
            )
        unbroken(self._launch)
        if wait_s:
            self._caller.worker().wait_started(wait_s, is_new=True)

    def is_alive(self) -> bool:
        """Whether the worker's process is running; asks the kernel."""
        worker = self._life.worker
        return worker is not None and worker.is_alive()

    def please_exit(self, timeout_ms: float = 5000, ensure: bool = False) -> None:
        """Ask the worker to leave once it has served what it was sent, and wait for it.

        Raises TimedOut if it has not left in time; with ``ensure`` it is terminated instead. Does nothing
        without a worker. A pending restart is called off, and quarantined requests are forgiven.
        """
        self._stand_down()
        worker = self._life.worker
        if worker is None or worker.leave(seconds("timeout_ms", timeout_ms)):
            return
        if not ensure:
            raise TimedOut(f"the worker did not exit within {timeout_ms} ms")
        self._life.ending.carry_out(self._life.terminate)

    def terminate(self) -> None:
        """End the worker now, for certain. Its directory and tensors stay, for the next ``start``. A pending
        restart is called off, and quarantined requests are forgiven. In a signal handler: see ``close``.
        """
        self._stand_down()
        self._life.ending.carry_out(self._life.terminate)

    def join(self, timeout_ms: float = TIMEOUT_MS) -> bool:
        """Wait for the worker's process to end on its own; False if it is still running."""
        worker = self._life.worker
        return worker is None or worker.process.wait(seconds("timeout_ms", timeout_ms))

    def close(self) -> None:
        """End the worker, in an orderly way if possible, and remove the session directory. Safe to call
        twice, even at the same time: both calls return when it is done.

        In a signal handler that has interrupted a call, of this session or another, it does not wait. If it
        is of this one, that call raises SessionClosed, and then the session ends.
        """
        _end(self._life, self._caller)
        self._finalizer.detach()

    # ----------------------------------------------------------------- state

    def state(self) -> SessionState:
        """What the worker is doing now; asks the kernel whether it is alive."""
        worker = self._life.worker
        if worker is None:
            return SessionState("none")
        supervisor = self._caller.supervisor
        if supervisor and supervisor.is_restarting:
            return SessionState("restarting")
        if not worker.is_alive():
            is_lost = worker.was_lost or (supervisor is not None and supervisor.has_given_up)
            return SessionState("lost" if is_lost else "exited")
        state = worker.exchange.state
        call, since = next(iter(worker.exchange.in_work().items()), (None, 0.0))
        if state is not State.BUSY or call is None:
            return SessionState("exiting" if state is State.EXITED else state.value)
        name = "hung" if call.is_overdue() else "asking" if worker.exchange.is_asking(call) else "busy"
        return SessionState(name, call.message, time.monotonic() - since)

    def stack(self) -> str:
        """The Python stacks of the worker's threads (only the main thread's while no Python code runs), or
        why they cannot be taken; empty if the worker offers none (spec/life.md).
        """
        worker = self._life.worker
        return worker.stacks() if worker else ""

    def post_mortem(self) -> Optional[PostMortem]:
        """How the last worker ended; None if no worker has ended."""
        return self._life.post_mortem

    def cancel(self) -> str:
        """End the call in work, from another thread: its caller gets CallCancelled. Of several it is the
        oldest, but those of which nothing runs, such as streams that wait until their values are taken, come
        last; without any, it is the oldest that waits for a worker. Returns once the call has ended.

        Returns the step that was needed: "notice", "interrupt", "terminate" or "kill" ("queue" if the worker
        had not begun it); empty if there was no call. In a signal handler that has interrupted a call, of
        this session or another, it returns an empty text at once, and the call is ended after the handler.
        """
        worker = self._life.worker
        call = worker.exchange.cancellable() if worker else None
        if worker and call:
            end = functools.partial(end_call, worker, call, "cancel", self._options.patience)
        else:
            end = self._caller.cancel_waiting
        if not has_interrupted_us():
            return end()
        LazyThread("cancel", end).start()
        return ""

    def is_ready(self) -> bool:
        """Whether the worker is waiting for a request."""
        return self._state() is State.READY

    def is_busy(self) -> bool:
        """Whether the worker has an unanswered request."""
        return self._state() is State.BUSY

    def wait_until_ready(self, timeout_ms: float = TIMEOUT_MS) -> bool:
        """Wait until the worker can serve; False if it cannot yet. Raises LaunchError
        or WorkerLost if it died.
        """
        return self._caller.worker().wait_started(seconds("timeout_ms", timeout_ms))

    def wait_until_ok(self, timeout_ms: float = TIMEOUT_MS) -> bool:
        """Wait until all requests are answered; True if the last one succeeded. Raises WorkerLost."""
        exchange = self._caller.ready_worker().exchange
        return exchange.wait_idle(seconds("timeout_ms", timeout_ms)) and not exchange.last_failed

    # --------------------------------------------------------------- tensors

    def empty(self, shape: Sequence[int], dtype: Any = "float32") -> Any:
        """A new, uninitialised tensor that ``send_tensor`` need not copy: over shared memory, the
        worker sees this very memory.

        ``dtype``: torch's or numpy's, or a name ("float32", "FP32"). The tensor is of the library that
        results arrive as. Raises ArenaFull, FormatError.
        """
        return self._life.transport.empty(
            dtype_named(dtype), shape, self._options.library or imported_library()
        )

    def send_tensor(self, tensor: Any, tag: str) -> None:
        """Put a tensor under a tag for the worker: numpy, torch, or anything with DLPack. It stays
        until it is replaced or dropped.

        Raises LocalProtocolError for a tag that is not a valid name, FormatError for a
        tensor that TSR cannot hold.
        """
        check_tag_to_send(tag)
        self._life.transport.put_tensor(tag, tensor)

    def send_tensors(self, tensors: Sequence[Any], tags: Sequence[str]) -> None:
        """Put several tensors under as many tags; all tags are checked first."""
        if len(tensors) != len(tags):
            raise LocalProtocolError("bad_name", f"{len(tensors)} tensors need as many tags, not {len(tags)}")
        for tag in tags:
            check_tag_to_send(tag)
        put = self._life.transport.put_tensor
        for tensor, tag in zip(tensors, tags):
            put(tag, tensor)

    def drop_tensor(self, tag: str) -> None:
        """Forget the tensor under a tag, if there is one."""
        check_tag_to_send(tag)
        self._life.transport.drop_tensor(tag)

    # -------------------------------------------------------------- internal

    def _launch(self) -> None:
        supervisor = self._caller.supervisor
        if supervisor:
            self._life.check_open()
            supervisor.prepare()
            if supervisor.hurry():
                return
        if not self._life.start():
            return
        self._unfetched.clear()
        if supervisor:
            supervisor.watch(self._caller.worker())

    def _stand_down(self) -> None:
        """The user wants no worker."""
        self._life.check_ours()
        if self._caller.supervisor:
            self._caller.supervisor.stand_down()

    def _state(self) -> Optional[State]:
        worker = self._life.worker
        return worker.exchange.state if worker and worker.is_alive() else None


def _end(life: Life, caller: FastCaller, *, is_finalizer: bool = False) -> None:
    """End a session. Does nothing in a fork of the host. May be called again."""
    if life.is_ours:
        life.ending.carry_out(lambda: _do_end(life, caller), is_finalizer=is_finalizer)


def _do_end(life: Life, caller: FastCaller) -> None:
    caller.close()
    life.end()
    caller.join()
    life.finish_output()  # without a lock that the callback may need
    life.clear()


def _weakly(session: PythonSession, hook: Optional[Callable[[PythonSession], None]]) -> Callable[[], None]:
    """A function that calls the hook without keeping the session alive."""
    reference = weakref.ref(session)

    def call() -> None:
        session = reference()
        if hook and session:
            hook(session)

    return call
