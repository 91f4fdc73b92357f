"""What a call wants of the thread that waits for it: to be told how far it is, to run the functions that its
handler asks for, to take the values of its input.
"""

import threading
from typing import Any, Callable, Optional, Sequence

from .._base.progress import Progress
from .._protocol.body_encoder import encode_result
from .._protocol.frame import Answer, Ask, Failure, Item
from .._protocol.frame import Progress as Said
from .call import CANCELLED, Call, refusal
from .coroutines import result_in_thread
from .exchange import Exchange
from .exposed import Exposed, call_asked, failure_of
from .input_source import InputSource
from .interruption import calls_program

# How long to wait for room before the thread looks at its own timeout again.
_ROOM_S = 0.05


class Attendant:
    """Used by threads that wait, while they hold no lock."""

    def __init__(self, exposed: Exposed, placed: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """``placed``: see CallMaker."""
        self.exposed = exposed
        self._placed = placed

    def attend(self, call: Call) -> None:
        """Do what the call wants now. What the program raises gives the call up, and is raised."""
        call.has_news = False
        if call.source and call.source.was_left(threading.get_ident()):
            withdraw(call)
            return
        try:
            if call.told and isinstance(call.exchange, Exchange):
                call.exchange.take_in()  # what came while the last progress was told: only the newest is of interest
            self._tell_progress(call)
            if call.ask:
                self._run(call)
            if call.source and call.source.may_send:
                self._send_next(call)
        except BaseException as error:
            # At once: if another exception comes before the call is given up, this is done
            # when it is attended next.
            call.has_news = True
            withdraw(call, error)
            raise

    def finish(self, call: Call) -> None:
        """The call is done: tell the last progress, and let go of the input."""
        try:
            self._tell_progress(call)
        except Exception as error:
            call.fail_after_all(error)
            raise
        finally:
            if call.source:
                call.source.close()

    @calls_program
    def _tell_progress(self, call: Call) -> None:
        progress, on_progress = self.new_progress(call), call.on_progress
        if progress and on_progress:  # another thread may let go of the call
            result_in_thread("on_progress", on_progress(progress))

    @staticmethod
    def new_progress(call: Call) -> Optional[Progress]:
        """What has not been told yet."""
        said = call.progress
        if said is None or said is call.told or not call.on_progress:
            return None
        call.told = said
        return shown(said)

    def _run(self, call: Call) -> None:
        """Run the function that the handler asks for, unless another thread does."""
        exchange = call.exchange
        ask = exchange.take_ask(call) if isinstance(exchange, Exchange) else None
        if ask is None or not isinstance(exchange, Exchange):
            return
        answer = refusal(ask, CANCELLED)
        try:
            answer = self._answered(call, ask, exchange)
        finally:  # after an interrupt, too
            call.reply = answer  # at once: if another one comes now, whoever runs the exchange next goes on
            exchange.send_answer(call, answer)

    def _answered(self, call: Call, ask: Ask, exchange: Exchange) -> Answer:
        asked = self.exposed.asked(ask)
        if isinstance(asked, Failure):
            return refusal(ask, asked)
        try:
            if ask.waiting:
                exchange.begin_hold(call)
            result = call_asked(asked)
        except Exception as error:
            return refusal(ask, failure_of(error))
        finally:
            exchange.end_hold(call)
        return self.exposed.answer(ask, result)

    def _send_next(self, call: Call) -> None:
        """Take one value from the program and send it, or send the one for which there was no room."""
        exchange, source = call.exchange, call.source
        if not isinstance(exchange, Exchange) or source is None or not exchange.begin_item(call):
            return
        if not source.begin_turn(threading.get_ident()):
            return  # the other one goes on
        item = source.unsent or self._next_item(call, source, exchange)
        source.unsent = None if exchange.send_item(call, item, _ROOM_S) else item
        source.end_turn()
        exchange.take_in()
        if source.may_send:
            call.has_news = True
            exchange.wake_others()

    @calls_program
    def _next_item(self, call: Call, source: InputSource, exchange: Exchange) -> Item:
        try:
            if not exchange.has_coroutines:
                exchange.begin_hold(call)
            return self.item(call, next(source.values))
        except StopIteration:
            return last_item(call)
        finally:
            exchange.end_hold(call)

    def item(self, call: Call, value: Any) -> Item:
        """The next value of an input. Raises LocalProtocolError ``bad_value``."""
        form, text, attachments = encode_result(value)
        return Item(call.request.id, text, form, self._placed(attachments))


def last_item(call: Call) -> Item:
    """The end of an input."""
    assert call.source is not None
    call.source.has_ended = True
    return Item(call.request.id, last=True)


def withdraw(call: Call, error: Optional[BaseException] = None) -> None:
    """The host's program has ended the call, without any step. ``error``: what it has raised, which is what
    the call has come to, unless it was an interrupt, even if the answer has come meanwhile.
    """
    is_wanted = call.is_wanted
    if is_wanted:
        call.why, call.step = "cancel", "notice"
    call.abandoned = True
    if isinstance(call.exchange, Exchange):
        call.exchange.close_stream(call)
    if call.source:
        call.source.close()
    if not isinstance(error, Exception):
        return
    if is_wanted:
        call.fail(error)
    elif call.done:
        call.fail_after_all(error)


def shown(said: Said) -> Progress:
    """A frame as users see it."""
    return Progress(said.done, None if said.total != said.total else said.total, said.message)
