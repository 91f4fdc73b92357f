"""The states of a session: one table, in Python, in C++ and in the specification."""

import re
from pathlib import Path
from typing import Any, Dict, List, Set, Tuple

import pytest
from cpp_programs import ROOT, cpp_driver
from hosts import Driver

from tech_renaissance import LocalProtocolError, RemoteProtocolError
from tech_renaissance._protocol.connection import TRANSITIONS, Connection, State
from tech_renaissance._protocol.frame import Exit, Exiting, Ready, Request, Response

Row = Tuple[str, str, str]

PYTHON: Set[Row] = {
    (state.value, event, following.value)
    for state, row in TRANSITIONS.items()
    for event, following in row.items()
}


def _spec() -> Set[Row]:
    """The table of spec/protocol.md; "BUSY, or READY after the last" is two entries."""
    page = (ROOT / "spec" / "protocol.md").read_text(encoding="utf-8")
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\|.*\|$", page, re.MULTILINE)
    ]
    start = next(number for number, cells in enumerate(lines) if cells[0] == "state")
    rows: Set[Row] = set()
    for state, *cells in lines[start + 2 : start + 2 + len(State)]:
        for event, cell in zip(lines[start][1:], cells):
            following = re.findall("[A-Z]+", cell)
            if event == "Response" and following:
                rows.add((state.lower(), "LastResponse", following[-1].lower()))
            if following:
                rows.add((state.lower(), event, following[0].lower()))
    return rows


def test_python_and_the_specification_have_the_same_table() -> None:
    """Row by row."""
    assert _spec() == PYTHON


def test_python_and_cpp_have_the_same_table(tmp_path: Path) -> None:
    """The driver tells that of C++."""
    program = cpp_driver()
    if program is None:
        pytest.skip("there is no C++ compiler")
    driver = Driver([program], tmp_path)
    rows = driver.call("transitions")
    driver.close()
    assert PYTHON == {tuple(row) for row in rows}
    assert len(PYTHON) == len(rows)


# How to get into each state, and each event as a frame.
PATHS: Dict[State, List[Any]] = {
    State.STARTING: [],
    State.READY: [Ready({})],
    State.BUSY: [Ready({}), Request("a", id=1), Request("b", id=2)],
    State.EXITING: [Ready({}), Request("a", id=1), Request("b", id=2), Exit()],
    State.EXITED: [Ready({}), Exiting()],
    State.LOST: [Ready({}), None],
}
FRAMES = (Ready({}), Request("x", id=9), Response("a", id=1), Exit(), Exiting())
FROM_HOST = (Request, Exit)


def _in_state(state: State) -> Connection:
    connection = Connection()
    for frame in PATHS[state]:
        if frame is None:
            connection.lost()
        elif isinstance(frame, FROM_HOST):
            connection.sent(frame)
        else:
            connection.received(frame)
    assert state is connection.state
    return connection


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_frame_is_taken_or_refused_as_the_table_says(state: State, frame: Any) -> None:
    """Whoever sends it; a frame that is refused changes nothing, and the error says who broke the rule."""
    expected = TRANSITIONS[state].get(type(frame).__name__)
    for role, error in (("sent", LocalProtocolError), ("received", RemoteProtocolError)):
        connection = _in_state(state)
        if expected is not None:
            getattr(connection, role)(frame)
            assert expected is connection.state
            continue
        with pytest.raises(error) as caught:
            getattr(connection, role)(frame)
        assert "bad_state" == caught.value.code
        assert state is connection.state


@pytest.mark.parametrize("state", State)
def test_the_other_side_may_be_lost_at_any_time(state: State) -> None:
    """That is no error, and an order to leave stays what it is."""
    connection = _in_state(state)
    connection.lost()
    assert (State.EXITED if state is State.EXITED else State.LOST) is connection.state
    assert connection.oldest_request is None


def test_the_last_response_makes_it_ready() -> None:
    """Not an earlier one."""
    connection = _in_state(State.BUSY)
    assert 1 == connection.oldest_request
    connection.received(Response("a", id=1))
    assert (State.BUSY, 2) == (connection.state, connection.oldest_request)
    connection.received(Response("b", id=2))
    assert (State.READY, None) == (connection.state, connection.oldest_request)


@pytest.mark.parametrize("number", [2, 3, None])
def test_a_response_must_be_to_the_oldest_request(number: Any) -> None:
    """Anything else is the other side's mistake."""
    connection = _in_state(State.BUSY)
    with pytest.raises(RemoteProtocolError):
        connection.received(Response("a", id=number))
    connection.received(Response("a", id=1))


def test_requests_without_ids_are_matched_by_order() -> None:
    """Older hosts send them."""
    connection = _in_state(State.READY)
    for _ in range(2):
        connection.received(Request("a"))
    for _ in range(2):
        connection.sent(Response("a"))
    assert State.READY is connection.state


def test_responses_still_come_after_exit() -> None:
    """What was asked before is answered."""
    connection = _in_state(State.EXITING)
    connection.received(Response("a", id=1))
    connection.received(Response("b", id=2))
    assert State.EXITING is connection.state
    with pytest.raises(RemoteProtocolError):
        connection.received(Response("c", id=3))
