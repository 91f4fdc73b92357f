"""The calls of a thread that waits for the answer: most of them take the fast path."""

from typing import Any, Mapping, Optional, Sequence

from .._base.durations import seconds
from .._base.errors import LocalProtocolError
from .._protocol.body import TEXT
from .._protocol.body_encoder import encode_call
from .._protocol.frame import LONG, Request
from .._system.clock import clock_ns
from .call import Call
from .call_maker import OnProgress, check_on_progress, with_names
from .caller import TIMEOUT_MS, Caller

_TIMEOUT_S = TIMEOUT_MS / 1000


class FastCaller(Caller):
    """Makes a session's calls. Thread-safe."""

    def ask(
        self,
        message: str,
        timeout_ms: Optional[float],
        deadline_ms: Optional[float],
        idempotent: bool,
        tensors: Sequence[Any] = (),
    ) -> Call:
        """Send a text, perhaps with tensors, and wait for the answer. Returns the call, which has it. Raises
        as ``make_call`` and ``answer``.
        """
        if (self._has_fast_path or self._is_allowed()) and timeout_ms != 0 and type(message) is str:
            command, _, parameters = message.partition(" ")
            # Under these conditions parse_message would split it in the same way.
            if (
                command in self._known_commands
                and (not parameters or parameters[0] > " ")
                and message.isascii()
            ):
                if tensors:
                    parameters = with_names(tensors, parameters)
                return self._carried(
                    command, parameters, False, TEXT, tensors, timeout_ms, deadline_ms, idempotent
                )
        call = self.make_answered_call(message, deadline_ms, idempotent, tensors)
        self.fetch(call, timeout_ms)
        return call

    def ask_for_value(
        self,
        command: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        timeout_ms: Optional[float],
        deadline_ms: Optional[float],
        idempotent: bool,
        on_progress: Optional[OnProgress],
    ) -> Call:
        """The same for a call that carries values. Raises as ``make_awaited_call`` and ``answer``."""
        if (
            (self._has_fast_path or self._is_allowed())
            and timeout_ms != 0
            and type(command) is str
            and command in self._known_commands
        ):
            try:
                form, text, attachments = encode_call(args, kwargs)
            except LocalProtocolError:  # the general path says why, or there is an input
                pass
            else:
                if on_progress is not None:
                    check_on_progress(on_progress, can_await=False)
                return self._carried(
                    command, text, True, form, attachments, timeout_ms, deadline_ms, idempotent, on_progress
                )
        call = self.make_awaited_call(command, args, kwargs, deadline_ms, idempotent, on_progress)
        self.fetch(call, timeout_ms)
        return call

    def _is_allowed(self) -> bool:
        """Whether, in a session that restarts its worker, one that is ready
        may be sent calls without asking.
        """
        return self._restarts and self.supervisor is not None and self.supervisor.allows_all

    def _carried(
        self,
        command: str,
        text: str,
        typed: bool,
        form: int,
        attachments: Sequence[Any],
        timeout_ms: Optional[float],
        deadline_ms: Optional[float],
        idempotent: bool,
        on_progress: Optional[OnProgress] = None,
    ) -> Call:
        """Carry a call to the worker and back; on the general path from where anything out of
        the ordinary is in the way.
        """
        if attachments:
            attachments = self.placed(attachments)
        worker, number = self._life.worker, next(self._ids)
        timeout_s = wait_s = _TIMEOUT_S if timeout_ms is None else seconds("timeout_ms", timeout_ms)
        deadline_ns = None
        if deadline_ms is not None:
            deadline_s = seconds("deadline_ms", deadline_ms)
            deadline_ns = clock_ns() + int(deadline_s * 1e9)
            self._deadlines.prepare()
            if timeout_ms is None:
                timeout_s = deadline_s + self._climb_s
            wait_s = min(deadline_s, timeout_s)
        call = None
        if worker and wait_s:
            call = worker.exchange.carry(
                number,
                command,
                text,
                wait_s,
                typed,
                form,
                attachments,
                idempotent,
                deadline_ns,
                on_progress,
            )
        if call is None:
            request = Request(command, text, number, LONG, deadline_ns, typed, form, attachments)
            call = Call(request, idempotent=idempotent)
            if on_progress is not None:
                call.on_progress = on_progress
            self.fetch_within(call, timeout_s)
        elif call.result is None:
            self.fetch_within(call, timeout_s, call.sent_at + timeout_s)
        return call
