"""What supervision decides: when to restart, and what not to send again. tests/cpp/unit/host/test_supervisor.cpp has the same for C++."""

from typing import Any

import numpy as np
import pytest

from tech_renaissance import PostMortem, RestartPolicy
from tech_renaissance._host.call import Call
from tech_renaissance._host.quarantine import Quarantine, request_key
from tech_renaissance._host.restart_schedule import RestartSchedule
from tech_renaissance._protocol.frame import Request
from tech_renaissance._protocol.user_message import parse_message
from tech_renaissance._transport.transport import PlacedBytes


def call(message: str) -> Call:
    """A call with this message."""
    request = parse_message(message)
    assert isinstance(request, Request)
    return Call(request)


def death(pid: int) -> PostMortem:
    """The record of a worker's end."""
    return PostMortem(
        pid=pid,
        exit_status=3,
        signal="",
        moment="busy",
        ended_by_host="",
        message="",
        running_s=0.0,
        traceback="",
        stack="",
        output_tail="",
        memory_peak_nbytes=None,
        out_of_memory=False,
        interpreter="",
        python="",
        tech_renaissance="",
        started_at=0.0,
        ended_at=0.0,
    )


def test_the_back_off_is_doubled_with_each_crash_in_a_row() -> None:
    """Up to its maximum; a long life begins anew."""
    schedule = RestartSchedule(RestartPolicy(limit=100))
    waits = [schedule.next_wait_s(0, 0) for _ in range(9)]
    assert [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10] == waits
    assert 0.1 == schedule.next_wait_s(10, 0)
    assert 0.2 == schedule.next_wait_s(9, 0)


def test_after_so_many_restarts_within_the_window_no_more_are_made() -> None:
    """Until some of them are long ago, or the user starts anew."""
    schedule = RestartSchedule(RestartPolicy())
    assert all(schedule.next_wait_s(0, now) is not None for now in range(5))
    assert schedule.next_wait_s(0, 59) is None
    assert schedule.next_wait_s(0, 60) is not None
    assert schedule.next_wait_s(0, 60) is None
    schedule.reset()
    assert 0.1 == schedule.next_wait_s(0, 60)
    assert RestartSchedule(RestartPolicy(limit=0)).next_wait_s(0, 0) is None


def test_requests_are_the_same_by_their_bodies() -> None:
    """Whatever else they have; attachments count with their elements."""

    def key(message: str, *attached: Any, **others: Any) -> str:
        request = Request(message, attachments=[PlacedBytes.of(one) for one in attached], **others)
        return request_key(Call(request))

    one = np.ones(3, np.float32)
    assert key("f $0", one) == key("f $0", one.copy(), id=7, deadline_ns=9)
    different = [
        key("f $0"),
        key("f $0", one),
        key("f $0", one * 2),
        key("f $0", one, one),
        key("f $0", b"\1"),
    ]
    different += [key("f $0", typed=True), key("f $0", form=1), key("f $1")]
    assert len(different) == len(set(different))


def test_a_request_that_was_in_work_at_two_deaths_is_quarantined() -> None:
    """Until it is forgiven; the error has the later post-mortem."""
    quarantine = Quarantine()
    deadly = call("crash now")
    quarantine.note(deadly, death(1))
    assert quarantine.refuse(deadly) is None
    quarantine.note(call("crash now"), death(2))
    error = quarantine.refuse(deadly)
    assert error
    assert ("quarantined", 2) == (error.code, error.post_mortem and error.post_mortem.pid)
    assert quarantine.refuse(call("crash later")) is None
    quarantine.clear()
    assert quarantine.refuse(deadly) is None


@pytest.mark.parametrize("others", [255, 256])
def test_only_so_many_requests_are_remembered(others: int) -> None:
    """A host that makes a new text for each call does not grow."""
    quarantine = Quarantine()
    for _ in range(2):
        quarantine.note(call("first"), death(1))
    for number in range(others):
        quarantine.note(call(f"another {number}"), death(1))
    assert (others == 255) == (quarantine.refuse(call("first")) is not None)
