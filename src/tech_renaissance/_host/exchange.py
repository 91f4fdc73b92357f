"""The exchange of one worker's life: calls go in, replies come out, from any number
of threads and event loops.

The waiting threads do the reading; there is no thread of our own. The first thread that waits for
anything becomes the reader, gives each frame that comes to the call it belongs to, and wakes the
others; when it has what it wanted, another becomes the reader. So a reply reaches a single waiting
thread without a thread switch.
"""

import contextlib
import threading
import time
from typing import Callable, Optional

from .._base.errors import RemoteProtocolError, SessionClosed, TechRenaissanceError
from .._protocol.connection import State
from .._protocol.frame import MOST_IN_WORK, Answer, Ask, Exit, Item
from .._transport.transport import BROKEN_RING, HostTransport
from .abilities import check_protocol
from .book import OVER
from .call import Call
from .call_queue import CallQueue
from .loops import Loops
from .turns import NobodyServes
from .withdrawals import Withdrawals

_SERVING = (State.READY, State.BUSY)


class Exchange(Withdrawals):
    """Thread-safe. ``has_exited`` says whether the process has ended.

    ``death(call, timeout_s)`` is called once the process has ended or the worker has left, and returns the
    error that says why, for the call or, if None, for later callers. It waits up to ``timeout_s`` for the
    end; under the lock, that is 0. ``switch_output(message)``: if given, is told which call the output
    belongs to, and only one request is under way at a time, but for what spec/life.md, Output by lines, says.
    ``wait_for_room(timeout_s)``: if given, holds up senders while too much output has not been passed on.
    ``watch``: called for each call that is given here, before it is sent, to watch its deadline if it has
    one. ``loops``: of the session. ``queue``: of the session. Nothing in it is sent, or fails, before the
    exchange ``is_open``. ``hands_over``: whether calls that had not begun, and idempotent ones, do not end
    with the worker, but go back to the front of the queue.
    """

    def __init__(
        self,
        transport: HostTransport,
        has_exited: Callable[[], bool],
        death: Callable[[Optional[Call], float], TechRenaissanceError],
        queue: CallQueue,
        loops: Loops,
        *,
        switch_output: Optional[Callable[[str], None]] = None,
        wait_for_room: Optional[Callable[[float], None]] = None,
        watch: Callable[[Call], None] = lambda _: None,
        hands_over: Callable[[], bool] = lambda: False,
        is_open: bool = True,
    ) -> None:
        super().__init__(
            transport,
            has_exited,
            death,
            queue,
            loops,
            switch_output=switch_output,
            hands_over=hands_over,
            is_open=is_open,
        )
        self._wait_for_room = wait_for_room
        self._watch = watch
        self._sender = 0  # the thread that sends what is in line; an exception may leave it

    @property
    def state(self) -> State:
        """The connection's state, after taking in what has arrived."""
        self.take_in()
        return self._connection.state

    @property
    def is_serving(self) -> bool:
        """Whether the worker takes calls, as far as is known. Takes no lock."""
        return self._connection.state in _SERVING

    def wait_started(self, timeout_s: float, call: Optional[Call] = None) -> bool:
        """Wait until the worker is ready, or the call that waits for that is done; False if neither comes in
        time. Raises what ended the worker, if it can no longer serve.
        """
        return self._until_served(lambda: (call is not None and call.done) or self._has_started(), timeout_s)

    def open(self) -> None:
        """From now on calls are taken from the queue."""
        self._is_open = True
        self._until(lambda: True, 0)

    def send(self, call: Call, timeout_s: float) -> bool:
        """Hand a call to the worker in its turn, waiting for room; False if there was none. True also if as
        many calls are under way as may be, or it ``stays_in_line``: then whoever waits for anything sends it
        in its turn. Raises what ended the worker; the call then stays in line.
        """
        self._watch(call)
        if self._wait_for_room:
            until = time.monotonic() + timeout_s
            self._wait_for_room(timeout_s)
            timeout_s = max(0.0, until - time.monotonic())
        send = self._try_send_in_turn if self._is_open else self._try_send_past_queue
        return self._until_served(lambda: send(call), timeout_s)

    def wait_sent(self, call: Call, timeout_s: float) -> bool:
        """Wait until a call in line has been sent, or is done, or the worker has ended;
        False after the timeout.
        """
        return self._until(
            lambda: call.exchange is not None or call.done or self._over, timeout_s, awaited=call
        )

    def wait(self, call: Call, timeout_s: float) -> bool:
        """Wait until the call is done, or no longer belongs to this exchange; False after the timeout."""
        return self._until(lambda: call.done or call.exchange is not self, timeout_s, awaited=call)

    def attend(self, call: Call, is_enough: Callable[[], bool], timeout_s: float) -> None:
        """Like ``wait``, also until anything else ``is_enough``, and without looking."""
        self._until(
            lambda: is_enough() or call.done or call.exchange is not self,
            timeout_s,
            looks=False,
            awaited=call,
        )

    def wait_news(self, call: Call, timeout_s: float) -> bool:
        """Like ``wait``, also until the call ``has_news`` for the thread that waits for it."""
        return self._until(
            lambda: call.done or call.has_news or call.exchange is not self, timeout_s, awaited=call
        )

    def wait_item(self, call: Call, timeout_s: float) -> bool:
        """Like ``wait_news``, also until the next item of a stream has come."""
        return self._until(
            lambda: bool(call.items) or call.done or call.has_news or call.exchange is not self,
            timeout_s,
            awaited=call,
        )

    @property
    def has_coroutines(self) -> bool:
        """Whether the worker serves others while one of its handlers waits."""
        return bool(self._ready.get("coroutines"))

    @property
    def is_full(self) -> bool:
        """Whether a worker with coroutines has as many calls in work as it takes."""
        return self.has_coroutines and len(self.begun()) >= MOST_IN_WORK

    def take_ask(self, call: Call) -> Optional[Ask]:
        """What the handler asks for, to be answered by ``reply``; None if there is nothing,
        or another thread runs it.
        """
        with self._lock:
            ask = call.ask
            if ask is None or call.runs is ask or not call.is_wanted:
                return None
            call.runs = ask
            call.was_asked = True
        return ask

    def send_answer(self, call: Call, answer: Answer) -> None:
        """Answer what the handler has asked, when there is room."""
        call.reply = answer
        self._until(lambda: True, 0)

    def abandon(self, call: Call) -> None:
        """Nobody waits for a call any longer. If its handler asks, whoever runs the exchange next tells it
        so: this takes no lock, because the garbage collector may let go of a call at any moment.
        """
        call.abandoned = True
        if call.ask:
            self.wake_others()
            self._loops.wake()

    def begin_item(self, call: Call) -> bool:
        """The next value of a call's input is about to be taken from the program, which cannot give it again:
        from now on the call goes to no other worker. False if it must not be taken, because the call is
        over, or on its way to one.
        """
        assert call.source is not None
        with self._lock:
            if call.exchange is not self or not call.is_wanted:
                return False
            call.source.begin_taking()
        return True

    def send_item(self, call: Call, item: Item, timeout_s: float) -> bool:
        """Send the next item of a call's input, unless the call is over; False if there was no room."""
        assert call.source is not None
        source, number = call.source, call.source.sent

        def send() -> bool:
            if call.exchange is not self or not call.is_wanted or source.sent != number:
                return True
            if not self._try_hand_over(item):
                return False
            source.sent = number + 1
            return True

        return self._until(send, timeout_s)

    def send_credit(self, call: Call) -> None:
        """Items of a stream have been taken: tell the worker that it may send more, and
        take in what has come already.
        """
        self._owing[call] = None
        try:
            self._until(self._take_ready, 0)
        except TechRenaissanceError:  # whoever waits is told
            pass

    def wait_over(self, timeout_s: float) -> bool:
        """Wait until the process has ended, and its calls have ended or been handed over;
        False if it is still alive.
        """
        return self._until(lambda: self._over, timeout_s)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until every call is answered; False after the timeout. Raises what ended the worker."""
        return self._until_served(self._is_idle, timeout_s)

    def wait_flushed(self, timeout_s: float) -> bool:
        """Wait until no call is in line; False after the timeout. Raises what ended the worker."""
        return self._until_served(self._is_flushed, timeout_s)

    def ask_to_leave(self, timeout_s: float) -> bool:
        """Ask the worker to leave, waiting for its start and for room; True once it has
        been asked, or has ended.
        """
        return self._until(self._try_ask_to_leave, timeout_s)

    def wait_left(self, timeout_s: float) -> bool:
        """Wait until the worker says that it is leaving, or has ended; False after the timeout."""
        return self._until(lambda: self._connection.state in OVER, timeout_s)

    def begin_end_all(self) -> None:
        """The host is about to end the worker, whose answers no longer count from now on."""
        with contextlib.suppress(TechRenaissanceError):  # nothing more can be received
            self.take_in()
        self._is_ending = True

    def close(self) -> None:
        """The worker has ended: fail every waiting call, and make sure that no thread is in the transport.
        It may be called again at any time: after the first time, what is in line waits for another worker.
        """
        with self._lock:
            if not self._closed:
                self._mend()
                self._lose()
                self._closed = True  # last, because an exception may come before
            self._waiters.wake_all()
        while True:
            with self._lock:
                if self._reader is None:
                    return
                sleeper = self._waiters.enter()
            self._transport.wake()
            self._waiters.sleep(sleeper, 0.1)

    def _try_send_in_turn(self, call: Call) -> bool:
        if call.exchange is not None:  # sent from the queue
            return True
        if call.error:
            raise call.error
        self._check_usable()
        if not self._queued and self._try_send(call):
            return True
        self._queue.add(call)
        self._send_queued(call)
        return call.exchange is not None or call.stays_in_line or len(self._unanswered) >= self._window

    def _try_send_past_queue(self, call: Call) -> bool:
        self._check_usable()
        return self._try_send(call)

    def _send_queued(self, mine: Optional[Call] = None) -> None:
        """Send what is in line, as far as there is room. ``mine``: whose errors the caller wants."""
        if len(self._unanswered) >= self._window or not (self._is_open and self._is_usable()):
            return
        thread = threading.get_ident()
        if self._sender == thread and self._is_interrupted():  # in a signal handler, in the middle of this
            return
        self._sender = thread
        while self._is_usable():
            with self._queue.lock:
                call = self._queue.first()
                if call is None:
                    break
                if call.is_overdue():
                    self._queue.end(call, "deadline")
                    continue
                if not self._send_or_fail(call, mine):
                    break
        self._sender = 0

    def _send_or_fail(self, call: Call, mine: Optional[Call]) -> bool:
        """False if there is no room. Raises what fails ``mine``."""
        # An error keeps the frames it has passed through, and what they hold: here no other call.
        try:
            return self._try_send(call)
        except TechRenaissanceError as error:
            if call is mine:
                raise
            call.fail(error)
            return True

    def _is_usable(self) -> bool:
        return not (self.was_asked_to_leave or self._broken) and self._connection.state in _SERVING

    def _try_send(self, call: Call) -> bool:
        if len(self._unanswered) >= self._window:
            return False
        check_protocol(call.request, self._ready)
        if self._switch_output:
            if self._calls and not self._may_overlap():
                return False
            self._switch_output("" if self._calls else call.message)
        call.sent_at = time.monotonic()
        call.is_whole = not self._transport.can_stream
        if call.source:
            call.has_news = True
            self._talking[call] = None
        self._sending = call.request
        self._calls[call.request.id] = call
        call.exchange = self
        was_sent = self._try_hand_over(call.request)
        if was_sent and call.has_news and call.watchers:
            call.tell()
        return was_sent

    def _has_started(self) -> bool:
        if self._connection.state is State.STARTING:
            return False
        self._check_usable()
        return True

    def _is_idle(self) -> bool:
        if self._connection.state is State.BUSY:
            return False
        self._check_usable()
        return self._queue.first() is None

    def _is_flushed(self) -> bool:
        self._check_usable()
        return self._queue.first() is None

    def _try_ask_to_leave(self) -> bool:
        if self._connection.state in _SERVING and self._queue.first() is None:
            self.was_asked_to_leave = self._try_hand_over(Exit()) or self.was_asked_to_leave
        return self._connection.state in (State.EXITING, State.EXITED, State.LOST)

    def _check_usable(self) -> None:
        if self.was_asked_to_leave:
            raise SessionClosed("session_closed", "the worker was asked to exit: start the session again")
        if self._broken:
            raise RemoteProtocolError(BROKEN_RING, self._broken)
        if self._connection.state in OVER:
            raise NobodyServes

    def _until_served(self, done: Callable[[], bool], timeout_s: float) -> bool:
        try:
            return self._until(done, timeout_s)
        except NobodyServes as ended:
            left_s = timeout_s if ended.until is None else max(0.0, ended.until - time.monotonic())
        raise self._death(None, left_s)
