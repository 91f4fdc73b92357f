"""Tensors that a host sends over shared memory: shared where the user allows it, copied once where not, the handler's for good."""

from typing import Any, Callable, Dict, List

import numpy as np
import pytest
from gates import Gate
from hosts import NUMPY_DTYPES
from kept import read, write
from segments import Monitor

from tech_renaissance import FormatError
from tech_renaissance._transport.shm.control import REQUEST_HEAD
from tech_renaissance._transport.shm.segment import UNAVAILABLE

Maker = Callable[..., Any]

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

OVERWRITES = 1000

# Tests that hold for a worker with torch, too; there they share a session, because its import takes long.
_WITH_TORCH: List[Callable[[Maker], None]] = []


def with_torch_too(test: Callable[[Maker], None]) -> Callable[[Maker], None]:
    """Marks such a test, which uses the tag ``t``."""
    _WITH_TORCH.append(test)
    return test


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> str:
    """This one."""
    monkeypatch.setenv("TR_TRANSPORT", "shm")
    return "shm"


@pytest.fixture
def start_with(start: Maker) -> Maker:
    """A session whose worker gets tensors of a library."""

    def start_with(library: str = "numpy", **options: Any) -> Any:
        environment: Dict[str, str] = {"LIBRARY": library}
        session = start("shm_tensors.py", environment=environment, transport="shm", **options)
        assert session.wait_until_ready(60_000)
        return session

    return start_with


# ------------------------------------------------------------------------------------------------------ host to worker


@with_torch_too
def test_a_tensor_of_empty_is_the_workers_too(start_with: Maker) -> None:
    """What the host writes after sending, the worker sees without another send, and the other way round."""
    session = start_with()
    shared = session.empty((1000,), "float32")
    write(shared, 1)
    session.send_tensor(shared, "t")
    assert "1000.0" == session.fetch_response("sum t")
    write(shared, 3)
    assert "3000.0" == session.fetch_response("sum t")
    session.fetch_response("double t")
    assert [6.0] * 1000 == read(shared).tolist()


def test_any_other_tensor_is_copied(start_with: Maker) -> None:
    """What the host does with it afterwards is its own affair."""
    session = start_with()
    ordinary = np.ones(1000, np.float32)
    session.send_tensor(ordinary, "t")
    ordinary[:] = 3
    session.fetch_response("double t")
    assert [3.0] * 1000 == ordinary.tolist()
    assert "2000.0" == session.fetch_response("sum t")


def test_a_tensor_of_empty_goes_under_several_tags_and_comes_back_as_it_is(start_with: Maker) -> None:
    """The same memory under each; it stays when one of them is dropped."""
    session = start_with()
    shared = session.empty((10,), "int32")
    write(shared, 1)
    session.send_tensor(shared, "a")
    session.send_tensor(shared, "b")
    assert "20.0" == session.fetch_response("sum a b")
    session.drop_tensor("a")
    write(shared, 5)
    assert "50.0" == session.fetch_response("sum b")
    assert [5] * 10 == session.fetch_tensor("same b").tolist()


def test_a_tensor_of_empty_may_be_let_go_of_after_it_was_sent(start_with: Maker) -> None:
    """The tag keeps it; nobody else gets its memory."""
    session = start_with()
    shared = session.empty((1000,), "float32")
    write(shared, 1)
    session.send_tensor(shared, "t")
    if hasattr(shared, "release"):
        shared.release()
    del shared
    for number in range(20):
        session.send_tensor(np.full(1000, number, np.float32), "other")
    assert "1000.0" == session.fetch_response("sum t")


def test_a_python_hosts_part_of_an_empty_tensor_is_copied(workspace: Any, worker_python: str) -> None:
    """Only the whole of it, as it was made, is known again: not a slice, a transpose, another shape or dtype."""
    from hosts import WORKERS

    from tech_renaissance import PythonSession

    with PythonSession(WORKERS / "shm_tensors.py", "parts", transport="shm", library="numpy") as session:
        shared = session.empty((4, 4), "float32")
        shared[:] = np.arange(16).reshape(4, 4)
        parts = [shared[:2], shared.T, shared.reshape(16), shared.view(np.int32), shared[::-1], shared[:, :1]]
        for part in parts:
            expected = part.copy()
            session.send_tensor(part, "t")
            shared[:] += 100
            result = session.fetch_tensor("same t")
            assert (expected.dtype, expected.tolist()) == (result.dtype, result.tolist())
            shared[:] -= 100


def test_all_dtypes_and_shapes_go_into_empty_tensors_and_back(start_with: Maker) -> None:
    """Those of numpy, from both sides' ``empty``."""
    session = start_with()
    for dtype in NUMPY_DTYPES:
        for shape in ((), (0,), (2, 3)):
            shared = session.empty(shape, dtype)
            write(shared, 1)
            session.send_tensor(shared, "t")
            result = session.fetch_tensor("same t")
            assert (np.dtype(dtype), shape) == (result.dtype, result.shape)
            assert np.ones(shape, dtype).tolist() == result.tolist()
        results = session.fetch_tensors(f"empties {dtype}")
        assert [np.ones(shape, dtype).tolist() for shape in ((), (0,), (2, 3))] == [
            r.tolist() for r in results
        ]


def test_booleans_of_empty_are_shared_whatever_the_memory_held(start_with: Maker) -> None:
    """Bytes that are no booleans, left by an earlier tensor, do not make it a copy."""
    session = start_with()
    session.send_tensor(np.full(1000, 255, np.uint8), "t")
    session.drop_tensor("t")
    assert "" == session.fetch_response("echo")
    shared = session.empty((1000,), "bool")
    session.send_tensor(shared, "t")
    assert "0.0" == session.fetch_response("sum t")
    write(shared, True)
    assert "1000.0" == session.fetch_response("sum t")


@pytest.mark.torch
def test_torch_tensors_of_all_kinds_arrive(workspace: Any, worker_python: str) -> None:
    """bf16 and fp8, strided, lazily negated or conjugated, requiring gradients, parameters, scalars, none at all."""
    import torch
    from hosts import WORKERS, worker_torch_has

    from tech_renaissance import PythonSession

    kinds = {
        "strided": torch.arange(12.0).reshape(3, 4).t(),
        "expanded": torch.ones(1, 3).expand(4, 3),
        "negative-bit": torch.complex(torch.ones(3), torch.ones(3)).conj().imag,
        "conjugate-bit": torch.complex(torch.ones(3), torch.ones(3)).conj(),
        "requires-grad": torch.ones(3, requires_grad=True),
        "parameter": torch.nn.Parameter(torch.ones(2, 2)),
        "scalar": torch.tensor(2.5),
        "nothing": torch.ones(3, 0),
    }
    names = [
        f"{name}"
        for name in [*NUMPY_DTYPES, "bfloat16", "float8_e4m3fn", "float8_e5m2"]
        if hasattr(torch, name) and worker_torch_has(name)
    ]
    kinds.update({name: torch.tensor([0.0, 1.0, 1.0]).to(getattr(torch, name)) for name in names})
    with PythonSession(
        WORKERS / "shm_tensors.py",
        "kinds",
        transport="shm",
        environment={"LIBRARY": "torch"},
        library="torch",
    ) as session:
        session.send_tensors(list(kinds.values()), list(kinds))
        results = session.fetch_tensors("same " + " ".join(kinds), 60_000)
        for sent, result in zip(kinds.values(), results):
            assert (sent.dtype, sent.shape) == (result.dtype, result.shape)
            assert sent.detach().resolve_conj().resolve_neg().tolist() == result.tolist()


def test_arrays_of_all_kinds_arrive(workspace: Any, worker_python: str) -> None:
    """Whatever their strides, byte order and size; again and again, as the quick ways are for what has been seen before."""
    from hosts import WORKERS

    from tech_renaissance import PythonSession

    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    kinds = {
        "plain": base,
        "transposed": base.T,
        "column-major": np.asfortranarray(base),
        "every-other": base[:, ::2],
        "backwards": base[::-1],
        "broadcast": np.broadcast_to(np.float32(2.5), (3, 4)),
        "big-endian": base.astype(">f4"),
        "read-only": np.frombuffer(base.tobytes(), np.float32),
        "booleans": np.array([0, 1, 255], np.uint8).view(np.bool_),
        "complex": base.astype(np.complex64) * 1j,
        "small": np.ones((128, 128), np.float32),
        "large": np.arange(128 * 129, dtype=np.float32).reshape(128, 129),
        "large-column-major": np.asfortranarray(np.arange(128 * 129.0).reshape(128, 129)),
        "nothing": np.ones((3, 0), np.float32),
        "scalar": np.array(2.5, np.float32),
    }
    with PythonSession(WORKERS / "shm_tensors.py", "kinds", transport="shm", library="numpy") as session:
        shared = session.empty((3, 4), "float32")
        shared[:] = base
        kinds.update(
            {"shared": shared, "part-of-shared": shared[1:], "shared-reshaped": shared.reshape(4, 3)}
        )
        for factor in (1, 2):
            sent = {
                tag: array if factor == 1 or tag == "booleans" else array * 2 for tag, array in kinds.items()
            }
            session.send_tensors(list(sent.values()), list(sent))
            results = session.fetch_tensors("same " + " ".join(sent), 60_000)
            for (tag, array), result in zip(sent.items(), results):
                expected = array.view(np.uint8) != 0 if tag == "booleans" else array
                assert (array.shape, array.dtype.newbyteorder("=")) == (result.shape, result.dtype), tag
                assert np.array_equal(expected, result), tag


def test_what_tsr_cannot_hold_leaves_the_tag_as_it_was(workspace: Any, worker_python: str) -> None:
    """Nothing is sent."""
    from hosts import WORKERS

    from tech_renaissance import PythonSession

    with PythonSession(WORKERS / "shm_tensors.py", "unfit", transport="shm", library="numpy") as session:
        session.send_tensor(np.ones(3, np.float32), "t")
        for unfit in (np.array(["text"]), np.zeros((1,) * 9), None):
            with pytest.raises(FormatError):
                session.send_tensor(unfit, "t")
        assert "3.0" == session.fetch_response("sum t")


# ---------------------------------------------------------------------------------------------- what a handler may do


@with_torch_too
def test_a_handler_may_keep_its_input_for_ever(start_with: Maker) -> None:
    """All of it or a slice: however often the tag is replaced, what is kept does not change."""
    session = start_with()
    for command, kept in (("keep", "[[0.0, 1.0, 2.0, 3.0]]"), ("keep-part", "[[1.0, 2.0]]")):
        session.send_tensor(np.arange(4, dtype=np.float32), "t")
        session.fetch_response(f"{command} t")
        for number in range(1, OVERWRITES):
            session.send_tensor(np.full(4, -number, np.float32), "t")
            if number % 100 == 0:
                assert f"{-4.0 * number}" == session.fetch_response("sum t")
        assert kept == session.fetch_response("kept")
        session.fetch_response("forget")


def _keep_and_overwrite(session: Any, command: str) -> None:
    session.fetch_response("forget")
    session.send_tensor(np.arange(4, dtype=np.float32), "t")
    session.fetch_response(f"{command} t", 60_000)
    for number in range(20):
        session.send_tensor(np.full(4, -number, np.float32), "t")
        session.fetch_response("sum t")


def test_a_handler_may_keep_what_refers_to_its_array(start_with: Maker) -> None:
    """Whatever numpy makes of it without a copy: the memory is not used again."""
    session = start_with()
    for command in ("keep-memoryview", "keep-transpose", "keep-owner"):
        _keep_and_overwrite(session, command)
        assert "[[0.0, 1.0, 2.0, 3.0]]" == session.fetch_response("kept"), command


@pytest.mark.torch
def test_a_handler_may_keep_what_refers_to_its_input(start_with: Maker) -> None:
    """Another library's view, a storage, what autograd has saved: no tensor of ours, but its memory."""
    session = start_with("torch")
    _keep_and_overwrite(session, "keep-through-numpy")
    assert "[[0.0, 1.0, 2.0, 3.0]]" == session.fetch_response("kept")
    _keep_and_overwrite(session, "keep-storage")
    assert [0.0, 1.0, 2.0, 3.0] == session.fetch_tensor("kept-storage").tolist()
    _keep_and_overwrite(session, "keep-graph")
    assert [0.0, 1.0, 2.0, 3.0] == session.fetch_tensor("backward", 60_000).tolist()


@with_torch_too
def test_a_handler_may_change_its_input_and_return_it(start_with: Maker) -> None:
    """The tag's tensor is changed by that, as the specification says; a tensor sent anew is not. A result, or a part of one, is the host's
    own from then on.
    """
    session = start_with()
    session.send_tensor(np.ones(4, np.float32), "t")
    session.fetch_response("double t")
    assert "8.0" == session.fetch_response("sum t")
    session.send_tensor(np.ones(4, np.float32), "t")
    assert "4.0" == session.fetch_response("sum t")
    session.send_tensor(np.arange(4, dtype=np.float32), "t")
    whole, part = session.fetch_tensor("same t"), session.fetch_tensor("part t")
    session.fetch_response("double t")
    assert ([0, 1, 2, 3], [1, 2]) == (whole.tolist(), part.tolist())
    assert [2, 4] == session.fetch_tensor("part t").tolist()


@with_torch_too
def test_a_handlers_tensor_object_is_its_own(start_with: Maker) -> None:
    """Who reshapes it in place, or has it require gradients, finds the next call's as it was sent."""
    session = start_with()
    session.send_tensor(np.ones((2, 2), np.float32), "t")
    for _ in range(3):
        assert "(2, 2)" == session.fetch_response("shape t")
        session.fetch_response("distort t")
        session.fetch_response("double t")
    assert "32.0" == session.fetch_response("sum t")


def test_a_kept_input_is_given_back_when_it_is_forgotten(start_with: Maker) -> None:
    """The host's memory does not grow with what nobody has any more."""
    session = start_with()
    monitor = Monitor(session)
    megabyte = np.ones(1 << 18, np.float32)

    def keep_and_forget() -> None:
        for _ in range(8):
            session.send_tensor(megabyte, "t")
            session.fetch_response("keep t")
        session.fetch_response("forget")
        session.fetch_response("sum t")

    keep_and_forget()
    taken = monitor.arenas_nbytes()[0]
    assert taken >= 8 << 20
    for _ in range(5):
        keep_and_forget()
    assert monitor.arenas_nbytes()[0] <= taken + (4 << 20)


# ------------------------------------------------------------------------------------------------------------- tags


@with_torch_too
def test_a_tensor_that_is_sent_again_and_again_stays_where_it_is(start_with: Maker) -> None:
    """So the memory that both sides have in their caches is used again; a tensor of another shape goes elsewhere."""
    session = start_with()
    places = set()
    for number in range(20):
        session.send_tensor(np.full(1000, number, np.float32), "t")
        place = session.fetch_response("where t")
        if number > 2:  # at first it is not known yet that the handler lets go of it
            places.add(place)
        assert f"{1000.0 * number}" == session.fetch_response("sum t")
    session.send_tensor(np.full((10, 100), 7, np.float32), "t")
    assert session.fetch_response("where t") not in places
    assert "7000.0" == session.fetch_response("sum t")
    assert 1 == len(places)


@with_torch_too
def test_what_a_handler_keeps_is_not_written_over(start_with: Maker) -> None:
    """Even if it let go of the same tensor in the calls before."""
    session = start_with()
    for command, calls in (("keep", 3), ("keep-part", 3), ("keep-part", 6)):  # many calls take a shorter way
        session.fetch_response("forget")
        session.send_tensor(np.full(4, 1, np.float32), "t")
        for _ in range(calls):
            session.fetch_response("sum t")
        session.fetch_response(f"{command} t")
        for number in (2, 3):
            session.send_tensor(np.full(4, number, np.float32), "t")
            session.fetch_response("sum t")
        kept = eval(session.fetch_response("kept"))
        assert {1.0} == set(kept[0])


def test_a_tensor_of_many_calls_is_not_looked_at_after_each(start_with: Maker) -> None:
    """It is taken for one that will not be sent again soon. If it is, it goes elsewhere, and stays there as any other."""
    session = start_with()
    places: List[str] = []
    for number in range(8):
        session.send_tensor(np.full(4, number, np.float32), "t")
        places.append(session.fetch_response("where t"))
        for _ in range(6 if number == 5 else 1):
            assert f"{4.0 * number}" == session.fetch_response("sum t")
    assert 1 == len(set(places[3:6]))  # at first it is not known yet that the handler lets go of it
    assert 1 == len(set(places[6:]))
    assert places[5] != places[6]


def test_what_a_request_in_work_needs_is_not_written_over(start_with: Maker, gate: Gate) -> None:
    """A tensor that is sent meanwhile is for later requests."""
    session = start_with()
    session.send_tensor(np.full(4, 1, np.float32), "t")
    for _ in range(3):
        session.fetch_response("sum t")
    session.send_request(f"sum-later {gate.path} t")
    gate.wait_for_arrival()
    session.send_tensor(np.full(4, 2, np.float32), "t")
    gate.open()
    assert "4.0" == session.wait_for_response()
    assert "8.0" == session.fetch_response("sum t")


def test_an_unchanged_tag_costs_nothing(start_with: Maker) -> None:
    """It is announced once; so is the same memory when it is sent again."""
    session = start_with()
    monitor = Monitor(session)
    shared = session.empty((16,), "float32")
    write(shared, 1)

    def frames_nbytes(text: str, change: Callable[[], None] = lambda: None) -> int:
        before = monitor.word(REQUEST_HEAD)
        change()
        session.fetch_response(text)
        return monitor.word(REQUEST_HEAD) - before

    request = frames_nbytes("echo abc")
    assert frames_nbytes("shape  t", lambda: session.send_tensor(shared, "t")) > request
    assert request == frames_nbytes("shape  t")
    assert request == frames_nbytes("shape  t", lambda: session.send_tensor(shared, "t"))
    assert frames_nbytes("shape  t", lambda: session.send_tensor(np.ones(16, np.float32), "t")) > request
    assert frames_nbytes("echo abc", lambda: session.drop_tensor("t")) > request
    assert request == frames_nbytes("echo abc", lambda: session.drop_tensor("t"))


def test_five_thousand_tags_are_all_there(start_with: Maker) -> None:
    """More than the ring can announce at once."""
    session = start_with()
    for number in range(5000):
        session.send_tensor(np.full(1, number % 7, np.int32), f"tag_{number}_with_a_long_name_{'x' * 60}")
    names = " ".join(f"tag_{number}_with_a_long_name_{'x' * 60}" for number in range(5000))
    assert f"{float(sum(number % 7 for number in range(5000)))}" == session.fetch_response(
        f"sum {names}", 60_000
    )


def test_pipelined_requests_see_the_tensors_of_their_time(start_with: Maker) -> None:
    """A tag that is replaced between two requests, though the first has not been served: and though nobody reads the answers."""
    session = start_with()
    expected = []
    for number in range(60):
        session.send_tensor(np.full(4, number, np.float32), "t")
        session.send_request("repeat 60000 x" if number % 2 else "sum t")
        expected.append("x" * 60_000 if number % 2 else f"{4.0 * number}")
    assert expected == [session.wait_for_response(60_000) for _ in expected]


@pytest.mark.torch
def test_with_torch_it_is_the_same(start_with: Maker) -> None:
    """All that is marked so."""
    session = start_with("torch")
    for test in _WITH_TORCH:
        test(lambda: session)
        session.fetch_response("forget")
        session.drop_tensor("t")
