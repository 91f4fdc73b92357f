"""The states of a session: one table, in Python, in C++ and in the specification."""

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

import pytest
from cpp_programs import ROOT, cpp_driver
from hosts import Driver

from tech_renaissance import LocalProtocolError, RemoteProtocolError
from tech_renaissance._protocol.connection import TRANSITIONS, Connection, State
from tech_renaissance._protocol.frame import (
    Answer,
    Ask,
    Credit,
    Exit,
    Exiting,
    Item,
    Progress,
    Ready,
    Request,
    Response,
)

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
    assert {} == connection.unanswered


def test_requests_without_ids_are_answered_one_by_one() -> None:
    """Older hosts send them."""
    connection = _in_state(State.READY)
    for _ in range(2):
        connection.received(Request("a"))
        assert [None] == list(connection.unanswered)
        connection.sent(Response("a"))
    assert State.READY is connection.state


# ---------------------------------------------------------------------------------------------- step by step

Step = Dict[str, Any]


def _advance(connection: Connection, step: Step, role: str) -> Any:
    """Take a step as one of the two sides; the id that an unreadable response belongs to."""
    if "unreadable" in step:
        return connection.whose(step["unreadable"])
    if "lost" in step:
        return connection.lost()
    frames: Dict[str, Any] = {
        "Ready": Ready({}),
        "Request": Request("a", id=step.get("id")),
        "Response": Response("a", id=step.get("id")),
        "Exit": Exit(),
        "Item": Item(step.get("id")),
        "Credit": Credit(step.get("id", 0), 8),
        "Progress": Progress(step.get("id"), 0.5),
        "Ask": Ask(step.get("id"), "f"),
        "Answer": Answer(step.get("id")),
        "Exiting": Exiting(),
    }
    sends = ("send" in step) == (role == "host")
    (connection.sent if sends else connection.received)(frames[step.get("send") or step["receive"]])
    return None


def _play(steps: List[Step], role: str) -> Iterator[Step]:
    connection = Connection()
    for step in steps:
        outcome: Step = {"refused": None, "answers": None}
        try:
            outcome["answers"] = _advance(connection, step, role)
        except (LocalProtocolError, RemoteProtocolError) as error:
            outcome["refused"] = {"type": type(error).__name__, "code": error.code}
        yield {**outcome, "state": connection.state.value, "waiting": list(connection.unanswered)}


def _expected(steps: List[Step], role: str) -> Iterator[Step]:
    for step in steps:
        kind = "LocalProtocolError" if ("send" in step) == (role == "host") else "RemoteProtocolError"
        refused = {"type": kind, "code": "bad_state"} if step.get("refused") else None
        yield {
            "refused": refused,
            "answers": step.get("answers"),
            "state": step["state"],
            "waiting": step["waiting"],
        }


VECTORS = sorted((ROOT / "spec" / "vectors" / "connection").glob("*.json"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("role", ["host", "worker"])
def test_a_connection_goes_as_its_vector_says(path: Path, role: str) -> None:
    """From either side."""
    steps = json.loads(path.read_text("utf-8"))["steps"]
    for number, (expected, found) in enumerate(zip(_expected(steps, role), _play(steps, role)), 1):
        assert expected == found, f"step {number}"


def test_a_connection_in_cpp_goes_as_its_vectors_say(tmp_path: Path) -> None:
    """All of them, from the host's side."""
    program = cpp_driver()
    if program is None:
        pytest.skip("there is no C++ compiler")
    driver = Driver([program], tmp_path)
    for path in VECTORS:
        steps = json.loads(path.read_text("utf-8"))["steps"]
        found = driver.call("play_connection", steps=steps)
        for number, (expected, outcome) in enumerate(zip(_expected(steps, "host"), found), 1):
            refused = outcome["refused"] and {name: outcome["refused"][name] for name in ("type", "code")}
            assert expected == {**outcome, "refused": refused}, f"{path.stem}, step {number}"
    driver.close()
