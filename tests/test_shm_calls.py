"""Calls over shared memory: texts of any size, rings that are full, tags that survive their worker; the contract of transports."""

import itertools
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest
from gates import Gate
from leaks import wait_until
from segments import duplicate

from tech_renaissance import CommandError, PythonSession, TechRenaissanceServer, WorkerLost
from tech_renaissance._protocol.frame import Exit, Ready, Request, Response
from tech_renaissance._transport.session_place import SessionPlace
from tech_renaissance._transport.shm import control
from tech_renaissance._transport.shm import frame as shm_frame
from tech_renaissance._transport.shm.host import ShmHost
from tech_renaissance._transport.shm.segment import UNAVAILABLE
from tech_renaissance._transport.shm.worker import ShmWorker
from tech_renaissance._transport.transport import HostTransport
from tech_renaissance.testing import Pair, check_transport

Maker = Callable[..., Any]

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> str:
    """This one."""
    monkeypatch.setenv("TR_TRANSPORT", "shm")
    return "shm"


@pytest.fixture
def session(start: Maker) -> Any:
    """One whose worker would sleep for an hour if it were not woken."""
    session = start("shm_tensors.py", transport="shm", environment={"NO_RECHECKS": "1"})
    assert session.wait_until_ready(60_000)
    return session


def test_status_txt_claims_nothing_that_is_not_kept(start: Maker, gate: Gate) -> None:
    """Ready at first, then serving, busy or not, and whatever became of the last call."""
    session = start("faulty.py", environment={"GATE": gate.path})
    status = Path(session.session_dir) / "status.txt"
    assert session.wait_until_ready(60_000)
    assert "ready" == status.read_text()
    session.send_request("poll")
    gate.wait_for_arrival()
    assert "serving" == status.read_text()
    gate.open()
    session.cancel()
    with pytest.raises(CommandError):
        session.fetch_response("no-such-command")
    assert "serving" == status.read_text()
    session.please_exit()
    assert "terminated" == status.read_text()


# -------------------------------------------------------------------------------------------------------- contract


def make_pair(folder: Path) -> Callable[[], Pair]:
    """Makes two ends in this process, joined by shared memory."""
    numbers = itertools.count()

    def make_pair() -> Pair:
        directory = folder / str(next(numbers))
        directory.mkdir()
        host = ShmHost(library="numpy")
        return host, ShmWorker(
            SessionPlace(str(directory)), [duplicate(number) for number in host.prepare().descriptors]
        )

    return make_pair


def _answer_with_a_broken_frame(host: HostTransport) -> None:
    assert isinstance(host, ShmHost)
    assert host._worker is not None
    words, data = host._worker.control.words, host._worker.control.bytes
    head = words[control.RESPONSE_HEAD]
    start = control.RESPONSES + head
    data[start : start + 48] = shm_frame.encode_ready({"pid": 1})[:16].ljust(48, b"\xff")
    data[start : start + 4] = (48).to_bytes(4, "little")
    words[control.RESPONSE_HEAD] = head + 48


def test_shared_memory_passes_the_contract(tmp_path: Path) -> None:
    """As every transport does."""
    check_transport(make_pair(tmp_path), spoil=_answer_with_a_broken_frame)


def _fill(worker: ShmWorker) -> None:
    """With answers, until one finds no room."""
    while worker.try_send(Response("", "x" * 10_000, id=1)):
        pass


def _empty(host: HostTransport) -> None:
    while host.receive(0) is not None:
        host.forget_taken()


def test_a_worker_whose_answer_finds_no_room_reads_on(tmp_path: Path) -> None:
    """Into its inbox: requests find the tags as they were when these were sent."""
    host, worker = make_pair(tmp_path)()
    assert isinstance(worker, ShmWorker)
    host.put_tensor("t", np.full(1, 1.0))
    assert host.try_send(Request("first", id=1))
    assert Request("first", id=1) == worker.receive(0)
    _fill(worker)
    for number in (2, 3):
        host.put_tensor("t", np.full(1, float(number)))
        assert host.try_send(Request("next", id=number))
    assert host.try_send(Exit())
    ahead: List[Any] = [worker.read_ahead(0) for _ in range(6)]
    assert [Exit(), None] == ahead[-2:]
    assert 1.0 == worker.get_tensor("t", "numpy")[0]
    assert {} == host.begun([2, 3])
    _empty(host)
    for number in (2, 3):
        assert worker.open(ahead.pop(0)) is None
        assert Request("next", id=number) == worker.open(ahead.pop(0))
        assert float(number) == worker.get_tensor("t", "numpy")[0]
        assert [number] == list(host.begun([1, 2, 3]))
    host.close()
    worker.close()


def test_a_workers_inbox_takes_no_more_than_256_frames(tmp_path: Path) -> None:
    """The rest stays in the ring until some are opened."""
    host, worker = make_pair(tmp_path)()
    assert isinstance(worker, ShmWorker)
    _fill(worker)
    for number in range(300):
        assert host.try_send(Request("echo", id=1 + number))
    ahead: List[Any] = [worker.read_ahead(0) for _ in range(258)]
    assert None not in ahead[:256]
    assert [None, None] == ahead[256:]
    assert Request("echo", id=1) == worker.open(ahead[0])
    ahead = [worker.read_ahead(0) for _ in range(2)]
    assert ahead[1] is None
    assert Request("echo", id=257) == worker.open(ahead[0])
    host.close()
    worker.close()


def test_an_order_to_leave_is_seen_while_an_answer_finds_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker gives its host a while to make room, and leaves."""
    monkeypatch.setattr("tech_renaissance._worker.loop._LAST_ANSWER_S", 0.05)
    host, worker = make_pair(tmp_path)()

    class Long(TechRenaissanceServer):
        def main_logic(self, command: str, parameters: str) -> bool:
            self.write_response("", "x" * 10_000)
            return True

    for number in range(100):
        assert host.try_send(Request("say", id=1 + number))
    assert host.try_send(Exit())
    Long(library="numpy").serve(worker)
    host.close()


def test_both_sides_may_be_full_and_go_on(tmp_path: Path) -> None:
    """Who finds no room is told of new room, also when the other side made it all before we fell asleep."""
    host, worker = make_pair(tmp_path)()
    assert isinstance(host, ShmHost)
    assert isinstance(worker, ShmWorker)
    assert host._worker is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "SLEEP_S", 3600.0)
        for writer, reader in ((worker.side, host._worker.side), (host._worker.side, worker.side)):
            frame = (60_000).to_bytes(4, "little") + b"\x01" + bytes(59_995)
            while writer.writer.try_write(frame):
                pass
            while reader.reader.read():
                if reader.reader.is_crowded:
                    reader.wake_other()
            assert writer.sleep(3600.0, for_room=True)
            assert not writer.sleep(0.001, for_room=True)
    worker.close()
    host.close()


# ----------------------------------------------------------------------------------------------------------- texts


def test_a_hundred_megabytes_of_text_come_back(session: Any) -> None:
    """A reply of any size, over and over."""
    for size in (65_480, 65_481, 65_535, 65_536, 65_537, 262_144, 100_000_000):
        assert size == len(session.fetch_response(f"repeat {size} x", 60_000))
    assert "\u6c49" * 1_000_000 == session.fetch_response("repeat 1000000 \u6c49", 60_000)


def test_ten_megabytes_of_text_go_there(session: Any) -> None:
    """A request of any size."""
    for size in (65_480, 65_496, 65_505, 65_506, 65_537, 262_144, 10_000_000):
        text = "y" * size
        assert text == session.fetch_response(f"echo {text}", 60_000)


def test_many_requests_may_wait(session: Any) -> None:
    """More than either ring holds, small and large; answers come in order, none is lost."""
    sizes = [10 if number % 10 else 50_000 for number in range(300)]
    for number, size in enumerate(sizes):
        session.send_request(f"repeat {size} {number % 10}")
    assert [str(number % 10) * size for number, size in enumerate(sizes)] == [
        session.wait_for_response(60_000) for _ in sizes
    ]


def test_large_requests_may_wait(session: Any) -> None:
    """Each of them in a block of its own."""
    for number in range(30):
        session.send_request(f"echo {number}{'z' * 100_000}")
    assert [f"{number}{'z' * 100_000}" for number in range(30)] == [
        session.wait_for_response(60_000) for _ in range(30)
    ]


def test_more_tags_than_the_ring_announces_at_once_wake_the_worker(session: Any) -> None:
    """It is asleep when the first of them come."""
    for number in range(3000):
        session.send_tensor(np.full(1, 1, np.int32), f"{number}_{'n' * 100}")
    names = " ".join(f"{number}_{'n' * 100}" for number in range(3000))
    assert "3000.0" == session.fetch_response(f"sum {names}", 60_000)


# ------------------------------------------------------------------------------------------------------------ tags


@pytest.mark.parametrize("end", ["die", "terminate", "please_exit"])
def test_tags_survive_their_worker(session: Any, end: str) -> None:
    """They are there for the next one without being sent again, as the worker left them; what was dropped is not."""
    for tag, value in (("kept", 1), ("dropped", 2), ("replaced", 3)):
        session.send_tensor(np.full(4, value, np.float32), tag)
    assert "24.0" == session.fetch_response("sum kept dropped replaced")
    session.fetch_response("double kept")
    if end == "die":
        with pytest.raises(WorkerLost):
            session.fetch_response("die")
    else:
        getattr(session, end)()
    session.drop_tensor("dropped")
    session.send_tensor(np.full(4, 5, np.float32), "replaced")
    session.start()
    assert "28.0" == session.fetch_response("sum kept replaced", 60_000)
    with pytest.raises(CommandError, match="no tensor 'dropped'"):
        session.fetch_tensor("same dropped")


def test_a_shared_tensor_is_shared_with_the_next_worker_too(workspace: Any, worker_python: str) -> None:
    """Sent before the first start."""
    from hosts import WORKERS

    session = PythonSession(WORKERS / "shm_tensors.py", "next", transport="shm", library="numpy")
    shared = session.empty((4,), "float32")
    session.send_tensor(shared, "t")
    for number in range(3):
        shared[:] = number
        session.start()
        assert f"{4.0 * number}" == session.fetch_response("sum t", 60_000)
        session.terminate()
    session.close()


def test_what_the_last_worker_wrote_over_a_tags_header_is_mended(workspace: Any, worker_python: str) -> None:
    """The owner has it in memory of its own."""
    from hosts import WORKERS

    with PythonSession(WORKERS / "shm_hostile.py", "mended", transport="shm", library="numpy") as session:
        session.send_tensor(np.ones((2, 3), np.float32), "t")
        assert "ok" == session.fetch_response("spoil-headers t", 60_000)
        with pytest.raises(CommandError, match="t"):
            session.fetch_tensor("same t")
        session.terminate()
        session.start()
        assert [[1.0] * 3] * 2 == session.fetch_tensor("same t", 60_000).tolist()


# ------------------------------------------------------------------------------------------------------- counters


def test_a_monitor_reads_the_counters(session: Any) -> None:
    """Where they are is in worker.json."""
    from segments import Monitor

    monitor = Monitor(session)
    for _ in range(5):
        session.fetch_response("echo")
    with pytest.raises(CommandError):
        session.fetch_response("no-such-command")
    assert wait_until(lambda: monitor.word(control.SERVED) == 6)  # counted once the answer is on its way
    assert 1 == monitor.word(control.FAILED)
    assert 6 == sum(monitor.word(control.HISTOGRAM + index) for index in range(64))
    assert (0, 1) == (monitor.word(control.CURRENT_ID), monitor.word(control.THREADS))


def test_a_request_without_an_id_can_travel(tmp_path: Path) -> None:
    """The id is 0 then."""
    host, worker = make_pair(tmp_path)()
    worker.try_send(Ready({}))
    host.receive(1)
    host.try_send(Request("command", "", None))
    request = worker.receive(1)
    assert isinstance(request, Request)
    assert request.id is None
    worker.close()
    host.close()
