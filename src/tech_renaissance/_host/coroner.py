"""The thread that notices the end of a worker's process makes the record of it: spec/life.md, Post-mortem."""

import contextlib
import dataclasses
import os
import time
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

from .._base.exit_status import signal_name
from .._base.post_mortem import PostMortem, last_traceback, native_fault, shortened_message
from .._process.interpreter import named_version
from .._process.process import Process, have_grown, out_of_memory_kills, peak_nbytes
from .._transport.session_files import read_worker_info, write_post_mortem, write_status
from .._transport.session_place import SessionPlace
from .._transport.transport import HostTransport
from .call import Call
from .exchange import Exchange

_KILLED = -9


class Coroner:
    """For one worker. Make it just before the process. Thread-safe, but takes no lock, because others hold
    theirs while they wait for the process.
    """

    def __init__(
        self,
        place: SessionPlace,
        interpreter: str,
        transport: HostTransport,
        exchange: Exchange,
        told: Callable[[], None],
    ) -> None:
        """``interpreter``: the worker's. ``told`` is called when the record has been made."""
        self._place = place
        self._interpreter = interpreter
        self._transport = transport
        self._exchange = exchange
        self._told = told
        self._started_at = time.time()
        self._kills_before = out_of_memory_kills(os.getpid())
        self._ended_by = ""
        self._has_left_directory = False
        self.post_mortem: Optional[PostMortem] = None  # set once the process has ended
        self.last_call: Optional[Call] = None  # the call that the worker was serving then

    def ended_by_host(self, why: str) -> None:
        """Note why the host ends it. The first reason counts."""
        self._ended_by = self._ended_by or why

    def leave_directory(self) -> None:
        """From now on nothing is written there, because the directory is the next worker's."""
        self._has_left_directory = True

    def process_ended(self, process: Process, status: Optional[int]) -> None:
        """Make the record, and write it to the directory if possible."""
        self.last_call, since = self._begun_call()
        self.post_mortem = record = self._record(process, status, self.last_call, since)
        if not self._has_left_directory and not self._place.is_lost():
            self._write(record)
        self._told()

    def _record(
        self, process: Process, status: Optional[int], call: Optional[Call], since: float
    ) -> PostMortem:
        record = PostMortem(
            pid=process.pid,
            exit_status=status,
            signal=signal_name(status),
            moment=self._moment(call),
            ended_by_host=self._ended_by,
            message=shortened_message(call.message) if call else "",
            running_s=round(time.monotonic() - since, 6) if call else 0.0,
            traceback="",
            stack="",
            output_tail="",
            memory_peak_nbytes=None,
            out_of_memory=False,
            interpreter=self._interpreter,
            python="",
            tech_renaissance="",
            started_at=self._started_at,
            ended_at=time.time(),
        )
        try:
            return dataclasses.replace(record, **self._findings(process, status))
        except Exception:  # such as MemoryError: then the record says less
            return record

    def _findings(self, process: Process, status: Optional[int]) -> Dict[str, Any]:
        """The fields that take some searching."""
        info = read_worker_info(self._place.directory)
        stderr = process.stderr_tail()
        peak = peak_nbytes(process.pid)
        return {
            "traceback": last_traceback(stderr, status),
            "stack": native_fault(stderr),
            "output_tail": process.output_tail(),
            "memory_peak_nbytes": peak if peak and peak > process.inherited_peak_nbytes else None,
            "out_of_memory": status == _KILLED and not self._ended_by and have_grown(self._kills_before),
            "python": str(info.get("python", "")) or named_version(self._interpreter),
            "tech_renaissance": str(info.get("tech_renaissance", "")),
        }

    def _begun_call(self) -> Tuple[Optional[Call], float]:
        """The call that the worker was busy with, and since when. That excludes sent requests that it never
        saw, and those that it has answered, also if nobody has taken the answer yet. As it serves one after
        the other, this is the newest of the others.
        """
        under_way = self._exchange.under_way
        try:
            begun = list(self._exchange.begun().items())
        except (OSError, MemoryError):  # if unknown, it counts as begun
            begun = [(call, call.sent_at) for call in under_way]
        for call in under_way:
            if call.step in (
                "terminate",
                "kill",
            ):  # the reason for the end, even if it was answered on the way out
                return call, dict(begun).get(call, call.sent_at)
        unanswered = self._unanswered()
        begun = [(call, since) for call, since in begun if call in unanswered]
        return begun[-1] if begun else (None, 0.0)

    def _unanswered(self) -> Sequence[Call]:
        answered = self._transport.answered()
        # Only now, because an answer that has been taken is no longer seen there.
        return [call for call in self._exchange.under_way if call.request.id not in answered]

    def _moment(self, call: Optional[Call]) -> str:
        if not self._exchange.was_ready:
            return "starting"
        if call:
            return "busy"
        return "exiting" if self._exchange.was_asked_to_leave else "idle"

    def _write(self, record: PostMortem) -> None:
        with contextlib.suppress(
            Exception
        ):  # the disk is full or the directory was removed; the object remains
            write_post_mortem(self._place.directory, record.to_json())
            write_status(self._place.directory, "terminated")
