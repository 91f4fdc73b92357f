"""Tensors of every library become the same bytes, and bytes become tensors of the library that is asked for."""

import gc
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import numpy as np
import pytest
from hosts import WORKERS

from tech_renaissance import CommandError, LocalProtocolError, PythonSession, TechRenaissanceServer
from tech_renaissance._base.errors import FormatError
from tech_renaissance._base.sendable import check_sendable
from tech_renaissance._base.tensor import describe, torch_installed
from tech_renaissance._protocol.tsr import decode, encode
from tech_renaissance._transport.shm import view


def _code_of(action: Callable[[], Any]) -> str:
    with pytest.raises(FormatError) as caught:
        action()
    return caught.value.code


def _run(script: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    result = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True, text=True)
    return result.stdout.strip()


# -------------------------------------------------------------------------------------------------- numpy in


ARRAYS: Dict[str, Tuple[Any, Any]] = {
    "transposed": (np.arange(6).reshape(2, 3).T, [[0, 3], [1, 4], [2, 5]]),
    "negative stride": (np.arange(4)[::-1], [3, 2, 1, 0]),
    "every second": (np.arange(6)[::2], [0, 2, 4]),
    "broadcast": (np.broadcast_to(np.arange(2), (2, 2)), [[0, 1], [0, 1]]),
    "Fortran order": (np.asfortranarray([[1.5, 2], [3, 4]]), [[1.5, 2], [3, 4]]),
    "big-endian": (np.array([1, 258], dtype=">i2"), [1, 258]),
    "big-endian complex": (np.array([1 + 2j], dtype=">c8"), [1 + 2j]),
    "zero-dimensional": (np.array(7), 7),
    "numpy scalar": (np.float32(1.5), 1.5),
    "empty": (np.zeros((2, 0, 3)), [[], []]),
    "empty transposed": (np.zeros((0, 3), dtype=np.int8).T, [[], [], []]),
    "read-only": (np.frombuffer(b"\1\2", dtype=np.uint8), [1, 2]),
    "bool": (np.array([True, False]), [True, False]),
    "bool of other bytes": (np.array([0, 1, 2], dtype=np.uint8).view(bool), [False, True, True]),
    "Python integer": (7, 7),
    "Python float": (1.5, 1.5),
    "Python complex": (1 + 2j, 1 + 2j),
    "Python bool": (True, True),
    "nested lists": ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    "list of arrays": ([np.arange(2), np.arange(2)], [[0, 1], [0, 1]]),
    "buffer": (memoryview(b"\1\2"), [1, 2]),
}


@pytest.mark.parametrize(("tensor", "expected"), ARRAYS.values(), ids=ARRAYS.keys())
def test_any_array_is_taken(tensor: Any, expected: Any) -> None:
    """What numpy takes is encoded by value, whatever its strides, byte order or type."""
    assert expected == decode(encode(tensor), "numpy").tolist()


@pytest.mark.parametrize("array_name", ["float32", "int64", "complex128", "bool"])
def test_contiguous_array_is_not_copied(array_name: str) -> None:
    """The described memory is the array's own, and stays valid when the array's name is gone."""
    array = np.ones(1000, dtype=array_name)
    raw = describe(array)
    assert array.ctypes.data == np.frombuffer(raw.data, np.uint8).ctypes.data
    expected = array.tobytes()
    del array
    gc.collect()
    assert expected == raw.data


NO_TENSORS = {
    "text": "text",
    "None": None,
    "object": object(),
    "ragged": [[1, 2], [3]],
    "dates": np.zeros(2, dtype="datetime64[s]"),
    "records": np.zeros(2, dtype=[("a", "f4")]),
    "objects": np.array([None]),
    "strings": np.array(["a"]),
}


@pytest.mark.parametrize("value", NO_TENSORS.values(), ids=NO_TENSORS.keys())
@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged nested sequences")  # numpy before 1.24
def test_no_tensor(value: Any) -> None:
    """What has no TSR dtype, or is no tensor at all, is refused by name."""
    assert "unsupported_dtype" == _code_of(lambda: encode(value))


class _Table:
    """As pandas' DataFrame, as far as it matters here."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values)

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        """The columns."""
        del arguments, options
        return self._values

    def to_numpy(self, dtype: Any) -> Any:
        """The columns, of one dtype."""
        return self._values.astype(dtype)


CURES = {
    "nothing": (None, "leave it out"),
    "bytes": (b"ab", "numpy.frombuffer"),
    "text": ("text", "text travels in messages"),
    "table": (_Table(np.array([["a", 1]], object)), "to_numpy"),
    "masked": (np.ma.masked_array([1, 2], [True, False]), "filled"),
    "dates": (np.zeros(2, "datetime64[s]"), r"view\(numpy.int64\)"),
    "records": (np.zeros(2, [("a", "f4")]), "each field by itself"),
    "objects": (np.array([None]), "astype"),
}


@pytest.mark.parametrize(("value", "cure"), CURES.values(), ids=CURES.keys())
def test_a_refusal_says_what_to_send_instead(value: Any, cure: str) -> None:
    """Nothing loses its mask, its columns or its meaning in silence."""
    for take in (encode, check_sendable):
        with pytest.raises(FormatError, match=cure) as caught:
            take(value)
        assert "unsupported_dtype" == caught.value.code


def test_a_table_of_numbers_is_an_array() -> None:
    """What numpy makes numbers of is taken."""
    assert [[1.5, 2]] == decode(encode(_Table([[1.5, 2]])), "numpy").tolist()


@pytest.mark.parametrize(("tensor", "expected"), ARRAYS.values(), ids=ARRAYS.keys())
def test_what_is_taken_passes_the_check(tensor: Any, expected: Any) -> None:
    """The check at once refuses nothing that could travel. The second look is the quick one."""
    del expected
    check_sendable(tensor)
    check_sendable(tensor)


def test_the_check_sees_what_differs_from_the_tensor_before() -> None:
    """A dtype that passed once is no pass for other tensors of it."""
    check_sendable(np.zeros(2))
    with pytest.raises(FormatError) as caught:
        check_sendable(np.zeros((1,) * 9))
    assert "too_many_dims" == caught.value.code
    assert "unsupported_dtype" == _code_of(lambda: check_sendable(np.ma.masked_array([1.0], [True])))


def test_longdouble_is_refused() -> None:
    """A float of more than 64 bits has no TSR dtype (where it has 64, it is FP64)."""
    array = np.zeros(2, dtype=np.longdouble)
    if array.itemsize > 8:
        assert "unsupported_dtype" == _code_of(lambda: encode(array))


def test_ml_dtypes() -> None:
    """bf16 and fp8 arrays of ml_dtypes are taken by name, and given back once it is imported."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        array = np.array([[1.5, -2], [0, 4]]).astype(getattr(ml_dtypes, name)).T
        decoded = decode(bytearray(encode(array)), "numpy")
        assert (name, [[1.5, 0], [-2, 4]]) == (decoded.dtype.name, decoded.astype(float).tolist())


def test_numpy_without_the_dtype_gives_advice() -> None:
    """Asking numpy for bf16 names the dtype and says what helps."""
    script = """
        from tech_renaissance._base import tensor as tensor_module
        from tech_renaissance._protocol import tsr
        try:
            tsr.decode(tsr.header_for(tensor_module.DTYPES[4], (0,)), "numpy")
        except tsr.FormatError as error:
            print(error.code, error)
    """
    printed = _run(script)
    assert printed.startswith("unsupported_dtype numpy has no bfloat16")
    assert 'library="torch"' in printed


# ------------------------------------------------------------------------------------------------------ DLPack


class Exporter:
    """A tensor of a library that is known only by its DLPack methods."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def __dlpack__(self, **options: Any) -> Any:
        """Export the wrapped tensor."""
        return self._tensor.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        """Say where it is."""
        return self._tensor.__dlpack_device__()


class BrokenExporter(Exporter):
    """An exporter that cannot export."""

    def __dlpack__(self, **options: Any) -> Any:
        """Fail as the array API says."""
        raise BufferError("on another planet")


class BrokenExporterWithArray(BrokenExporter):
    """An exporter that cannot export, but can be converted."""

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        """Convert to numpy."""
        return self._tensor


@pytest.mark.skipif(not hasattr(np, "from_dlpack"), reason="numpy without DLPack")
@pytest.mark.parametrize(
    "tensor", [np.arange(6.0).reshape(2, 3).T, np.int16([1, 2])], ids=["strided", "int16"]
)
def test_dlpack(tensor: Any) -> None:
    """Anything with DLPack is taken as what it wraps."""
    assert encode(tensor) == encode(Exporter(tensor))


def test_dlpack_that_fails() -> None:
    """An exporter that fails is refused with its reason, or converted if it can be."""
    with pytest.raises(FormatError, match="another planet") as caught:
        encode(BrokenExporter(np.arange(3)))
    assert "unsupported_dtype" == caught.value.code
    assert encode(np.arange(3)) == encode(BrokenExporterWithArray(np.arange(3)))


def test_dlpack_of_a_dtype_that_numpy_lacks(torch: Any) -> None:
    """A bf16 tensor behind DLPack is taken through torch."""
    tensor = torch.tensor([1.5, -2], dtype=torch.bfloat16)
    assert encode(tensor) == encode(Exporter(tensor))


# --------------------------------------------------------------------------------------------------- libraries


def test_torch_is_the_default_once_it_is_imported(torch: Any) -> None:
    """Torch tensors come out then."""
    assert isinstance(decode(encode([1.0])), torch.Tensor)
    assert isinstance(decode(encode([1.0]), "numpy"), np.ndarray)


def test_numpy_is_the_default_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numpy arrays come out where torch is missing; asking for torch then is an ImportError."""
    monkeypatch.setitem(sys.modules, "torch", None)
    assert isinstance(decode(encode([1.0])), np.ndarray)
    with pytest.raises(ImportError):
        decode(encode([1.0]), "torch")


def test_torch_is_not_imported_for_what_comes_out() -> None:
    """Though it may be installed."""
    script = """
        import sys
        from tech_renaissance import decode, encode
        print(type(decode(encode([1.0]))).__name__, "torch" in sys.modules)
    """
    assert "ndarray False" == _run(script)


def test_a_library_that_does_not_exist_is_refused_where_it_is_given() -> None:
    """And not at the first tensor."""
    for take in (
        lambda: PythonSession(library="pytorch"),  # type: ignore[arg-type]
        lambda: TechRenaissanceServer(library="pytorch"),  # type: ignore[arg-type]
        lambda: decode(encode([1.0]), "pytorch"),  # type: ignore[arg-type]
    ):
        with pytest.raises(LocalProtocolError, match="pytorch") as caught:
            take()
        assert "bad_option" == caught.value.code


def test_import_loads_no_library() -> None:
    """Importing the module loads neither numpy nor torch."""
    script = """
        import sys
        from tech_renaissance._base import tensor as tensor_module
        from tech_renaissance._protocol import tsr
        print(sorted({"numpy", "torch"} & set(sys.modules)))
    """
    assert "[]" == _run(script)


def test_numpy_tensors_do_not_load_torch() -> None:
    """Encoding an array and decoding one for numpy never imports torch."""
    script = """
        import sys
        import numpy
        from tech_renaissance._protocol import tsr
        print(tsr.decode(tsr.encode(numpy.ones(2)), "numpy"), "torch" in sys.modules)
    """
    assert "[1. 1.] False" == _run(script)


@pytest.mark.skipif(not torch_installed(), reason="torch is not installed")
def test_torch_works_without_numpy() -> None:
    """A torch whose numpy is missing or broken reads and writes every dtype it has."""
    script = """
        import sys, warnings
        sys.modules["numpy"] = None
        warnings.simplefilter("ignore")
        import torch
        from tech_renaissance._protocol import tsr
        for name in ("float32", "bfloat16", "bool", "complex64"):
            tensor = torch.ones(2, 3, dtype=getattr(torch, name)).t()
            assert torch.equal(tensor, tsr.decode(tsr.encode(tensor)))
            assert torch.equal(tensor, tsr.decode(bytearray(tsr.encode(tensor))))
        print("equal")
    """
    assert "equal" == _run(script)


def test_a_library_that_a_host_does_not_have_is_each_calls_error(
    workspace: Path, transport: str, worker_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no tensor comes all the same, and no answer is taken for another."""
    monkeypatch.setitem(sys.modules, "torch", None)
    view._form.cache_clear()  # this process may have had it in an earlier test
    with PythonSession(WORKERS / "echo_tensors.py", "missing", True, library="torch") as session:
        session.send_tensor(np.ones(3, np.float32), "x")
        for text in ("one", "two"):
            with pytest.raises(CommandError, match="torch"):
                session.fetch_tensor("same x")
            assert text == session.fetch_response(f"echo {text}")


def test_what_holds_tensors_is_refused_with_a_cure() -> None:
    """A dict is an argument of a call."""
    with pytest.raises(FormatError, match=r"dict is not a tensor: .* as an argument of call"):
        check_sendable({"weights": np.ones(2)})
    with pytest.raises(FormatError, match=r"object is not a tensor: .* send the numbers in it"):
        check_sendable(object())
