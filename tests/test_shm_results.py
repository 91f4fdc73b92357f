"""Results over shared memory: written in place or copied once, the host's for as long as it has them, whatever becomes of the worker."""

import gc
import os
import threading
from typing import Any, Callable, List

import numpy as np
import pytest
from hosts import WORKERS
from kept import keep, read
from segments import Monitor, descriptors, mappings

from tech_renaissance import CommandError, PythonSession, WorkerLost
from tech_renaissance._transport.shm.segment import UNAVAILABLE

Maker = Callable[..., Any]

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> str:
    """This one."""
    monkeypatch.setenv("TR_TRANSPORT", "shm")
    return "shm"


@pytest.fixture
def session(start: Maker) -> Any:
    """One whose worker gets numpy arrays."""
    session = start("shm_tensors.py", transport="shm")
    assert session.wait_until_ready(60_000)
    return session


# ---------------------------------------------------------------------------------------------------- worker to host


def test_a_tensor_of_the_workers_empty_is_the_hosts_result(session: Any) -> None:
    """The same memory: what the worker writes later, the host sees."""
    result = keep(session, "out 1")
    assert [1.0] * 1000 == read(result).tolist()
    session.fetch_response("poke 2")
    assert [2.0] * 1000 == read(result).tolist()


def test_any_other_result_is_copied(session: Any) -> None:
    """What the worker does with it afterwards is its own affair."""
    result = keep(session, "ordinary 1")
    session.fetch_response("poke 2")
    assert [1.0] * 1000 == read(result).tolist()


def test_a_part_of_an_empty_tensor_is_copied(session: Any) -> None:
    """Only the whole of it is known again."""
    session.fetch_tensor("out 1")
    result = keep(session, "half")
    session.fetch_response("poke 2")
    assert [1.0] * 500 == read(result).tolist()


def test_one_empty_tensor_may_be_sent_again_and_twice_at_once(session: Any) -> None:
    """All of the results are the same memory, also when earlier ones are gone."""
    first = keep(session, "out 1")
    again = keep(session, "again")
    assert [[1.0] * 1000] * 2 == [result.tolist() for result in session.fetch_tensors("again")]
    session.fetch_response("poke 2")
    assert [2.0] * 1000 == read(first).tolist() == read(again).tolist()
    del first
    assert [2.0] * 1000 == read(keep(session, "again")).tolist() == read(again).tolist()


@pytest.mark.torch
def test_torch_computes_into_an_empty_tensor(start: Maker) -> None:
    """``out=`` of any operation."""
    session = start("shm_tensors.py", transport="shm", environment={"LIBRARY": "torch"})
    session.send_tensors([np.ones((100, 100), np.float32)] * 2, ["a", "b"])
    assert [[2.0] * 100] * 100 == session.fetch_tensor("add a b", 60_000).tolist()


def test_three_hundred_results_in_one_call(session: Any) -> None:
    """In order, each of its own memory."""
    results = session.fetch_tensors("many 300 1000")
    assert [index % 256 for index in range(300)] == [int(result.max()) for result in results]
    assert all(result.min() == result.max() for result in results)


def test_more_results_than_a_frame_can_name(session: Any) -> None:
    """Their list travels in a block."""
    assert 6000 == len(session.fetch_tensors("many 6000 1"))


def test_large_results(session: Any) -> None:
    """More than 16 MB each."""
    results = session.fetch_tensors("many 3 20000000", 60_000)
    assert [(index, 20_000_000) for index in range(3)] == [(int(r[-1]), r.size) for r in results]


# ------------------------------------------------------------------------------------------- the host's for good


@pytest.mark.parametrize("end", ["terminate", "die", "please_exit", "start again", "close"])
def test_a_result_outlives_its_worker(session: Any, end: str) -> None:
    """However that ends, and its successor."""
    result = keep(session, "ordinary 3")
    if end == "die":
        with pytest.raises(WorkerLost):
            session.fetch_response("die")
    elif end == "start again":
        session.terminate()
        session.start()
        session.fetch_tensor("ordinary 4")
    else:
        getattr(session, end)()
    assert [3.0] * 1000 == read(result).tolist()


def test_a_python_hosts_result_outlives_the_session_itself(workspace: Any, worker_python: str) -> None:
    """Closed, collected: the tensor and its slices stay; and the memory goes with the last of them."""
    before = len(mappings())
    session = PythonSession(WORKERS / "shm_tensors.py", "outlived", transport="shm", library="numpy")
    session.start()
    result, shared = session.fetch_tensor("out 3")[10:], session.empty((10,), "float32")
    shared[:] = 4
    session.close()
    del session
    gc.collect()
    assert ([3.0] * 990, [4.0] * 10) == (result.tolist(), shared.tolist())
    result += 1
    assert len(mappings()) > before
    del result, shared
    gc.collect()
    assert before == len(mappings())


def test_the_memory_of_a_result_is_not_used_again_while_a_part_of_it_lives(
    workspace: Any, worker_python: str
) -> None:
    """A slice is enough; afterwards the worker uses it again."""
    with PythonSession(WORKERS / "shm_tensors.py", "slices", transport="shm", library="numpy") as session:
        addresses = set()
        kept: List[Any] = [session.fetch_tensor("ordinary 7")[5:6]]
        for number in range(50):
            result = session.fetch_tensor(f"ordinary {number}")
            addresses.add(result.ctypes.data)
            del result
        assert [7.0] == kept[0].tolist()
        assert len(addresses) <= 3
        assert kept[0].ctypes.data - 5 * 4 not in addresses


@pytest.mark.torch
def test_the_same_for_torch(workspace: Any, worker_python: str) -> None:
    """Views of torch tensors, what numpy and autograd hold of them."""
    import torch

    with PythonSession(WORKERS / "shm_tensors.py", "views", transport="shm", library="torch") as session:
        weights = torch.ones(1000, requires_grad=True)
        kept = [
            session.fetch_tensor("ordinary 1").view(10, 100)[3],
            session.fetch_tensor("ordinary 2").numpy()[3:],
            (weights * session.fetch_tensor("ordinary 3")).sum(),
        ]
        for number in range(50):
            session.fetch_tensor(f"ordinary {number + 100}")
        kept[2].backward()
        assert (1.0, 2.0, 3.0) == (float(kept[0].max()), float(kept[1].max()), float(weights.grad.max()))


def test_results_may_be_let_go_of_in_other_threads(workspace: Any, worker_python: str) -> None:
    """While calls go on; nothing is lost, and the memory is used again."""
    with PythonSession(WORKERS / "shm_tensors.py", "threads", transport="shm", library="numpy") as session:
        failures: List[str] = []

        def work(number: int) -> None:
            for index in range(200):
                value = number * 1000 + index
                result = session.fetch_tensor(f"ordinary {value}", 60_000)
                if set(result.tolist()) != {float(value)}:
                    failures.append(f"{value} became {result}")

        session.wait_until_ready(60_000)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [] == failures
        assert Monitor(session).arenas_nbytes()[1] <= 4 << 20


# --------------------------------------------------------------------------------------------------------- memory


def test_memory_does_not_grow(session: Any, host: str) -> None:
    """Thousands of calls of mixed sizes, in and out: after the first hundreds, neither side takes much more."""
    monitor = Monitor(session)
    count = 500 if host == "python" else 80  # each a file for a driver
    sizes = [int(2 ** (4 + index * 7 % 14)) + index * 37 % 100 for index in range(count)]

    def call_all() -> None:
        for nbytes in sizes:
            session.send_tensor(np.zeros(nbytes, np.uint8), "t")
            session.fetch_tensors(f"many 2 {nbytes}")
            session.fetch_response("sum t")

    call_all()
    before = monitor.arenas_nbytes()
    for _ in range(4):
        call_all()
    after = monitor.arenas_nbytes()
    assert all(late <= 1.1 * early + (2 << 20) for early, late in zip(before, after))
    assert sum(after) <= 16 << 20


def test_a_result_that_is_dropped_frees_memory_at_the_next_text(workspace: Any, worker_python: str) -> None:
    """The host need not fetch another tensor for that."""
    with PythonSession(WORKERS / "shm_tensors.py", "dropped", transport="shm", library="numpy") as session:
        for _ in range(5):
            session.fetch_tensors("many 1 30000000", 60_000)
            session.fetch_response("echo")
        assert Monitor(session).arenas_nbytes()[1] <= 36 << 20


def test_no_room_in_the_arena_is_told_and_the_session_goes_on(session: Any) -> None:
    """On the worker's side: address space, system memory for tensors and for long texts."""
    assert "arena_full" == session.fetch_response("ask-for-too-much")
    session.fetch_response("famine")
    for message in ("many 3 10000000", "repeat 10000000 x"):
        with pytest.raises(CommandError, match="No space left") as caught:
            session.fetch_response(message)
        assert "tech_renaissance.ArenaFull" == caught.value.remote_type
    assert "still here" == session.fetch_response("echo still here")
    session.fetch_response("plenty")
    taken = Monitor(session).arenas_nbytes()[1]
    assert 3 == len(session.fetch_tensors("many 3 10000000", 60_000))
    assert 10_000_000 == len(session.fetch_response("repeat 10000000 x", 60_000))
    assert Monitor(session).arenas_nbytes()[1] <= taken + (45 << 20)


def test_nothing_is_left_of_sessions(start: Maker) -> None:
    """Descriptors and mappings of the host's process, after restarts and crashes."""
    first = start(
        "shm_tensors.py", "first", transport="shm"
    )  # it has started the host's process, where that is another
    pid = first._driver.process.pid if hasattr(first, "_driver") else os.getpid()
    first.close()
    del first
    gc.collect()
    before = (len(descriptors(pid)), len(mappings(pid)))
    for number in range(3):
        session = start("shm_tensors.py", f"session_{number}", transport="shm")
        session.send_tensor(np.ones(10, np.float32), "t")
        session.fetch_tensor("same t", 60_000)
        with pytest.raises(WorkerLost):
            session.fetch_response("die")
        session.start()
        session.fetch_tensor("same t", 60_000)
        assert before < (len(descriptors(pid)), len(mappings(pid)))
        session.close()
        del session
    gc.collect()
    assert before == (len(descriptors(pid)), len(mappings(pid)))
