"""What a session owns from its first start to its end: the directory, the transport, the
worker; and how it ends them.
"""

import contextlib
import functools
import os
import threading
import weakref
from typing import TYPE_CHECKING, Callable, Dict, List, Optional

from .._base.errors import LaunchError, SessionClosed
from .._base.names import is_reserved_tag
from .._base.post_mortem import PostMortem
from .._process.command_line import CommandLine, checked_arguments, checked_python_arguments
from .._process.interpreter import find_interpreter
from .._process.output import Output
from .._system.files import shown
from .._system.forks import Forks, in_children
from .._system.wait_handle import WaitHandle
from .._transport.choose import check_transport_name, checked_look_us, host_transport
from .._transport.file.watch import Backoff
from .._transport.session_directory import (
    SessionDirectory,
    remove_leftovers,
    session_directory,
    with_room_for_files,
)
from .._transport.session_place import SessionPlace
from .._transport.transport import HostTransport
from .call_queue import CallQueue
from .ending import Ending, unbroken
from .ladder import END_LADDER, TERMINATE_LADDER
from .launched_worker import Launch, LaunchedWorker
from .loops import Loops
from .options import Options

if TYPE_CHECKING:
    from .call import Call

# How often to check whether a worker that is being ended has turned out to be unkillable.
_LOOK_S = 1.0


class Life:
    """Owns a session's process and files. Thread-safe."""

    def __init__(self, options: Options) -> None:
        """Makes nothing yet. Raises LocalProtocolError ``bad_name`` or ``bad_option``."""
        self._options = options
        self._environment = {**os.environ, **options.environment}
        self._poll_ms = options.poll_ms or self._environment.get("TR_POLL_MS")
        if self._poll_ms:
            Backoff.parse(self._poll_ms)
        look_us = self._environment.get("TR_LOOK_US") if options.look_us is None else options.look_us
        self._look_us = checked_look_us(look_us)
        self._transport_name = check_transport_name(
            options.transport or self._environment.get("TR_TRANSPORT")
        )
        self._command_line = CommandLine(
            os.fspath(options.script_path),
            options.session_id,
            checked_python_arguments(options.python_arguments),
            checked_arguments("arguments", options.arguments),
        )
        self.path = session_directory(options.session_id, self._environment, options.workspace)
        self._files_path = with_room_for_files(self.path)
        self._lock = threading.RLock()
        self.ending = Ending()
        self._generation = Forks.generation
        self._forget_forks: Callable[[], None] = lambda: None
        self._parents: object = None  # in a fork: keeps the parent's objects as they are
        self._directory: Optional[SessionDirectory] = None
        self._transport: Optional[HostTransport] = None
        self._worker: Optional[LaunchedWorker] = None
        self._last_post_mortem: Optional[PostMortem] = None  # of the last worker that was released
        self._closed = False
        # Called when a worker's process has ended and the record of it has been made, by
        # the thread that noticed it.
        self.told: Callable[[], None] = lambda: None
        self.watch: Callable[[Call], None] = lambda _: None  # see Exchange
        self.queue = CallQueue()
        self.loops = Loops(self._fire)

    @property
    def is_ours(self) -> bool:
        """False in a fork of the host."""
        return self._generation == Forks.generation

    @property
    def post_mortem(self) -> Optional[PostMortem]:
        """How the last worker ended; None if no worker has ended."""
        worker = self.worker
        return (worker and worker.post_mortem) or self._last_post_mortem

    @property
    def worker(self) -> Optional[LaunchedWorker]:
        """The current worker, or the last one; None if there was none, or after the end."""
        if self._worker is None:
            self.check_ours()
        return self._worker

    @property
    def transport(self) -> HostTransport:
        """The host's end. Claims the directory on first use."""
        if self._transport is None:
            self.check_ours()  # in a fork the lock may stay locked
        transport = self._transport
        if transport is not None and not self._closed:
            return transport
        return unbroken(self._make_transport)

    def _make_transport(self) -> HostTransport:
        with self._lock:
            self.check_open()
            if self._directory is None:
                self._forget_forks()
                self._forget_forks = in_children(functools.partial(_leave_to_parent, weakref.ref(self)))
                self._claim_directory()
            if self._transport is None:
                try:
                    self._transport = host_transport(
                        self._transport_name,
                        self._files_path,
                        self._poll_ms,
                        self._look_us,
                        self._options.library,
                    )
                except OSError as error:
                    raise LaunchError("launch_failed", f"cannot make a transport: {shown(error)}") from error
            return self._transport

    def start(self, *, is_open: bool = True) -> bool:
        """Launch a worker; False if one is already running and is not unkillable. Waits for a worker that
        another thread is ending. ``is_open``: see Exchange.
        """
        while True:
            with self._lock:
                self.check_open()
                last = self._worker
                if last is None or not last.is_alive() or last.process.is_unkillable:
                    self._launch(is_open=is_open)
                    return True
                if not last.was_stopped:
                    return False
            last.process.wait(_LOOK_S)

    def _launch(self, *, is_open: bool = True) -> None:
        arguments = self._arguments()
        if self._directory and not self._directory.is_in_place():
            self._claim_directory()
        transport = self.transport
        output_before = None
        if self._worker:  # it stays here until there is another, so that calls always find one
            output_before = self._worker.process.hand_over_output()
            self._worker.close()
        offer = transport.prepare()
        environment = {**self._worker_environment(), **offer.environment}
        directory, output = self._options.working_directory, self._output()
        launch = Launch(arguments, environment, directory, output, offer.descriptors, output_before)
        hands_over = self._options.restart != "never"
        place = SessionPlace(self._files_path)
        worker = LaunchedWorker(
            launch,
            transport,
            place,
            self.told,
            self.watch,
            self.queue,
            self.loops,
            launch_timeout_s=self._options.launch_timeout_s,
            hands_over=hands_over,
            is_open=is_open,
        )
        if self._worker:
            self._last_post_mortem = self._worker.post_mortem
        self._worker = worker
        self.loops.wake()

    def restart(
        self, crashed: LaunchedWorker, check_wanted: Callable[[], None], *, keep_tags: bool
    ) -> Optional[LaunchedWorker]:
        """Launch a worker in place of a crashed one, not open; None if the user was faster. Raises
        LaunchError, SessionClosed, and what ``check_wanted`` raises.
        """
        with self._lock:
            self.check_open()
            if self._worker is not crashed:
                return None
            check_wanted()
            if not keep_tags:
                for tag in self.transport.tags():
                    if not is_reserved_tag(tag):  # reserved ones belong to waiting calls
                        self.transport.drop_tensor(tag)
            self.start(is_open=False)
            return self._worker

    def terminate(self) -> None:
        """End the process for certain. The directory stays."""
        with self._lock:  # waits for a start to finish
            worker = self._worker
        if worker:
            worker.stop(TERMINATE_LADDER, "terminate()")

    def end(self) -> None:
        """End the process for good. Call ``clear`` afterwards. Never raises."""
        with self._lock:
            self._closed = True
            worker = self._worker
        if worker:
            worker.stop(END_LADDER, "close()")

    def finish_output(self) -> None:
        """Give a callback the last lines. It may use the session meanwhile."""
        worker = self._worker
        if worker:
            worker.process.finish_output()

    def clear(self) -> None:
        """Remove all files. Call it after ``end``, once nobody else writes there. Never raises."""
        with self._lock:
            self._release_worker()
            if self._transport:
                self._transport.close()
            if self._directory:
                # It may have someone else's file in it, or have been removed already.
                with contextlib.suppress(OSError):
                    self._directory.remove()
            self._transport = self._directory = None
            self._forget_forks()
        self.loops.end()

    def _fire(self, handle: Optional[WaitHandle]) -> None:
        if handle:
            self.transport.fire(handle)
        elif self._transport:
            self._transport.fire(None)

    def leave_to_parent(self) -> None:
        """Called in a fork of the host, which must not touch the session: it has no threads here,
        and its locks may stay locked.
        """
        self._parents = (self._worker, self._transport, self._directory)
        if self._worker:
            self._worker.process.disown()
        self._worker = self._transport = self._directory = None
        self._lock = threading.RLock()

    def check_ours(self) -> None:
        """Raise SessionClosed ``forked`` in a fork of the host."""
        if not self.is_ours:
            raise SessionClosed(
                "forked",
                "this process is a fork of the one that owns the session: create a new session here",
            )

    def check_open(self) -> None:
        """Raise SessionClosed after the end, or in a fork of the host."""
        self.check_ours()
        if self._closed:
            raise SessionClosed("session_closed", "the session was closed: make a new one")

    def _claim_directory(self) -> None:
        """Claim the directory, also in place of a lost one. That one is released afterwards: while its lock
        file is open, no other file can have the same inode number.
        """
        lost, self._directory = self._directory, SessionDirectory(self._files_path, empty=True)
        with contextlib.suppress(OSError):
            if lost:
                lost.remove()
        with contextlib.suppress(OSError, LaunchError):  # leftovers must not make the claim fail
            remove_leftovers(os.path.dirname(self.path))

    def _release_worker(self) -> None:
        if self._worker:
            self._worker.close()
            self._last_post_mortem = self._worker.post_mortem
            self._worker = None

    def _arguments(self) -> List[str]:
        return self._command_line.after(find_interpreter(self._options.python, self._environment))

    def _worker_environment(self) -> Dict[str, str]:
        environment = {**self._environment, "TR_WORKSPACE": os.path.dirname(os.path.dirname(self.path))}
        if self._poll_ms:
            environment["TR_POLL_MS"] = self._poll_ms
        if self._look_us is not None:
            environment["TR_LOOK_US"] = str(self._look_us)
        if self._transport_name:
            environment["TR_TRANSPORT"] = self._transport_name
        if callable(self._options.output):  # so that a call's output comes before its answer
            environment["PYTHONUNBUFFERED"] = "1"
        return environment

    def _output(self) -> Output:
        return self._options.output or ("discard" if self._options.quiet else "inherit")


def _leave_to_parent(reference: "weakref.ref[Life]") -> None:
    life = reference()
    if life:
        life.leave_to_parent()
