"""Calls that their host takes back, wherever they are: asked to finish early, cancelled, overdue, or
ended in the middle of their work.
"""

from typing import Callable, Optional

from .call import Call, call_ended, unbegun
from .turns import Turns


class Withdrawals(Turns):
    """The part of an Exchange that takes calls back. Exchange explains the parameters."""

    def stop(self, call: Call) -> None:
        """Ask a call to finish early. One that has not begun is done."""
        with self._lock:
            if call.done or call.why or self._is_elsewhere(call):
                return
            call.is_stopping = True
            if self._queue.end(call, "cancel"):
                self._waiters.wake_all()
                return
        self._end_unless_in_work(call, self._transport.ask_to_stop)
        self.wake()

    def cancel(self, call: Call) -> bool:
        """End a call that has not begun, in line or sent; True also if it is done. False if it is in work."""
        if call.exchange and not self._is_elsewhere(call):
            self.take_in()  # an answer that has come counts
        with self._lock:  # a call that another thread is sending looks sent, and may be in line again
            if call.done or self._is_elsewhere(call):  # it ends with its worker
                return True
            if self._queue.end(call, "cancel"):
                # Whoever becomes the reader, or lines up, after this has the lock first, and looks.
                self.wake_others()
                return True
            call.why, call.step = "cancel", "notice"  # first, because the worker may answer at once
        if self._give_up_suspended(call, "cancel"):
            return True
        request_id = call.request.id or 0
        if request_id in self._transport.begun([request_id]):  # the stacks come before the notice
            return False
        self._end_unless_in_work(call, self._transport.ask_to_cancel)
        if call.done:
            self.wake()
        return call.done

    def cancel_first_in_line(self) -> bool:
        """End the oldest call of the session that no worker has; False if there is none."""
        with self._lock:  # whoever waits looks before this, and is woken, or after it
            if not self._queue.end_first():
                return False
            self.wake_others()
        return True

    def expire(self, call: Call) -> bool:
        """End a call whose deadline passed before its turn; False if it is in work, or done."""
        if self._queue.end(call, "deadline"):
            self._waiters.wake_all()
            return True
        if not call.done and self._give_up_suspended(call, "deadline"):
            return True
        is_in_work = call in self.in_work()
        self.take_in()
        with self._lock:
            if call.done or is_in_work:
                return False
            call.fail(unbegun(call, "deadline"))
            self._waiters.wake_all()
            return True

    def end_suspended(self, call: Call) -> bool:
        """End a call that the host has given up, if nothing of it runs: the worker, which may be busy with
        another call, will find that it is given up before it goes on with it. False if it does run.
        """
        if not self._is_suspended(call):
            return False
        with self._lock:
            if not call.done:
                call.fail(call_ended(call))
        self.wake()
        return True

    def _give_up_suspended(self, call: Call, why: str) -> bool:
        """Give up a call of which nothing runs, and end it. False if it runs, or is resumed meanwhile."""
        if not self._is_suspended(call):
            return False
        with self._lock:
            if not call.done:
                call.why, call.step = why, "notice"
        self._transport.ask_to_cancel(call.request.id or 0)
        return self.end_suspended(call)

    def _is_suspended(self, call: Call) -> bool:
        return self._transport.is_suspended(call.request.id or 0)

    def _is_elsewhere(self, call: Call) -> bool:
        """Whether another worker has the call."""
        return call.exchange not in (None, self)

    def _end_unless_in_work(self, call: Call, put_on_list: Callable[[int], None]) -> None:
        """Tell the worker of a call that was sent, and end it, unless it is in work."""
        request_id = call.request.id or 0
        # The list comes before the look, and the worker's slot before its own look at the list:
        # so one side sees the other's.
        put_on_list(request_id)
        is_in_work = request_id in self._transport.begun([request_id])
        self.take_in()  # perhaps the worker has refused it already
        with self._lock:
            if not (call.done or is_in_work):
                call.fail(unbegun(call, "cancel"))

    def cancellable(self) -> Optional[Call]:
        """The oldest call in work that is not suspended; else the oldest."""
        calls = [call for call in self.in_work() if not call.done]
        busy = (call for call in calls if not self._is_suspended(call))
        return next(busy, calls[0] if calls else None)

    def begin_end(self, call: Call, why: str) -> bool:
        """The host is about to end a call in work, whose answer no longer counts. False if it is
        not, or no longer, in work, or is being ended already.
        """
        self.take_in()
        with self._lock:
            if call.done or call.is_being_ended or call not in self.in_work():
                return False
            call.is_being_ended = True
            call.why, call.step = why, "notice"
            return True

    def close_stream(self, call: Call) -> None:
        """Close the generator of a stream that was abandoned; nothing is done to the worker."""
        self.end_hold(call)
        if not call.done:
            self._transport.ask_to_cancel(call.request.id or 0)
