"""Tensors as raw memory, and raw memory as tensors: the dtype table, and how torch and numpy use it.

torch and numpy agree on almost everything this module needs (the names of dtypes, ``empty``, ``frombuffer``,
``view``), so here a library is just its module. Both are imported on first use, so importing this module
costs nothing, and a worker without torch looks for it only once. No tensor passes through the other library:
bf16 and fp8 do not need numpy, and a torch whose numpy bridge does not work is fine.

Everything here is safe to call from several threads at once.
"""

import ctypes
import functools
import importlib
import importlib.util
import sys
from typing import Any, Callable, List, Literal, NamedTuple, Optional, Sequence, Tuple

from .errors import LocalProtocolError
from .no_tensor import check_array, check_torch, check_value, no_dtype, unsupported

Library = Literal["torch", "numpy"]


class DType(NamedTuple):
    """An element type. ``array_name`` is what torch, numpy and ml_dtypes all call it."""

    name: str
    code: int
    nbytes: int
    array_name: str


# The codes of spec/tsr.md. Names and codes never change.
DTYPES = (
    DType("FP32", 1, 4, "float32"),
    DType("INT8", 2, 1, "int8"),
    DType("INT32", 3, 4, "int32"),
    DType("FP16", 4, 2, "float16"),
    DType("BF16", 5, 2, "bfloat16"),
    DType("FP64", 6, 8, "float64"),
    DType("INT16", 7, 2, "int16"),
    DType("UINT8", 8, 1, "uint8"),
    DType("INT64", 9, 8, "int64"),
    DType("BOOL", 10, 1, "bool"),
    DType("UINT16", 11, 2, "uint16"),
    DType("UINT32", 12, 4, "uint32"),
    DType("UINT64", 13, 8, "uint64"),
    DType("COMPLEX64", 14, 8, "complex64"),
    DType("COMPLEX128", 15, 16, "complex128"),
    DType("FP8_E4M3", 16, 1, "float8_e4m3fn"),
    DType("FP8_E5M2", 17, 1, "float8_e5m2"),
)
DTYPE_OF_CODE = {dtype.code: dtype for dtype in DTYPES}
DTYPE_OF_ARRAY_NAME = {dtype.array_name: dtype for dtype in DTYPES}


class RawTensor(NamedTuple):
    """A tensor's elements as bytes: little-endian, C order, no gaps.

    ``data`` keeps the memory alive. It is the tensor's own memory, not a copy, if that is on the CPU and
    already has this form.
    """

    dtype: DType
    shape: Tuple[int, ...]
    data: memoryview


# ------------------------------------------------------------------------------------------- tensor to memory


def describe(tensor: Any) -> RawTensor:
    """The elements of any tensor: torch, numpy, DLPack, or what ``numpy.asarray``
    takes (scalars, nested lists).

    A tensor on another device is moved; one with strides, a foreign byte order or lazy conjugation is copied.

    Raises:
        FormatError: ``unsupported_dtype``: TSR has no such dtype, or it is not a plain block of elements
        (sparse, meta, nested, masked, quantized).
    """
    if is_torch(tensor):
        return _describe_torch(tensor)
    array = _to_array(tensor)
    return _describe_torch(array) if is_torch(array) else _describe_numpy(array)


def _describe_torch(tensor: Any) -> RawTensor:
    dtype = torch_dtype(tensor)
    dense = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    return RawTensor(dtype, tuple(tensor.shape), _torch_memory(canonical_bools(dense, dtype)))


def _describe_numpy(array: Any) -> RawTensor:
    dtype = array_dtype(array)
    dense = _numpy().ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return RawTensor(dtype, tuple(array.shape), _numpy_memory(canonical_bools(dense, dtype)))


def _torch_memory(dense: Any) -> memoryview:
    nbytes = dense.numel() * dense.element_size()
    if nbytes == 0:
        return memoryview(bytearray())
    try:
        address = dense.data_ptr()
    except RuntimeError:  # inside a trace or vmap, for example
        address = 0
    if not address:
        raise unsupported(f"a {type(dense).__name__} without memory of its own has no elements")
    memory: Any = (ctypes.c_ubyte * nbytes).from_address(address)
    memory.owner = dense  # ctypes only borrows the address; the memoryview keeps both alive
    return memoryview(memory).cast("B")


def _numpy_memory(dense: Any) -> memoryview:
    return memoryview(dense.reshape(-1).view(_numpy().uint8))


def _to_array(tensor: Any) -> Any:
    """Convert anything but a torch tensor to a numpy array, or to a torch
    tensor if only torch can read it.
    """
    if is_array(tensor):
        check_array(tensor)
        return _numpy().asarray(tensor)
    failures: List[str] = []
    for convert in _converters(tensor):
        try:
            array = convert(tensor)
        except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
            failures.append(str(error))
            continue
        if not is_torch(array):
            check_value(tensor, array)
        return array
    raise unsupported(f"{type(tensor).__name__} is not a tensor: {'; '.join(failures)}")


def _converters(tensor: Any) -> List[Callable[[Any], Any]]:
    numpy = _numpy()
    if not hasattr(tensor, "__dlpack__"):
        return [numpy.asarray]
    converters: List[Callable[[Any], Any]] = []
    if hasattr(numpy, "from_dlpack"):  # since numpy 1.23
        converters.append(numpy.from_dlpack)
    if torch_installed():  # it reads other devices, and dtypes numpy does not have
        converters.append(_torch().from_dlpack)
    if hasattr(tensor, "__array__"):
        converters.append(numpy.asarray)
    return converters


def torch_dtype(tensor: Any) -> DType:
    """The dtype of a torch tensor. Raises FormatError if the tensor cannot be sent."""
    check_torch(tensor)
    return _known(str(tensor.dtype).replace("torch.", ""), tensor.dtype)


def array_dtype(array: Any) -> DType:
    """The same for a numpy array."""
    check_array(array)
    return _known(array.dtype.name, array.dtype)


def _known(array_name: str, dtype: Any) -> DType:
    known = DTYPE_OF_ARRAY_NAME.get(array_name)
    if known is None:
        raise no_dtype(dtype)
    return known


def canonical_bools(tensor: Any, dtype: DType) -> Any:
    """``tensor``, or a copy if it is BOOL and has bytes other than 0 and 1, which are undefined behaviour in
    the libraries; such a byte counts as true.
    """
    if dtype.name != "BOOL" or 0 in tensor.shape:
        return tensor
    raw = tensor.view(_module(_library_of(tensor)).uint8)
    return raw != 0 if raw.max() > 1 else tensor


# ------------------------------------------------------------------------------------------- memory to tensor


def allocate(dtype: DType, shape: Sequence[int], library: Optional[Library] = None) -> Tuple[Any, memoryview]:
    """A new uninitialised tensor on the CPU in C order, and its memory as bytes, for the caller to fill.

    ``library``: as in ``choose_library``. After filling a BOOL tensor with bytes of unknown origin, pass
    it through ``canonical_bools``.

    Raises:
        FormatError: ``unsupported_dtype``: the library (or this version of it) has no such dtype.
        ImportError: the library is not installed.
    """
    name = choose_library(library)
    tensor = _module(name).empty(tuple(shape), dtype=native_dtype(dtype, name))
    return tensor, _torch_memory(tensor) if name == "torch" else _numpy_memory(tensor)


def from_buffer(
    dtype: DType, shape: Sequence[int], data: memoryview, library: Optional[Library] = None
) -> Any:
    """A writable tensor with the elements in ``data``, which is exactly as long as they are.

    The tensor is a view of ``data``, which it keeps alive, if ``data`` is writable and aligned to its
    elements (and, for BOOL, holds only 0 and 1); otherwise a copy. Errors as for ``allocate``.
    """
    if data.readonly or 0 in shape or not _is_aligned(data, dtype):
        tensor, memory = allocate(dtype, shape, library)
        memory[:] = data
    else:
        name = choose_library(library)
        flat = _module(name).frombuffer(data, dtype=native_dtype(dtype, name))
        tensor = flat.reshape(tuple(shape))
    return canonical_bools(tensor, dtype)


def _is_aligned(data: memoryview, dtype: DType) -> bool:
    return ctypes.addressof(ctypes.c_ubyte.from_buffer(data)) % dtype.nbytes == 0


def native_dtype(dtype: DType, library: Library) -> Any:
    try:
        return getattr(_torch(), dtype.array_name) if library == "torch" else _numpy().dtype(dtype.array_name)
    except (AttributeError, TypeError):
        if library == "torch":
            advice = 'use a newer torch, or library="numpy" if that has it'
        else:
            advice = 'import torch first (or ml_dtypes), or ask for library="torch"'
        raise unsupported(f"{library} has no {dtype.array_name} ({dtype.name}): {advice}") from None


# -------------------------------------------------------------------------------------------------- libraries


@functools.lru_cache(maxsize=None)
def torch_installed() -> bool:
    """Whether torch can be imported. Does not import it."""
    return importlib.util.find_spec("torch") is not None


def choose_library(library: Optional[Library]) -> Library:
    """The library that ``library`` means. None means torch if this process has imported it, else numpy.

    Raises LocalProtocolError ``bad_option`` (a ValueError) for any other value.
    """
    if library not in ("torch", "numpy", None):
        raise LocalProtocolError("bad_option", f'library must be "torch", "numpy" or None, not {library!r}')
    return library or imported_library()


def imported_library() -> Library:
    """Torch if this process has imported it, else numpy. While torch is still being
    imported it has no Tensor.
    """
    return "torch" if hasattr(sys.modules.get("torch"), "Tensor") else "numpy"


def dtype_named(dtype: Any) -> DType:
    """The DType for a torch or numpy dtype, its name ("float32"), or its name in TSR ("FP32").

    Raises FormatError ``unsupported_dtype``.
    """
    try:
        return _dtype_named(dtype)
    except TypeError:
        raise unsupported(f"there is no dtype {dtype!r}: give one such as float32 or int64") from None


@functools.lru_cache(maxsize=1024)  # numpy needs microseconds to look up a dtype's name
def _dtype_named(dtype: Any) -> DType:
    name = str(getattr(dtype, "__name__", dtype)).replace("torch.", "")
    for known in DTYPES:
        if name in (known.name, known.array_name):
            return known
    native = _numpy().dtype(dtype)
    return _known(native.name, native)


def is_torch(tensor: Any) -> bool:
    """Whether it is a torch tensor; does not import torch."""
    # A torch tensor exists only if torch was imported; while torch is still being imported it has no Tensor.
    return isinstance(tensor, getattr(sys.modules.get("torch"), "Tensor", ()))


def copy_of_tensor(tensor: Any) -> Any:
    """A copy with memory of its own. One that is neither a torch tensor nor a numpy array is taken for
    immutable.
    """
    if is_torch(tensor):
        return tensor.detach().clone()
    return tensor.copy() if is_array(tensor) else tensor


def is_array(tensor: Any) -> bool:
    """Whether it is a numpy array or a numpy scalar."""
    return isinstance(tensor, (_numpy().ndarray, _numpy().generic))


def _library_of(tensor: Any) -> Library:
    return "torch" if is_torch(tensor) else "numpy"


def _module(library: Library) -> Any:
    return _torch() if library == "torch" else _numpy()


# Modules are Any because torch may be missing where this is type-checked, and one signature serves both.
def _numpy() -> Any:
    return importlib.import_module("numpy")


def _torch() -> Any:
    return importlib.import_module("torch")
