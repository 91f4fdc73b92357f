"""Tensors of torch travel by value, whatever they are views of, and come back as tensors of torch."""

import ctypes
import gc
from typing import Any, Dict, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tech_renaissance import PythonSession
from tech_renaissance._base.errors import FormatError
from tech_renaissance._base.sendable import check_sendable
from tech_renaissance._base.tensor import DTYPES, describe, from_buffer
from tech_renaissance._protocol.tsr import decode, encode, import_tsr


def _torch_tensors(torch: Any) -> Dict[str, Tuple[Any, Any]]:
    grid = torch.arange(6).reshape(2, 3)
    complexes = torch.tensor([1 + 2j, 3 - 4j])
    return {
        "transposed": (grid.t(), [[0, 3], [1, 4], [2, 5]]),
        "slice": (grid[:, 1:], [[1, 2], [4, 5]]),
        "every second": (torch.arange(6)[::2], [0, 2, 4]),
        "expanded": (torch.arange(2).expand(2, 2), [[0, 1], [0, 1]]),
        "channels last": (
            grid.reshape(1, 2, 1, 3).to(memory_format=torch.channels_last),
            [[[[0, 1, 2]], [[3, 4, 5]]]],
        ),
        "requires grad": (torch.ones(2, requires_grad=True), [1, 1]),
        "result of a computation": (torch.ones(2, requires_grad=True) * 2, [2, 2]),
        "parameter": (torch.nn.Parameter(torch.ones(2)), [1, 1]),
        "conjugate view": (complexes.conj(), [1 - 2j, 3 + 4j]),
        "negative view": (complexes.conj().imag, [-2, 4]),
        "contiguous negative view": (complexes[:1].conj().imag, [-2]),
        "zero-dimensional": (torch.tensor(7), 7),
        "empty": (torch.zeros(2, 0, 3), [[], []]),
        "bool": (torch.tensor([True, False]), [True, False]),
        "bool of other bytes": (
            torch.tensor([0, 1, 2], dtype=torch.uint8).view(torch.bool),
            [False, True, True],
        ),
        "list of scalars": ([torch.tensor(1), torch.tensor(2)], [1, 2]),
    }


def test_any_torch_tensor_is_taken(torch: Any) -> None:
    """Torch tensors are encoded by value, whatever their strides, history or lazy bits; and come back as such."""
    for name, (tensor, expected) in _torch_tensors(torch).items():
        encoded = encode(tensor)
        assert (name, expected) == (name, decode(encoded, "torch").tolist())
        assert (name, expected) == (name, decode(encoded, "numpy").tolist())


def test_contiguous_torch_tensor_is_not_copied(torch: Any) -> None:
    """The described memory is the tensor's own, and keeps it alive."""
    tensor = torch.arange(1000.0, requires_grad=True)
    raw = describe(tensor)
    assert tensor.data_ptr() == ctypes.addressof(ctypes.c_ubyte.from_buffer(raw.data))
    del tensor
    gc.collect()
    assert torch.arange(1000.0).numpy().tobytes() == raw.data


def test_bf16_and_fp8(torch: Any) -> None:
    """bf16 and fp8 keep their bits, through bytes, buffers and views."""
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        if not hasattr(torch, name):
            continue
        tensor = torch.tensor([[1.5, -2], [0, 4]]).to(getattr(torch, name)).t()
        for buffer in (encode(tensor), bytearray(encode(tensor))):
            decoded = decode(buffer)
            assert tensor.dtype == decoded.dtype
            assert [[1.5, 0], [-2, 4]] == decoded.float().tolist()


def test_old_torch_lacks_dtypes(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dtype that this torch does not have is refused by name, with advice."""
    data = encode(np.zeros(2, dtype=np.uint16))
    monkeypatch.delattr(torch, "uint16", raising=False)
    with pytest.raises(FormatError, match="newer torch") as caught:
        decode(data, "torch")
    assert "unsupported_dtype" == caught.value.code


def _special_torch_tensors(torch: Any) -> Dict[str, Tuple[Any, str]]:
    """As far as this torch has them, each with a piece of the advice."""
    tensors: Dict[str, Tuple[Any, str]] = {
        "sparse": (torch.eye(2).to_sparse(), "to_dense"),
        "meta": (torch.zeros(2, device="meta"), "no elements"),
    }
    if torch.backends.quantized.engine != "none":
        tensors["quantized"] = (torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8), "dequantize")
    rows = [torch.ones(2), torch.ones(3)]
    if hasattr(torch, "nested"):
        tensors["nested"] = (torch.nested.nested_tensor(rows), "to_padded_tensor")
    if hasattr(torch, "jagged"):
        tensors["jagged"] = (torch.nested.nested_tensor(rows, layout=torch.jagged), "to_padded_tensor")
    if hasattr(torch, "masked") and hasattr(torch.masked, "masked_tensor"):
        masked = torch.masked.masked_tensor(torch.ones(2), torch.tensor([True, False]))
        tensors["masked"] = (masked, "to_tensor")
    return tensors


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor", "ignore:The PyTorch API of")
def test_torch_tensors_that_are_more_than_a_block_of_elements(torch: Any, workspace: Any) -> None:
    """Sparse, meta, quantized, nested and masked tensors are refused with advice, wherever they are handed over."""
    check_sendable(torch.ones(2))  # an ordinary tensor of the same dtype came before
    session = PythonSession(session_id="never_started", workspace=str(workspace))
    for name, (tensor, cure) in _special_torch_tensors(torch).items():
        for take in (encode, check_sendable, lambda tensor: session.send_tensor(tensor, "x")):
            with pytest.raises(FormatError, match=cure) as caught:
                take(tensor)
            assert (name, "unsupported_dtype") == (name, caught.value.code)
    session.close()


def test_ordinary_torch_tensors_pass_the_check(torch: Any) -> None:
    """Whatever their strides, history or lazy bits."""
    for tensor, _ in _torch_tensors(torch).values():
        check_sendable(tensor)
        check_sendable(tensor)


def test_torch_tensor_without_memory(torch: Any) -> None:
    """A tensor that only pretends to have elements, as in tracing, is refused and not read from address 0."""

    class Fake(torch.Tensor):  # type: ignore[misc]
        """A tensor with a shape and no memory."""

        def data_ptr(self) -> int:
            """There is none."""
            return 0

    with pytest.raises(FormatError) as caught:
        encode(torch.zeros(3).as_subclass(Fake))
    assert "unsupported_dtype" == caught.value.code


def test_tensor_on_another_device_is_moved(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The elements are those of ``cpu()``: a tensor that is elsewhere is moved first."""
    here = torch.arange(3)

    class Elsewhere(torch.Tensor):  # type: ignore[misc]
        """A tensor whose elements are reached through ``cpu()`` only."""

        def detach(self) -> Any:
            """Stay elsewhere."""
            return self

        def cpu(self) -> Any:
            """Come here."""
            return here

    elsewhere = torch.zeros(3, dtype=torch.int64).as_subclass(Elsewhere)
    assert encode(here) == encode(elsewhere)


@given(data=st.data())
@settings(max_examples=50)
def test_any_torch_view_round_trips(data: st.DataObject) -> None:
    """Any dtype, permutation and slice comes back equal, and a copy of it encodes to the same bytes."""
    torch = pytest.importorskip("torch")
    dtype = data.draw(st.sampled_from([dtype for dtype in DTYPES if hasattr(torch, dtype.array_name)]))
    shape = data.draw(st.lists(st.integers(0, 3), max_size=8))
    raw = bytes(i % 2 for i in range(int(np.prod(shape, dtype=np.int64)) * dtype.nbytes))
    tensor = from_buffer(dtype, shape, memoryview(raw), "torch")
    tensor = tensor.permute(*data.draw(st.permutations(range(len(shape))))) if shape else tensor
    tensor = tensor[tuple(slice(None, None, data.draw(st.integers(1, 2))) for _ in shape)]
    decoded = decode(encode(tensor), "torch")
    assert (tensor.dtype, tensor.shape) == (decoded.dtype, decoded.shape)
    assert encode(tensor.contiguous()) == encode(decoded)


def test_mapped_torch_tensor_is_aligned(torch: Any, tmp_path: Any) -> None:
    """A mapped tensor's elements are aligned to 64 bytes, as its file's data is."""
    path = tmp_path / "x.tsr"
    path.write_bytes(encode(torch.ones(3, dtype=torch.float64)))
    assert 0 == import_tsr(path, "torch", mmap=True).data_ptr() % 64
