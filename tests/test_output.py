"""The worker's output is the user's: where it goes, and that it never gets in the way."""

import math
import os
from pathlib import Path
from typing import Any, Callable, List, Tuple

import pytest
from gates import Gate
from hosts import WORKERS, Driver
from leaks import wait_until
from processes import kill

from tech_renaissance import OutputLine, WorkerLost
from tech_renaissance._process.output_lines import LineFlow, Lines, Piece

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]


def test_a_flood_of_output_holds_nobody_up(start: Maker) -> None:
    """50 MB on each stream, without a line break."""
    session = start("flood.py", quiet_mode=True)
    assert "ok" == session.fetch_response("flood 50", 60_000)
    assert "dry" == session.fetch_response("echo dry")


def test_output_goes_to_a_file(start: Maker, tmp_path: Path) -> None:
    """Appended, both streams."""
    path = tmp_path / "output.txt"
    path.write_text("before\n")
    session = start(output=str(path))
    session.fetch_response("print words")
    session.please_exit()
    session.close()
    text = path.read_text()
    assert text.startswith("before\n")
    assert "words" in text
    assert "WORDS" in text


def test_output_goes_to_a_callback_line_by_line(start: Maker) -> None:
    """Each with its stream, and the call in whose time it was written; however many calls wait in line."""
    lines: List[OutputLine] = []
    session = start("talker.py", output=lines.append)
    for number in range(20):
        session.send_request(f"print {number}")
    for _ in range(20):
        session.wait_for_response()
    session.close()
    for stream, shown in (("stdout", str), ("stderr", lambda number: f"({number})")):
        expected = [(shown(number), f"print {number}") for number in range(20)]
        written = [(line.text, line.message) for line in lines if line.stream == stream and line.message]
        assert expected == written


def test_what_the_end_of_a_call_has_filled_is_given_up_after_a_second_like_any_other() -> None:
    """Whoever waits for room does not wait for ever, nor is anything dropped before."""
    flow = LineFlow(lambda _: None)
    flow.switch("call", list)
    flow.take(lambda: [(0, b"x" * ((1 << 20) - 300))])
    assert not flow.is_behind
    flow.switch("", list)
    assert flow.is_behind
    flow.wait_for_room(0)
    assert flow._backlog.is_full
    flow.wait_for_room(math.inf)
    assert not flow._backlog.is_full
    flow.start()
    flow.close()


def test_a_newline_may_be_cr_lf(start: Maker) -> None:
    """As Windows has it, and some programs everywhere; any other CR belongs to the line."""
    lines: List[OutputLine] = []
    session = start("talker.py", output=lines.append)
    session.fetch_response("bytes one\\r\\na\\rb\\r\\n\\r\\ntwo\\r\\n")
    session.close()
    assert ["one", "a\rb", "", "two"] == [line.text for line in lines if line.message]


def test_what_is_written_between_calls_belongs_to_none(start: Maker, gate: Gate) -> None:
    """By a thread of the worker, or a child."""
    lines: List[OutputLine] = []
    session = start("talker.py", output=lines.append)
    session.fetch_response(f"later {gate.path}")
    gate.open()
    assert wait_until(lambda: OutputLine("from a child", "stdout", "") in lines)
    session.fetch_response("print words")
    session.close()
    assert OutputLine("words", "stdout", "print words") in lines


def test_a_line_that_has_no_end_is_given_in_parts(start: Maker) -> None:
    """And what has not ended when the call does, then."""
    lines: List[OutputLine] = []
    session = start("talker.py", output=lines.append)
    session.fetch_response("unended 200000")
    session.fetch_response("unended 3")
    session.close()
    parts = [line.text for line in lines if line.message == "unended 200000"]
    assert "x" * 200_000 == "".join(parts)
    assert max(map(len, parts)) <= 65536
    assert ["xxx"] == [line.text for line in lines if line.message == "unended 3"]


_FULL = b"a" * 65536


@pytest.mark.parametrize("nbytes", [4096, 50_000, 65_536, 65_537, 200_000])
def test_a_line_is_cut_after_64_kib_wherever_the_system_cut_it(nbytes: int) -> None:
    """A CR at the end may belong to the line's end. The same as in tests/cpp/unit/process/test_output_lines.cpp."""
    for text, expected in (
        (_FULL + b"\n", [65_536]),
        (_FULL + b"\r\n", [65_536]),
        (_FULL + b"\rb\n", [65_536, 2]),
        (_FULL + b"\r", [65_536, 1]),
        (_FULL + _FULL, [65_536, 65_536]),
        (_FULL + _FULL + b"a" * 9 + b"\r\n\r\n", [65_536, 65_536, 9, 0]),
    ):
        told: List[Tuple[int, int]] = []
        lines = Lines(lambda line, count, told=told: told.append((len(line.text), count)))
        for at in range(0, len(text), nbytes):
            lines.write(Piece("", 0, text[at : at + nbytes], 0, 0))
        lines.end()
        assert expected == [length for length, _ in told]
        assert len(text) == sum(count for _, count in told)


def test_a_gigabyte_without_a_line_break_is_only_counted(start: Maker) -> None:
    """It neither blocks the worker nor fills the host's memory: the parts are gone when they were given."""
    nbytes = [0]

    def count(line: OutputLine) -> None:
        nbytes[0] += len(line.text)

    session = start("talker.py", output=count)
    session.fetch_response("unended 300000000", 90_000)
    session.close()
    assert 300_000_000 == nbytes[0]


@pytest.mark.parametrize("host", ["python"])  # for C++, a unit test: the driver's callback is not the test's
def test_a_callback_that_fails_is_called_again(start: Maker, host: str) -> None:
    """What it raises is printed, and disturbs nobody."""
    del host
    seen: List[str] = []

    def fail(line: OutputLine) -> None:
        seen.append(line.text)
        raise ValueError(line.text)

    session = start("talker.py", output=fail)
    session.fetch_response("print one")
    session.fetch_response("print two")
    session.close()
    assert {"one", "two"} <= set(seen)


def test_output_is_inherited(make_driver: Callable[[], Driver]) -> None:
    """Unless told otherwise."""
    driver = make_driver()
    with driver.session(str(WORKERS / "echo.py"), "test") as session:
        session.fetch_response("print words")
    assert "words" in driver.output.read_text()
    assert "WORDS" in driver.output.read_text()


@pytest.mark.parametrize("options", [{"quiet_mode": True}, {"output": "discard"}])
def test_output_is_discarded(make_driver: Callable[[], Driver], options: Any) -> None:
    """In quiet mode, or if asked for."""
    driver = make_driver()
    with driver.session(str(WORKERS / "echo.py"), "test", **options) as session:
        session.fetch_response("print words")
    assert "words" not in driver.output.read_text()


def test_quiet_mode_can_be_changed_before_a_start(make_driver: Callable[[], Driver]) -> None:
    """It takes effect at the next one."""
    driver = make_driver()
    with driver.session(str(WORKERS / "echo.py"), "test") as session:
        session.set_quiet_mode(True)
        session.fetch_response("print loud")
        session.terminate()
        session.start()
        session.fetch_response("print quiet")
        session.set_quiet_mode(False)
    assert "loud" in driver.output.read_text()
    assert "quiet" not in driver.output.read_text()


def test_quiet_output_is_kept_for_the_post_mortem(start: Maker) -> None:
    """The last 64 KiB of it."""
    session = start("flood.py", quiet_mode=True)
    session.fetch_response("flood 1", 60_000)
    session.fetch_response("print the end")
    kill(int(session.fetch_response("pid")))
    with pytest.raises(WorkerLost) as caught:
        session.fetch_response("echo")
    assert "THE END" in caught.value.output_tail
    assert 64 * 1024 >= len(caught.value.output_tail)


def test_output_that_is_not_unicode_is_no_problem(start: Maker) -> None:
    """It may be anything."""
    session = start("crash.py", quiet_mode=True)
    with pytest.raises(WorkerLost) as caught:
        session.fetch_response("prints-bytes-and-dies")
    assert "\ufffd" in caught.value.output_tail


def test_a_worker_gets_the_environment_and_directory_it_is_given(start: Maker, tmp_path: Path) -> None:
    """On top of the host's; a relative script is the host's."""
    session = start(environment={"MINE": "my value = x"}, working_directory=str(tmp_path))
    assert "my value = x" == session.fetch_response("variable MINE")
    assert os.environ["PATH"] == session.fetch_response("variable PATH")
    assert str(tmp_path) == session.fetch_response("directory")


def test_a_worker_does_not_pass_on_what_is_its_own(start: Maker) -> None:
    """Processes that it starts are not the host's workers."""
    session = start()
    assert "(none)" == session.fetch_response("variable TR_HOST_PID")
    assert "(none)" == session.fetch_response("variable TR_LIFELINE")


def test_the_last_words_of_a_worker_are_not_lost(start: Maker, tmp_path: Path) -> None:
    """What was printed right before the end is there."""
    path = tmp_path / "output.txt"
    session = start("crash.py", output=str(path))
    with pytest.raises(WorkerLost):
        session.fetch_response("os-exit 0")
    session.close()
    assert "last words\n" == path.read_text()
