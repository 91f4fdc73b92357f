"""Calls by text: the part of PythonSession that sends lines of text and gets texts and tensors."""

import time
from typing import Any, List, Optional, Sequence

from ._base.durations import seconds
from ._base.errors import LocalProtocolError, TimedOut
from ._host.answer import tensors_of, text_of
from ._host.caller import TIMEOUT_MS
from ._host.fast_caller import FastCaller
from ._host.unfetched_calls import UnfetchedCalls
from ._protocol.frame import Response


class TextCalls:
    """Base of PythonSession, with its promises about threads and timeouts. A call is answered by a text
    and tensors; docs/text-calls.md.
    """

    _caller: FastCaller
    _unfetched: UnfetchedCalls

    def send_request(
        self, message: str, *, deadline_ms: Optional[float] = None, idempotent: bool = False
    ) -> None:
        """Send a request; ``wait_for_*`` gets its answer. Waits for room if earlier
        requests fill the transport.

        ``message``: plain text (command, then parameters), or a JSON object in one of the two dialects.
        ``deadline_ms``: how long the call may take, time in the queue included, before it is ended.
        ``idempotent``: the call may be sent to a second worker if the first one crashes. Answers that a
        ``wait_for_*`` gave up on are discarded from now on.
        """
        call = self._caller.make_call(message, deadline_ms, idempotent)
        if call is None:
            self._caller.ask_to_leave()
            return
        self._unfetched.forget_timed_out()
        self._caller.submit(call)
        self._unfetched.add(call)

    def new_response(self) -> bool:
        """Whether the answer to the oldest ``send_request`` has come."""
        self._caller.worker().exchange.take_in()
        return self._unfetched.is_oldest_done()

    def read_response(self) -> str:
        """The text of an answer that has already come; like ``wait_for_response(0)``."""
        return self.wait_for_response(0)

    def wait_for_response(self, timeout_ms: float = TIMEOUT_MS) -> str:
        """The text of the answer to the oldest ``send_request``.

        Raises TimedOut (you may wait again until the next request), CommandError if the command failed,
        WorkerLost, LocalProtocolError ``no_request``.
        """
        return text_of(self._wait(timeout_ms))

    def wait_for_tensor(self, timeout_ms: float = TIMEOUT_MS) -> Any:
        """The (first) tensor of the answer to the oldest ``send_request``; errors as
        in ``wait_for_response``.
        """
        return tensors_of(self._wait(timeout_ms))[0]

    def wait_for_tensors(self, timeout_ms: float = TIMEOUT_MS) -> List[Any]:
        """All tensors of the answer to the oldest ``send_request``; errors as in ``wait_for_response``."""
        return tensors_of(self._wait(timeout_ms))

    def fetch_response(
        self,
        message: str,
        timeout_ms: Optional[float] = None,
        *,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> str:
        """Send a request and return the text of its answer; errors as in ``wait_for_response``.

        ``timeout_ms``: how long to wait; by default 10 s, or if the call has a deadline, until it has been
        ended. For the rest see ``send_request``.
        """
        call = self._caller.ask(message, timeout_ms, deadline_ms, idempotent)
        result = call.result
        return text_of(call.take_response()) if result is None else result

    def fetch_tensor(
        self,
        message: str,
        timeout_ms: Optional[float] = None,
        *,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> Any:
        """Send a request and return the (first) tensor of its answer; as ``fetch_response``."""
        return tensors_of(self._fetch(message, timeout_ms, deadline_ms, idempotent))[0]

    def fetch_tensors(
        self,
        message: str,
        timeout_ms: Optional[float] = None,
        *,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> List[Any]:
        """Send a request and return all tensors of its answer; as ``fetch_response``."""
        return tensors_of(self._fetch(message, timeout_ms, deadline_ms, idempotent))

    def calculate(
        self,
        command: str,
        *tensors: Any,
        timeout_ms: Optional[float] = None,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> Any:
        """Call a command with tensors and return the (first) tensor of its answer.

        ``calculate("softmax dim=1", x)`` sends the request ``softmax $0 dim=1`` with ``x`` attached to
        it: ``$0`` stands for the first tensor, and such words go between the command's first word and
        the rest. A handler gets ``$0 dim=1`` as its parameters, and the tensor by ``get_tensors``. For
        the rest see ``fetch_response``.
        """
        return tensors_of(self._fetch(command, timeout_ms, deadline_ms, idempotent, tensors))[0]

    def _fetch(
        self,
        message: str,
        timeout_ms: Optional[float],
        deadline_ms: Optional[float],
        idempotent: bool,
        tensors: Sequence[Any] = (),
    ) -> Response:
        return self._caller.ask(message, timeout_ms, deadline_ms, idempotent, tensors).take_response()

    def _wait(self, timeout_ms: float) -> Response:
        timeout_s = seconds("timeout_ms", timeout_ms)
        self._caller.worker()
        call = self._unfetched.take_oldest()
        try:
            return self._caller.answer(call, timeout_s, time.monotonic() + timeout_s)
        except (TimedOut, LocalProtocolError) as error:
            if error is not call.error:  # the wait has failed, or was refused, and not the call
                self._unfetched.put_back(call)
            raise
