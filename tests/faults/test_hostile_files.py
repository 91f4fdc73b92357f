"""Anything at all stands in the session directory: a host gives a right answer or a typed error. It follows nothing out of the
directory, waits for nothing there, takes no memory for what is not, and in the end the directory is gone.

The rest of what a worker can say in files (texts that are no messages, names that lead out) is in tests/test_deaths.py.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import numpy as np
import pytest
from gates import Gate
from hosts import drop_file
from late import begin
from leaks import wait_until
from moments import LONG_MS, hold
from processes import moves_open_folders, peak_nbytes, posix_files

from tech_renaissance import (
    CancelPatience,
    LaunchError,
    RemoteProtocolError,
    TechRenaissanceError,
    TimedOut,
    encode,
)

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]

TIB = 1 << 40
GIB = 1 << 30


class Outside:
    """A file outside the session directory that nobody may read, change or remove."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state: Any = None

    def write(self, data: bytes) -> None:
        """What stands in it, and would be believed."""
        self.path.write_bytes(data)
        os.utime(self.path, ns=(0, 10**15))
        self._state = self._look()

    def is_untouched(self) -> bool:
        """Whether it stands there as it was, and has not been read: its time of access is as it was, too."""
        return self._state is None or self._state == self._look()

    def _look(self) -> Any:
        status = self.path.lstat()
        return status.st_size, status.st_mtime_ns, status.st_atime_ns, status.st_nlink


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """Checked at the end."""
    outside = Outside(tmp_path / "outside")
    yield outside
    assert outside.is_untouched()


def put_link(path: Path, outside: Outside, data: bytes) -> None:
    """To what would be believed."""
    outside.write(data)
    path.symlink_to(outside.path)


def put_sparse(path: Path, outside: Outside, data: bytes) -> None:
    """The right bytes, and a TiB of nothing."""
    path.write_bytes(data)
    os.truncate(path, TIB)


def put_directory(path: Path, outside: Outside, data: bytes) -> None:
    """That is not empty."""
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "file").write_bytes(data)


# What takes the place of a file; ``data`` is what the right one would hold.
THINGS: Dict[str, Callable[[Path, Outside, bytes], object]] = {
    "link": put_link,
    "dangling link": lambda path, outside, data: path.symlink_to(outside.path),
    "pipe": lambda path, outside, data: os.mkfifo(path),
    "directory": put_directory,
    "device": lambda path, outside, data: path.symlink_to("/dev/zero"),
    "sparse": put_sparse,
    "garbage": lambda path, outside, data: path.write_bytes(bytes(range(256)) * 100),
}
WINDOWS_HAS = ("directory", "garbage")


def things(*names: str) -> List[Any]:
    """Parameters."""
    return [pytest.param(name, marks=[] if name in WINDOWS_HAS else posix_files) for name in names]


# What the worker has written of itself. On Windows nobody else can replace what it has open.
SPOILT = ("worker.json", "post_mortem.json", *(() if sys.platform == "win32" else ("stack.txt",)))
OF_NO_FILE = things("link", "dangling link", "pipe", "directory", "device", "sparse")


def put(session: Any, name: str, thing: str, outside: Outside, data: bytes = b"") -> None:
    """In place of what is there, in one step where that can be."""
    path = Path(session.session_dir, name)
    stray = path.with_name(f"stray-{name}")
    THINGS[thing](stray, outside, data)
    while os.path.lexists(stray):
        try:
            os.replace(stray, path)
        except (NotADirectoryError, PermissionError):  # a directory takes the place of none but a directory
            path.unlink()


@contextlib.contextmanager
def little_memory(session: Any) -> Iterator[None]:
    """The host takes no memory to speak of meanwhile."""
    driver = getattr(session, "_driver", None)
    pid = driver.process.pid if driver else os.getpid()
    before = peak_nbytes(pid)
    yield
    assert peak_nbytes(pid) - before < GIB // 4


def busy_session(start: Maker, gate: Gate) -> Any:
    """One whose worker waits at the gate, with request 1."""
    session = start("faulty.py", quiet_mode=True)
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    return session


def serves(session: Any) -> bool:
    """Whether a new worker does, as if nothing had been."""
    session.terminate()
    session.start()
    return "on" == session.fetch_response("echo on", LONG_MS)


def soon_serves(session: Any) -> None:
    """Right answers, once an answer to nobody has cost at most one call."""
    try:
        assert "first" == session.fetch_response("echo first", LONG_MS)
    except RemoteProtocolError as error:
        assert "bad_state" == error.code  # noqa: PT017 - it may succeed, too
    for number in range(3):
        with contextlib.suppress(RemoteProtocolError):  # the answer to the call that was lost
            assert str(number) == session.fetch_response(f"echo {number}", LONG_MS)
    assert "on" == session.fetch_response("echo on", LONG_MS)


# ------------------------------------------------------------------------------------------------- what the host reads


@pytest.mark.files
@pytest.mark.parametrize("thing", things(*(thing for thing in THINGS if thing != "dangling link")))
def test_a_response_that_is_no_file_is_refused(
    start: Maker, gate: Gate, outside: Outside, thing: str
) -> None:
    """Not followed, not waited for; the next answer is one again."""
    session = busy_session(start, gate)
    put(session, "response.json", thing, outside, b'{"command": "wait", "result": "stolen", "id": 1}')
    with little_memory(session), pytest.raises(RemoteProtocolError):
        session.wait_for_response(LONG_MS)
    gate.open()
    soon_serves(session)


@pytest.mark.files
@pytest.mark.parametrize("thing", things(*THINGS))
def test_a_result_that_is_no_tensor_is_refused(
    start: Maker, gate: Gate, outside: Outside, thing: str
) -> None:
    """One error for the call."""
    session = busy_session(start, gate)
    put(session, "result_0.tsr", thing, outside, encode(np.zeros(4, np.float32)))
    text = '{"command": "wait", "result": "ok", "id": 1, "tensors": ["result_0"]}'
    with little_memory(session):
        drop_file(session, "response.json", text)
        with pytest.raises(RemoteProtocolError) as caught:
            session.wait_for_tensor(LONG_MS)
    assert "bad_frame" == caught.value.code
    gate.open()
    soon_serves(session)


@pytest.mark.files
@posix_files
@pytest.mark.parametrize("count", [1, 200_000])
def test_a_tensor_that_claims_much_takes_nothing(
    start: Maker, gate: Gate, outside: Outside, count: int
) -> None:
    """A header of a TiB, and a file that pretends to hold it; once, and named without end."""
    session = busy_session(start, gate)
    header = bytearray(encode(np.zeros((1, 1), np.float64)))[:128]
    header[80:104] = b"".join(number.to_bytes(8, "little") for number in (TIB // 8 - 16, 1, TIB // 8 - 16))
    put(session, "result_0.tsr", "sparse", outside, bytes(header))
    names = ",".join(['"result_0"'] * count)
    text = f'{{"command": "wait", "result": "ok", "id": 1, "tensors": [{names}]}}'
    with little_memory(session):
        drop_file(session, "response.json", text)
        with pytest.raises(RemoteProtocolError):
            session.wait_for_tensor(LONG_MS)
    gate.open()
    soon_serves(session)


@pytest.mark.parametrize("name", ["status.txt", "worker.json"])
@pytest.mark.parametrize("thing", things("link", "pipe", "directory", "sparse", "garbage"))
def test_what_stands_in_place_of_who_the_worker_is_harms_nobody(
    start: Maker, gate: Gate, outside: Outside, name: str, thing: str
) -> None:
    """Before it says that it is ready: it takes the place, or says that it cannot."""
    held = hold(start, gate, "starting")
    put(held.session, name, thing, outside, b"ready" if name == "status.txt" else b'{"transport": "file"}')
    gate.open(2)  # of the worker after it, too
    with little_memory(held.session):
        try:
            assert "on" == held.session.fetch_response("echo on", LONG_MS)
        except LaunchError as error:
            is_told = "Is a directory" in error.output_tail or "not a regular file" in error.output_tail
            is_told = is_told or "Access denied" in error.output_tail  # as Windows says it
            assert ("died_at_start", "directory", True) == (error.code, thing, is_told)  # noqa: PT017 - it may succeed
    assert serves(held.session)


@pytest.mark.parametrize("thing", things("link", "pipe", "directory", "sparse", "garbage"))
def test_a_spoilt_directory_takes_no_post_mortem_away(
    start: Maker, gate: Gate, outside: Outside, thing: str
) -> None:
    """What the worker has written of itself is believed as far as it can be read."""
    session = start("crash.py", quiet_mode=True)
    assert "on" == session.fetch_response("echo on", LONG_MS)
    for name in SPOILT:
        put(session, name, thing, outside, b'{"python": "stolen"}')
    with little_memory(session), pytest.raises(TechRenaissanceError) as caught:
        session.fetch_response("os-exit 3", LONG_MS)
    record: Any = caught.value
    assert (3, "busy", "os-exit 3") == (
        record.post_mortem.exit_status,
        record.post_mortem.moment,
        record.post_mortem.message,
    )
    assert "stolen" != record.post_mortem.python
    assert serves(session)


@moves_open_folders
@pytest.mark.parametrize("thing", OF_NO_FILE)
def test_stacks_are_read_from_no_other_place(start: Maker, gate: Gate, outside: Outside, thing: str) -> None:
    """Nor is anything emptied there; there are none, then."""
    session = start("faulty.py", quiet_mode=True)
    session.send_request(f"wait {gate.path} done")
    gate.wait_for_arrival()
    put(session, "stack.txt", thing, outside, b"secret")
    with little_memory(session):
        assert "secret" not in session.stack()
        with pytest.raises(TimedOut) as caught:
            session.wait_for_response(120)
    assert "secret" not in caught.value.stack
    gate.open()
    assert "done" == session.wait_for_response(LONG_MS)


# ----------------------------------------------------------------------------------------------- what the worker reads


@pytest.mark.files
@pytest.mark.parametrize("thing", things(*THINGS))
def test_a_request_of_somebody_else_disturbs_nothing(
    start: Maker, gate: Gate, outside: Outside, thing: str
) -> None:
    """Whatever it is: the worker refuses it, and its answer is none to our calls."""
    session = start("faulty.py", quiet_mode=True)
    assert "on" == session.fetch_response("echo on", LONG_MS)
    put(session, "request.json", thing, outside, b'{"command": "echo", "parameters": "stolen", "id": 4711}')
    assert wait_until(lambda: not os.path.lexists(f"{session.session_dir}/request.json"))
    soon_serves(session)


@pytest.mark.files
def test_a_request_with_somebody_elses_number_is_not_our_answer(start: Maker, gate: Gate) -> None:
    """It is the worker's to answer, and its answer is told to be to no call of ours; then calls are right again."""
    session = start("faulty.py", quiet_mode=True)
    session.send_request(f"wait {gate.path} ours")
    gate.wait_for_arrival()
    drop_file(session, "request.json", '{"command": "echo", "parameters": "theirs", "id": 4711}')
    gate.open()
    assert "ours" == session.wait_for_response(LONG_MS)
    soon_serves(session)


@pytest.mark.files
@pytest.mark.parametrize(
    "answer", ['"result": "early", "tensors": []', '"result": 5'], ids=["readable", "not"]
)
def test_an_answer_is_to_the_request_that_it_names(start: Maker, gate: Gate, answer: str) -> None:
    """Even if it comes before that of an older request, and even if the rest of it cannot be read."""
    session = start("faulty.py", quiet_mode=True)
    session.send_request(f"wait {gate.path} ours")
    gate.wait_for_arrival()
    session.send_request("echo second")
    drop_file(session, "response.json", f'{{"command": "echo", "id": 2, {answer}}}')
    wait_until(lambda: not session.new_response() and not Path(session.session_dir, "response.json").exists())
    gate.open()
    assert "ours" == session.wait_for_response(LONG_MS)
    if "early" in answer:
        assert "early" == session.wait_for_response(LONG_MS)
    else:
        with pytest.raises(RemoteProtocolError) as caught:
            session.wait_for_response(LONG_MS)
        assert "bad_frame" == caught.value.code
    soon_serves(session)


@pytest.mark.files
@pytest.mark.parametrize("thing", things("link", "pipe", "directory", "sparse", "garbage"))
def test_what_stands_in_place_of_the_cancelled_number_stops_nobody(
    start: Maker, gate: Gate, outside: Outside, thing: str
) -> None:
    """The handler asks on, a deadline ends it all the same: where the number cannot be written, by a later step."""
    session = start(
        "faulty.py",
        quiet_mode=True,
        environment={"GATE": gate.path},
        patience=CancelPatience(LONG_MS if thing != "directory" else 50, 50, 50),
    )
    session.wait_until_ready(LONG_MS)
    begin(session, "poll", gate, 400)
    put(session, "cancel.txt", thing, outside, b"1")
    gate.open()
    with pytest.raises(TimedOut) as caught:
        session.wait_for_response(LONG_MS)
    assert "deadline_passed" == caught.value.code
    assert "notice" == caught.value.step
    assert "on" == session.fetch_response("echo on", LONG_MS)


@pytest.mark.files
@pytest.mark.parametrize("thing", OF_NO_FILE)
def test_a_tensor_of_somebody_else_is_refused_by_the_worker(
    start: Maker, gate: Gate, outside: Outside, thing: str
) -> None:
    """As one that is missing or broken; it serves on."""
    session = start("tensors.py", quiet_mode=True)
    session.send_tensor(np.ones(4, np.float32), "t")
    assert [1.0] * 4 == session.fetch_tensor("same t", LONG_MS).tolist()
    put(session, "t.tsr", thing, outside, encode(np.zeros(4, np.float32)))
    with pytest.raises(TechRenaissanceError) as caught:
        session.fetch_tensor("one t", LONG_MS)
    assert "invalid_tensors" == caught.value.code
    session.fetch_response("pid", LONG_MS)


# --------------------------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize("thing", things("link", "pipe", "directory", "sparse"))
def test_a_full_directory_is_gone_in_the_end(
    make_session: Maker, gate: Gate, outside: Outside, workspace: Path, thing: str
) -> None:
    """Whatever was put into it, under any name but the lock's: who replaces that has taken the directory over."""
    names = ["request.json", "response.json", "a.tsr", ".hidden", "worker.json", "x" * 200]
    with make_session("faulty.py", "crowded", quiet_mode=True) as session:
        assert session.wait_until_ready(LONG_MS)
        for name in names:
            put(session, name, thing, outside, b"x")
    assert [] == list((workspace / "python_session").iterdir())
