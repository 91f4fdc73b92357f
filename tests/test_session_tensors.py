"""Tensors through a session: what is sent, what the handler may do with it, what comes back."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest
from gates import Gate
from hosts import NUMPY_DTYPES, WORKERS, worker_torch_has

from tech_renaissance import (
    CommandError,
    FormatError,
    LocalProtocolError,
    PythonSession,
    TimedOut,
    export_tsr,
)

Maker = Callable[..., Any]


def same(expected: Any, actual: Any) -> bool:
    """Equal in dtype, shape and every byte."""
    expected, actual = np.asarray(expected), np.asarray(actual)
    return (expected.dtype, expected.shape, expected.tobytes()) == (
        actual.dtype,
        actual.shape,
        actual.tobytes(),
    )


@pytest.mark.interpreters
def test_shapes_travel_both_ways(start: Maker) -> None:
    """Scalars, empty ones, up to 8 dimensions."""
    session = start("tensors.py")
    shapes: List[Any] = [(), (1,), (0,), (3, 0, 2), (4, 3), (2, 3, 4, 5), (1, 2, 1, 2, 1, 2, 1, 2)]
    for shape in shapes:
        tensor = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
        session.send_tensor(tensor, "t")
        assert same(tensor, session.fetch_tensor("same t")), shape


def test_all_dtypes_travel_both_ways(start: Maker) -> None:
    """Those that numpy has."""
    session = start("tensors.py")
    tensors = [np.array([0, 1, 1, 0, 1]).astype(name) for name in NUMPY_DTYPES]
    session.send_tensors(tensors, NUMPY_DTYPES)
    results = session.fetch_tensors("same " + " ".join(NUMPY_DTYPES))
    assert NUMPY_DTYPES == [str(result.dtype) for result in results]
    assert all(map(same, tensors, results))


@pytest.mark.torch
def test_all_dtypes_of_torch_travel_both_ways(start: Maker) -> None:
    """bf16 and fp8, too, without numpy in between."""
    import torch

    session = start("tensors.py", environment={"LIBRARY": "torch"}, library="torch")
    names = ["bfloat16", "float16", "float32", "bool", "complex64"]
    names += [
        name
        for name in ("float8_e4m3fn", "float8_e5m2", "uint16")
        if hasattr(torch, name) and worker_torch_has(name)
    ]
    tensors = [torch.tensor([0.0, 1.0, 0.5]).to(getattr(torch, name)) for name in names]
    session.send_tensors(tensors, names)
    results = session.fetch_tensors("same " + " ".join(names), 60_000)
    assert [tensor.dtype for tensor in tensors] == [result.dtype for result in results]
    assert [tensor.view(torch.uint8).tolist() for tensor in tensors] == [
        result.view(torch.uint8).tolist() for result in results
    ]
    assert "torch" == session.fetch_response("type float32")
    strided = torch.arange(12.0).reshape(3, 4).t().requires_grad_()
    session.send_tensor(strided, "strided")
    assert strided.tolist() == session.fetch_tensor("same strided").tolist()


@pytest.mark.torch
def test_a_python_host_that_uses_torch_gets_torch(
    workspace: Path, worker_python: str, transport: str
) -> None:
    """Unless it says otherwise."""
    import torch

    with PythonSession(str(WORKERS / "tensors.py"), "torch") as session:
        session.send_tensor(torch.arange(3), "t")
        result = session.fetch_tensor("same t")
    assert isinstance(result, torch.Tensor)
    assert [0, 1, 2] == result.tolist()


@pytest.mark.torch
def test_a_result_that_the_hosts_library_lacks_is_that_calls_error(
    workspace: Path, worker_python: str, transport: str
) -> None:
    """Nobody has broken the protocol, and the message says what helps."""
    import torch

    environment = {"LIBRARY": "torch"}
    worker = str(WORKERS / "tensors.py")
    with PythonSession(worker, "lacking", library="numpy", environment=environment) as session:
        session.send_tensor(torch.ones(2, dtype=torch.bfloat16), "t")
        with pytest.raises(CommandError, match=r"numpy has no bfloat16.*library=") as caught:
            session.fetch_tensor("same t", 60_000)
        assert ("command_failed", "tech_renaissance.FormatError") == (
            caught.value.code,
            caught.value.remote_type,
        )
        session.send_tensor(np.ones(2), "t")
        assert [1.0, 1.0] == session.fetch_tensor("same t").tolist()


def test_names_are_separated_by_spaces_or_commas(start: Maker) -> None:
    """As get_tensors says."""
    session = start("tensors.py")
    session.send_tensors([np.full((), n, np.float32) for n in (1, 2, 3)], ["a", "b", "c"])
    for parameters in ("a b c", "a,b,c", " a, b ,  c "):
        assert 6.0 == session.fetch_tensor(f"sum {parameters}").item()


def test_a_text_and_tensors_travel_together(start: Maker) -> None:
    """Either can be asked for."""
    session = start("tensors.py")
    session.send_tensors([np.ones(1, np.float32)] * 2, ["a", "b"])
    assert "a pair" == session.fetch_response("pair a b")
    assert 2 == len(session.fetch_tensors("pair a b"))
    session.send_request("pair a b")
    assert same(np.ones(1, np.float32), session.wait_for_tensor())
    session.send_request("pair a b")
    assert 2 == len(session.wait_for_tensors())


@pytest.mark.interpreters
def test_what_is_wrong_with_tensors_is_told(start: Maker) -> None:
    """``invalid`` is never all that the caller sees."""
    session = start("tensors.py")
    session.send_tensor(np.ones(1, np.float32), "a")
    for parameters, reason in (
        ("a", "expected 2 tensor names, got 1"),
        ("", "expected 2 tensor names, got 0"),
        ("a missing", "no tensor 'missing'"),
        ("a ../escape", "tensor '../escape'"),
    ):
        _is_told(session, parameters, reason)


@pytest.mark.interpreters
@pytest.mark.files
def test_a_file_that_is_no_tensor_is_told(start: Maker) -> None:
    """As any other mistake is."""
    session = start("tensors.py")
    session.send_tensor(np.ones(1, np.float32), "a")
    Path(session.session_dir, "broken.tsr").write_bytes(b"TSR! but no tensor")
    _is_told(session, "a broken", "broken")


def _is_told(session: Any, parameters: str, reason: str) -> None:
    for command in ("pair", "pair-without-a-word"):
        with pytest.raises(CommandError, match=reason) as caught:
            session.fetch_tensors(f"{command} {parameters}")
        assert ("invalid_tensors", "invalid") == (caught.value.code, caught.value.result)


def test_a_single_tensor_is_asked_for_by_get_tensor(start: Maker) -> None:
    """It counts, too."""
    session = start("tensors.py")
    session.send_tensors([np.ones(1, np.float32)] * 2, ["a", "b"])
    assert same(np.ones(1, np.float32), session.fetch_tensor("one a"))
    with pytest.raises(CommandError, match="expected 1 tensor name"):
        session.fetch_tensor("one a b")


def test_a_handler_may_do_without_a_tensor(start: Maker) -> None:
    """Its answer counts, then."""
    session = start("tensors.py")
    assert "made up" == session.fetch_response("fallback missing")
    assert same(np.zeros(2, np.float32), session.fetch_tensor("fallback missing"))


@pytest.mark.files
def test_the_tensors_are_the_handlers_to_modify(start: Maker) -> None:
    """The tag keeps what was sent."""
    session = start("tensors.py")
    session.send_tensor(np.arange(3, dtype=np.float32), "t")
    for _ in range(2):
        assert [0, 2, 4] == session.fetch_tensor("double-in-place t").tolist()
    assert [0, 1, 2] == session.fetch_tensor("same t").tolist()


def test_a_handler_may_keep_its_input(start: Maker) -> None:
    """Whatever becomes of the tag."""
    session = start("tensors.py")
    session.send_tensor(np.arange(3, dtype=np.float32), "t")
    assert "ok" == session.fetch_response("keep t")
    session.send_tensor(np.zeros(3, np.float32), "t")
    session.drop_tensor("t")
    assert [0, 1, 2] == session.fetch_tensor("kept").tolist()


def test_slices_and_transposes_can_be_sent(start: Maker) -> None:
    """From several send_tensors, in order."""
    session = start("tensors.py")
    tensor = np.arange(12, dtype=np.int32).reshape(3, 4)
    session.send_tensor(tensor[::-1], "t")
    expected = [tensor[::-1][1:], tensor[::-1][:, ::2], tensor[::-1].T]
    assert all(map(same, map(np.ascontiguousarray, expected), session.fetch_tensors("slices t")))


def test_a_result_is_what_the_tensor_holds_in_the_end(start: Maker) -> None:
    """The reply is complete when the handler returns."""
    assert [5, 5, 5] == start("tensors.py").fetch_tensor("late-change").tolist()


def test_results_stay_as_they_are(start: Maker) -> None:
    """Later calls do not change earlier results, more or fewer of them."""
    session = start("tensors.py")
    many = session.fetch_tensors("many 12")
    few = session.fetch_tensors("many 3")
    assert [[n] * n for n in range(12)] == [result.tolist() for result in many]
    assert [[n] * n for n in range(3)] == [result.tolist() for result in few]


def test_a_call_for_tensors_that_gets_none_is_told(start: Maker) -> None:
    """With the text that came."""
    session = start()
    with pytest.raises(CommandError, match="'no tensors'") as caught:
        session.fetch_tensor("echo no tensors")
    assert ("no_tensor", "no tensors") == (caught.value.code, caught.value.result)


def test_a_result_that_cannot_travel_is_told(start: Maker) -> None:
    """The worker stays up."""
    session = start("tensors.py")
    with pytest.raises(CommandError, match="FormatError") as caught:
        session.fetch_tensors("unsendable")
    assert "command_failed" == caught.value.code
    assert "do_unsendable" in caught.value.remote_traceback
    assert 1 == len(session.fetch_tensors("zeros 5"))


def test_a_handler_that_fails_for_want_of_a_tensor_tells_the_true_reason(start: Maker) -> None:
    """Not only that None has no such attribute."""
    session = start("tensors.py")
    with pytest.raises(CommandError, match="'NoneType' object has no attribute 'sum'") as caught:
        session.fetch_tensor("careless missing")
    assert "command_failed" == caught.value.code
    assert "there is no tensor 'missing'" in caught.value.remote_message


def test_a_handler_hears_at_once_of_a_result_that_cannot_travel(start: Maker) -> None:
    """Where it hands it over; nothing of that is sent."""
    session = start("tensors.py")
    session.send_request("refused")
    assert [[0.0]] == [tensor.tolist() for tensor in session.wait_for_tensors()]
    assert "unsupported_dtype" == session.fetch_response("refused")


@pytest.mark.torch
@pytest.mark.above_transports
def test_tensors_arrive_as_torch_tensors_once_the_script_has_imported_torch(start: Maker) -> None:
    """Until then as numpy arrays: a worker does not pay for an import that it did not ask for."""
    session = start("tensors.py", environment={"LIBRARY": "as imported"})
    session.send_tensor(np.ones(2, np.float32), "t")
    kinds = [session.fetch_response(command) for command in ("type t", "empty-type", "imported torch")]
    assert ["numpy", "numpy", "False"] == kinds
    session.fetch_response("import torch", 60_000)
    assert ["torch", "torch"] == [session.fetch_response(command) for command in ("type t", "empty-type")]
    assert [2.0] == session.fetch_tensor("sum t").reshape(1).tolist()


def test_a_tag_is_replaced_and_dropped(start: Maker) -> None:
    """Dropping what is not there is no error."""
    session = start("tensors.py")
    session.send_tensor(np.ones(2, np.float32), "t")
    session.send_tensor(np.ones(3, np.float64), "t")
    assert "float64" == session.fetch_response("dtype t")
    session.drop_tensor("t")
    session.drop_tensor("t")
    with pytest.raises(CommandError):
        session.fetch_tensor("same t")


@pytest.mark.interpreters
def test_calculate_takes_any_number_of_tensors(start: Maker) -> None:
    """Its tensors leave no tags behind."""
    session = start("tensors.py")
    tensors = [np.full((2, 2), 10.0**n, np.float64) for n in range(6)]
    for count in range(1, 6):
        assert 4 * sum(10**n for n in range(count)) == session.calculate("sum", *tensors[:count]).item()
    assert [0.0, 0.0] == session.calculate("zeros 2").tolist()
    assert [] == list(Path(session.session_dir).glob("_*.tsr"))


def test_calculate_keeps_white_space_at_the_end() -> None:
    """As a message does; C++ has always kept it."""
    session = PythonSession("default", "never_started")
    call = session._caller.make_call("add b \n", None, idempotent=False, tensors=[np.ones(2)])
    assert call is not None
    assert "$0 b \n" == call.request.parameters


def test_calculate_passes_on_what_stands_behind_the_command(start: Maker) -> None:
    """After the tensors."""
    session = start("default_numpy.py")
    session.send_tensor(np.full(2, 3.0, np.float32), "b")
    assert [4.0, 4.0] == session.calculate("add b", np.ones(2, np.float32), timeout_ms=60_000).tolist()


def test_calculate_has_a_timeout(start: Maker, gate: Gate) -> None:
    """With tensors and without; it only ends the wait."""
    session = start("tensors.py")
    one = np.ones(2, np.float32)
    assert 4.0 == session.calculate("sum", one, one, timeout_ms=60_000).item()
    assert [0.0, 0.0] == session.calculate("zeros 2", timeout_ms=60_000).tolist()
    for tensors in ((), (one, one)):
        with pytest.raises(TimedOut):
            session.calculate(f"wait {gate.path}", *tensors, timeout_ms=1)
    gate.open(2)


def test_what_calculate_raises_leaves_no_tags(start: Maker) -> None:
    """Whatever happens."""
    session = start("tensors.py")
    with pytest.raises(CommandError):
        session.calculate("no-such-command", np.ones(2, np.float32))
    assert [] == list(Path(session.session_dir).glob("_*.tsr"))


def test_several_tensors_need_as_many_tags(make_session: Maker) -> None:
    """And all tags are checked before anything is sent."""
    session = make_session()
    one = np.ones(1, np.float32)
    with pytest.raises(LocalProtocolError):
        session.send_tensors([one], ["a", "b"])
    with pytest.raises(LocalProtocolError):
        session.send_tensors([one, one], ["a", "result_0"])
    assert not Path(session.session_dir, "a.tsr").exists()


def test_a_python_host_refuses_what_tsr_cannot_hold(
    workspace: Path, worker_python: str, transport: str
) -> None:
    """Before anything is sent; the tag keeps what it had."""
    with PythonSession("default", "formats") as session:
        for tensor in (np.array(["text"]), np.zeros((1,) * 9), "no tensor", None):
            with pytest.raises(FormatError):
                session.send_tensor(tensor, "t")
        assert not Path(session.session_dir, "t.tsr").exists()


def test_a_large_tensor_travels_both_ways(start: Maker) -> None:
    """16 MiB."""
    session = start("tensors.py")
    tensor = np.random.default_rng(0).random((2048, 2048), np.float32)
    session.send_tensor(tensor, "t")
    assert same(tensor, session.fetch_tensor("same t", 60_000))


@pytest.mark.files
def test_a_file_of_another_program_is_a_tag(start: Maker) -> None:
    """A tensor is a .tsr file in the session directory."""
    session = start("tensors.py")
    assert session.wait_until_ready(60_000)
    export_tsr(np.arange(3, dtype=np.int32), str(Path(session.session_dir, "foreign.tsr")))
    assert [0, 1, 2] == session.fetch_tensor("same foreign").tolist()


def test_a_list_is_a_tensor_although_numpy_is_not_imported(
    workspace: Path, transport: str, worker_python: str
) -> None:
    """In a host that has done nothing else before."""
    del workspace, transport, worker_python
    program = (
        "import sys; from tech_renaissance import PythonSession\n"
        "with PythonSession(sys.argv[1], 'list', True, library='numpy') as session:\n"
        "    session.send_tensor([1.0, 2.0], 'a')\n"
    )
    command = [sys.executable, "-c", program, str(WORKERS / "echo_tensors.py")]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert (0, b"") == (run.returncode, run.stdout)
