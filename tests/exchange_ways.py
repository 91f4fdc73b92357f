"""An exchange of the host's, on the fast path or on the general one, and the worker's end of its transport."""

from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Sequence

import pytest
from segments import duplicate

from tech_renaissance import TechRenaissanceError, WorkerLost
from tech_renaissance._host.call import Call, call_ended
from tech_renaissance._host.call_queue import CallQueue
from tech_renaissance._host.fast_path import FastExchange
from tech_renaissance._host.loops import Loops
from tech_renaissance._protocol.frame import (
    LONG,
    Frame,
    Ready,
    Request,
)
from tech_renaissance._transport.session_place import SessionPlace
from tech_renaissance._transport.shm.host import ShmHost
from tech_renaissance._transport.shm.worker import ShmWorker

NUMBER = 7


class Way:
    """One exchange and the end of its worker, in this process. What the worker answers is in the ring before it is asked."""

    def __init__(self, folder: Path, *, is_fast: bool) -> None:
        folder.mkdir()
        self.is_fast = is_fast
        self.is_dead = self.is_replaced = False
        self.host = ShmHost(library="numpy", look_us=0)
        numbers = [duplicate(number) for number in self.host.prepare().descriptors]
        self.end = ShmWorker(SessionPlace(str(folder)), numbers)
        self.loops = Loops(lambda _: None)
        self.queue = CallQueue()
        self.watched: List[Optional[int]] = []  # those whose deadlines are watched
        self.exchange = FastExchange(
            self.host,
            lambda: self.is_dead,
            self._death,
            self.queue,
            self.loops,
            watch=self._watch,
            hands_over=lambda: self.is_replaced,
        )
        assert self.end.try_send(Ready({"pid": 1, "protocol": 2}))
        assert self.exchange.wait_started(1)

    def _watch(self, call: Call) -> None:
        if call.request.deadline_ns is not None:
            self.watched.append(call.request.id)

    @staticmethod
    def _death(call: Optional[Call], _: float) -> TechRenaissanceError:
        return call_ended(call) if call and call.why else WorkerLost("worker_lost", "it died")

    def say(self, frame: Frame) -> None:
        """The worker sends this."""
        assert self.end.try_send(frame)

    def ask(
        self,
        command: str = "say",
        parameters: str = "hello",
        *,
        typed: bool = False,
        form: int = 0,
        tensors: Sequence[Any] = (),
        idempotent: bool = False,
        deadline_ns: Optional[int] = None,
        on_progress: Optional[Callable[[Any], object]] = None,
    ) -> Any:
        """What becomes of a call, and of the books; None if it was not sent."""
        timeout_s = 0.0
        placed = [self.host.place(tensor) for tensor in tensors]
        if self.is_fast:
            options = (idempotent, deadline_ns, on_progress)
            call = self.exchange.carry(NUMBER, command, parameters, timeout_s, typed, form, placed, *options)
        else:
            call = Call(
                Request(command, parameters, NUMBER, LONG, deadline_ns, typed, form, placed),
                idempotent=idempotent,
            )
            call.on_progress = on_progress
            call = call if self.exchange.send(call, 0) and call.exchange else None
        if call is None:
            return None
        if call.result is None:
            self.exchange.wait(call, timeout_s)
        return self._outcome(call), (call.has_news, call.progress, call.on_progress), self.books()

    @staticmethod
    def _outcome(call: Call) -> Any:
        response = call.response
        if call.error:
            return type(call.error), str(call.error)
        if call.result is not None:
            response = call.take_response()
        if response is None:
            return None
        attachments = [repr(attachment) for attachment in response.attachments]
        return (
            response.command,
            response.result,
            response.form,
            response.message,
            response.error,
            attachments,
        )

    def books(self) -> Any:
        """What the exchange and the ring know."""
        exchange, worker = self.exchange, self.host._worker
        assert worker is not None
        return (
            exchange._connection.state,
            list(exchange._connection.unanswered),
            [call.request.id for call in exchange.under_way],
            exchange.last_failed,
            (exchange._sending, exchange._receiving, exchange._reader, exchange._begun),
            (worker.side.reader.tail, worker.side.writer.head, worker.last[0], worker.requests),
            self.watched,
        )

    def received(self) -> List[Frame]:
        """What the worker has been sent."""
        frames = list(iter(lambda: self.end.receive(0), None))
        for frame in frames:
            if isinstance(frame, Request):
                frame.attachments = [repr(one.value("numpy")) for one in frame.attachments]
        return frames

    def close(self) -> None:
        self.end.close()
        self.host.close()


@pytest.fixture(name="ways")
def make_ways(tmp_path: Path) -> Iterator[List[Way]]:
    """One on the fast path, one on the general."""
    ways = [Way(tmp_path / str(is_fast), is_fast=is_fast) for is_fast in (True, False)]
    yield ways
    for way in ways:
        way.close()
