"""What comes from a worker, and how it reaches the call that it belongs to."""

import time
from typing import Optional, Union

from .._base.errors import RemoteProtocolError, SessionClosed, TechRenaissanceError
from .._protocol.frame import CREDIT_STEP, Ask, Credit, Item, Progress, Ready, Response
from .._transport.transport import BROKEN_RING, Answers, Items, Taken, Unreadable
from .abilities import window_of
from .book import Book
from .call import CANCELLED, Call, refusal
from .outcome import answer_call, conclude, was_left_open, without_credit


class Arrivals(Book):
    """The part of an Exchange that deals with what has come, under its lock.
    Exchange explains the parameters.
    """

    def _deliver(self, taken: Taken) -> None:
        """Deal with what came. May be repeated after an interruption."""
        again = self._begun is taken
        try:
            if isinstance(taken, Response):
                self._begun = taken
                self._settle(taken, None, again)
            elif isinstance(taken, (Items, Answers)):
                self._begun = taken
                if isinstance(taken, Items):
                    self._take_items(taken)
                else:
                    self._take_answers(taken)
            elif isinstance(taken, Item):
                self._take_item(taken, again)
            elif isinstance(taken, (Progress, Ask, Credit)):
                self._begun = taken
                self._take_news(taken, again)
            elif isinstance(taken, RemoteProtocolError):
                self._take_unreadable(taken, again)
            elif taken is not None:
                self._begun = taken
                if isinstance(taken, Ready):
                    self._window = window_of(taken)
                    self._ready = taken.info
                    self.was_ready = True
                (self._connection.received_again if again else self._connection.received)(taken)
        except RemoteProtocolError as error:
            broken_rule = error
            self._fail_all(lambda _: broken_rule)
        self._transport.forget_taken()
        self._begun = None

    def _take_item(self, item: Item, again: bool) -> None:
        if not again:
            self._items = Items(item.id, [(item.form, item.result, item.attachments)])
            self._begun = item
        if item.error:
            self._take_unread_item(item, item.error)
        else:
            self._take_items(self._items)

    def _take_items(self, items: Items) -> None:
        call = self._streaming(items.id)
        if call is None:
            return
        if items.first is None:
            items.rest = iter(items.bodies[: call.granted - call.came])
            items.first = call.came
        if call.items is not None:
            call.items.extend(items.rest)
        came = items.first + len(items.bodies)
        call.came = min(came, call.granted)
        if came > call.granted:
            raise without_credit(call)
        if call.owed >= CREDIT_STEP:  # the items may have been taken since an interruption
            self._owing[call] = None
        if call.watchers:
            call.tell()

    def _take_answers(self, answers: Answers) -> None:
        """Each step may be repeated after an interruption."""
        numbers = answers.numbers
        if answers.count is None:
            answers.count = self._connection.how_many_may_come(numbers)
        is_special = self._is_ending or self._switch_output
        for number, body in zip(numbers[: answers.count], answers.bodies):
            call = self._calls.get(number)
            if not (call and call.is_plain) or call.why or call.is_stopping or is_special:
                self._settle(Response("", body[1], id=number, form=body[0]), None, again=True)
                continue
            if call.error is None:
                call.form, call.result, _ = body
                if call.watchers:
                    call.tell()
            self._calls.pop(number, None)
        self._connection.came(numbers[: answers.count])
        self.last_failed = False
        if self._calls:
            self._answered_at = time.monotonic()
        if answers.count < len(numbers):
            self._connection.received(Response("", id=numbers[answers.count]))  # which may not come

    def _take_unread_item(self, item: Item, error: TechRenaissanceError) -> None:
        call = self._streaming(item.id)
        if call is None:
            return
        if call.came >= call.granted:
            raise without_credit(call)
        call.fail(error)
        self._transport.ask_to_cancel(item.id or 0)

    def _streaming(self, request_id: Optional[int]) -> Optional[Call]:
        """The call that items are for; None if nobody wants them any longer."""
        if request_id not in self._unanswered:
            self._connection.received(Item(request_id))  # which may not come
        call = self._calls.get(request_id)
        return call if call and call.is_wanted else None

    def _take_news(self, news: Union[Progress, Ask, Credit], again: bool) -> None:
        """What the thread that waits for a call is to do something about."""
        (self._connection.received_again if again else self._connection.received)(news)
        call = self._calls.get(news.id)
        if call is None or not call.is_wanted:
            if call and isinstance(news, Ask):  # nobody else will answer
                call.reply = refusal(news, CANCELLED)
                self._owing[call] = None
            return
        if isinstance(news, Progress):
            call.progress = news
        elif isinstance(news, Ask):
            call.ask = news
            self._talking[call] = None
        elif call.source is None:
            text = f"the worker granted items to {call.request.command!r}, which has no input"
            raise RemoteProtocolError("bad_state", text)
        else:
            call.source.grant(news)
        call.has_news = True
        if call.watchers:
            call.tell()

    def _take_unreadable(self, error: RemoteProtocolError, again: bool) -> None:
        """Fail the call whose answer this is; or nothing more will come."""
        if error.code == BROKEN_RING:
            self._broken = str(error)
            self._connection.lost()
            raise error
        assert isinstance(error, Unreadable)
        if not again:
            self._unread = Response("", id=self._connection.whose(error.id))
            self._begun = error
        self._settle(self._unread, error.error, again)

    def _settle(self, response: Response, error: Optional[RemoteProtocolError], again: bool) -> None:
        if again:
            self._connection.received_again(response)
        else:
            self._connection.received(response)
        self.last_failed = bool(error or response.error)
        call = self._calls.get(response.id)
        if call and (self._is_ending or call.step in ("terminate", "kill")):  # the call ends with its worker
            return
        if self._switch_output:
            self._switch_output("")
        if call and not call.done:
            if self.was_asked_to_leave and not call.why and was_left_open(response):
                what = "cancelled" if call.items is None else "closed the stream of"
                text = f"the worker was asked to exit, and {what} {call.request.command!r}"
                call.fail(SessionClosed("session_closed", text))
            elif call.why or error or call.is_stopping or call.request.deadline_ns is not None:
                conclude(call, response, error)
            else:
                answer_call(call, response)
        self._calls.pop(response.id, None)
        if self._calls:
            self._answered_at = time.monotonic()
            if self._switch_output and len(self._calls) == 1:
                self._switch_output(self.under_way[0].message)
