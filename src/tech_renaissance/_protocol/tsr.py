"""TSR: a tensor in bytes, as spec/tsr.md has it.

The rule of versions: a version number is a layout, and a reader refuses layouts it does not
know. Dtype codes may be added; a reader refuses codes it does not know. The tensor decides the
version; the writer has no choice.

Tensors to write are anything ``_base.tensor.describe`` takes. Tensors read are of the ``library`` asked for,
by default torch if this process has imported it, else numpy; they are always writable. Everything here is
safe to call from several threads at once. Bytes that are not TSR raise FormatError with the code and the
offset of spec/errors.md; errors of the operating system remain OSErrors.
"""

import contextlib
import io
import itertools
import mmap as _mmap
import os
import struct
from typing import Any, BinaryIO, Dict, Generator, NamedTuple, Optional, Sequence, Tuple, Union

from .._base.errors import FormatError
from .._base.tensor import (
    DTYPE_OF_CODE,
    DType,
    Library,
    allocate,
    canonical_bools,
    describe,
    from_buffer,
)

Buffer = Union[bytes, bytearray, memoryview]
Path = Union[str, "os.PathLike[str]"]


class _Layout(NamedTuple):
    """Where a version keeps each field; offsets in bytes from the start of the header."""

    version: int
    header_nbytes: int
    ndim_max: int
    dims: struct.Struct
    dims_offset: int
    count_offset: int
    reserved: Sequence[Tuple[int, int]]  # (offset, nbytes), lowest offset first

    def dim_offset(self, index: int) -> int:
        return self.dims_offset + index * (self.dims.size // self.ndim_max)


_START = struct.Struct("<4s3i")  # magic, version, header_size, reserved_1: the same in every version
_KIND = struct.Struct("<2i")  # dtype, ndim
_COUNT = struct.Struct("<q")
_MAGIC = b"TSR!"
_COUNT_MAX = 2**63 - 1
_V1 = _Layout(1, 64, 4, struct.Struct("<4i"), 24, 40, ((12, 4), (48, 8), (56, 8)))
_V2 = _Layout(2, 128, 8, struct.Struct("<8q"), 32, 96, ((12, 4), (24, 8), (104, 8), (112, 8), (120, 8)))
_LAYOUTS = {layout.version: layout for layout in (_V1, _V2)}
_V1_VERSION = b"\1"
_V1_DTYPES = ("FP32", "INT8", "INT32")

HEADER_NBYTES_MAX = _V2.header_nbytes
HEADER_NBYTES_MIN = _V1.header_nbytes


class Header(NamedTuple):
    """What a TSR header says. ``header_nbytes`` is the offset of the data, a multiple of 64."""

    version: int
    header_nbytes: int
    dtype: DType
    shape: Tuple[int, ...]
    numel: int

    @property
    def nbytes(self) -> int:
        """Bytes of data, without the header."""
        return self.numel * self.dtype.nbytes


# ---------------------------------------------------------------------------------------------------- headers


def header_for(dtype: DType, shape: Sequence[int]) -> bytes:
    """The header of a C-order tensor of this dtype and shape; no dimension may be negative.
    The data follows the header.

    Raises:
        FormatError: ``too_many_dims``: more than 8; ``count_overflow``: more than 2^63-1 bytes.
    """
    if len(shape) > _V2.ndim_max:
        raise FormatError("too_many_dims", f"{len(shape)} dimensions; TSR holds at most {_V2.ndim_max}")
    layout = _layout_for(dtype, shape)
    numel = _checked_numel(dtype, shape, -1)
    header = bytearray(layout.header_nbytes)
    _START.pack_into(header, 0, _MAGIC, layout.version, layout.header_nbytes, 0)
    _KIND.pack_into(header, _START.size, dtype.code, len(shape))
    layout.dims.pack_into(header, layout.dims_offset, *[1] * (layout.ndim_max - len(shape)), *shape)
    _COUNT.pack_into(header, layout.count_offset, numel)
    return bytes(header)


def _layout_for(dtype: DType, shape: Sequence[int]) -> _Layout:
    fits_v1 = len(shape) <= _V1.ndim_max and all(dim < 2**31 for dim in shape)
    return _V1 if fits_v1 and dtype.name in _V1_DTYPES else _V2


def read_header(start: Buffer, nbytes: int) -> Header:
    """Check and read the header of a TSR that has ``nbytes`` bytes in all; ``start`` holds the first
    HEADER_NBYTES_MAX of them, or all if there are fewer.

    Each byte is read only once, so ``start`` may be memory that another process can write to.

    Raises:
        FormatError: the first defect in the order of spec/errors.md.
    """
    head = bytes(memoryview(start)[: min(nbytes, HEADER_NBYTES_MAX)])
    header = peek_header(head, nbytes)
    _check_length(header, nbytes)
    return header


def is_short_header(head: bytes) -> bool:
    """Whether this is a header of HEADER_NBYTES_MIN bytes, if it is one at all."""
    return head[4:5] == _V1_VERSION


def peek_header(head: bytes, nbytes: int) -> Header:
    """Like ``read_header``, but does not check how many bytes follow: for data whose
    length something else checks.
    """
    layout = _read_layout(head, nbytes)
    code, ndim = _KIND.unpack_from(head, _START.size)
    dtype = DTYPE_OF_CODE.get(code)
    if dtype is None:
        raise FormatError("unknown_dtype", f"dtype code {code} is not known", 16)
    shape = _read_shape(head, layout, ndim)
    numel = _checked_numel(dtype, shape, layout.count_offset)
    (count,) = _COUNT.unpack_from(head, layout.count_offset)
    if count != numel:
        message = f"the header says {count} elements, the shape {_shown(shape)} has {numel}"
        raise FormatError("count_mismatch", message, layout.count_offset)
    return Header(layout.version, layout.header_nbytes, dtype, shape, numel)


def _read_layout(head: bytes, nbytes: int) -> _Layout:
    if len(head) < _START.size:
        message = f"{nbytes} bytes; a header has at least {_V1.header_nbytes}"
        raise FormatError("short_header", message, nbytes)
    magic, version, header_size, _ = _START.unpack_from(head)
    layout = _LAYOUTS.get(version)
    if layout is not None and len(head) < layout.header_nbytes:
        message = f"{nbytes} bytes; a version {version} header has {layout.header_nbytes}"
        raise FormatError("short_header", message, nbytes)
    if magic != _MAGIC:
        raise FormatError("bad_magic", "does not begin with 'TSR!': not a TSR file", 0)
    if layout is None:
        raise FormatError("unknown_version", f"version {version}; this reader knows 1 and 2", 4)
    if header_size != layout.header_nbytes:
        message = f"header size {header_size}; version {version} has {layout.header_nbytes}"
        raise FormatError("bad_header_size", message, 8)
    for offset, width in layout.reserved:
        if any(head[offset : offset + width]):
            raise FormatError("nonzero_reserved", f"the reserved field at offset {offset} is not 0", offset)
    return layout


def _read_shape(head: bytes, layout: _Layout, ndim: int) -> Tuple[int, ...]:
    if not 0 <= ndim <= layout.ndim_max:
        message = f"{ndim} dimensions; version {layout.version} holds 0 to {layout.ndim_max}"
        raise FormatError("bad_ndim", message, 20)
    dims: Tuple[int, ...] = layout.dims.unpack_from(head, layout.dims_offset)
    for index, dim in enumerate(dims):
        if dim < 0:
            raise FormatError("negative_dim", f"a dimension is {dim}", layout.dim_offset(index))
    unused = layout.ndim_max - ndim
    for index, dim in enumerate(dims[:unused]):
        if dim != 1:
            message = f"an unused dimension is {dim}, not 1"
            raise FormatError("bad_padding_dim", message, layout.dim_offset(index))
    return dims[unused:]


def _checked_numel(dtype: DType, shape: Sequence[int], offset: int) -> int:
    count = 1
    for dim in shape:
        count *= dim or 1  # strides are computed without the zeros, so they must fit without them
    if count * dtype.nbytes > _COUNT_MAX:
        message = f"a tensor of {dtype.name} and shape {_shown(shape)} has more than 2^63-1 bytes"
        raise FormatError("count_overflow", message, offset)
    return 0 if 0 in shape else count


def _shown(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"


def _check_length(header: Header, nbytes: int) -> None:
    expected = header.header_nbytes + header.nbytes
    if nbytes < expected:
        raise FormatError("short_data", f"{nbytes} bytes; the header asks for {expected}", nbytes)
    if nbytes > expected:
        raise FormatError("trailing_bytes", f"{nbytes} bytes; the header asks for {expected}", expected)


# ---------------------------------------------------------------------------------------------------- buffers


def encode(tensor: Any) -> bytes:
    """A tensor as TSR bytes.

    Raises:
        FormatError: ``unsupported_dtype`` or ``too_many_dims``.
    """
    raw = describe(tensor)
    return b"".join((header_for(raw.dtype, raw.shape), raw.data))


def decode(buffer: Buffer, library: Optional[Library] = None) -> Any:
    """The tensor in ``buffer``, which must be exactly one TSR.

    A writable, aligned ``buffer`` (bytearray, shared memory) is not copied: the tensor is a view that keeps
    it alive. Any other is copied, so the tensor is writable either way.

    Raises:
        FormatError: the buffer is no TSR, or ``unsupported_dtype``: the library has no such dtype.
        ImportError: ``library`` is not installed.
    """
    view = memoryview(buffer)
    view = view.cast("B") if view.nbytes else memoryview(b"")
    header = read_header(view, view.nbytes)
    return from_buffer(header.dtype, header.shape, view[header.header_nbytes :], library)


# ------------------------------------------------------------------------------------------------------ files


def export_tsr(tensor: Any, path: Path) -> None:
    """Write a tensor to a TSR file, replacing what is there.

    A reader sees either the whole old file or the whole new one; a failure leaves the old one and nothing
    else. A contiguous CPU tensor is written from its own memory.

    Raises:
        FormatError: ``unsupported_dtype`` or ``too_many_dims``.
        OSError: the file cannot be written.
    """
    raw = describe(tensor)
    header = header_for(raw.dtype, raw.shape)
    with _replacing(os.fsdecode(path)) as file:
        file.write(header)
        file.write(raw.data)


def import_tsr(path: Path, library: Optional[Library] = None, mmap: bool = False) -> Any:
    """The tensor in a TSR file. Nothing is allocated before the header is checked against the file's length.

    With ``mmap`` the elements are mapped, not read: pages come in as they are touched. Writing to the tensor
    does not change the file. While the tensor lives, the file may be deleted or replaced, but not shortened.

    Raises:
        FormatError: the file is no TSR, or ``unsupported_dtype``: the library has no such dtype.
        ImportError: ``library`` is not installed.
        OSError: the file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        header = _read_file_header(file, path)
        if mmap:
            nbytes = header.header_nbytes + header.nbytes
            mapped = memoryview(_mmap.mmap(file.fileno(), nbytes, access=_mmap.ACCESS_COPY))
            return from_buffer(header.dtype, header.shape, mapped[header.header_nbytes :], library)
        return _read_tensor(file, path, header, library)


def read_tsr(file: io.FileIO, path: Path, library: Optional[Library]) -> Any:
    """The tensor in an open TSR file. ``path`` is for error messages. Raises as ``import_tsr`` does."""
    return _read_tensor(file, path, _read_file_header(file, path), library)


def _read_tensor(file: io.FileIO, path: Path, header: Header, library: Optional[Library]) -> Any:
    tensor, memory = allocate(header.dtype, header.shape, library)
    file.seek(header.header_nbytes)
    _read_into(file, memory, path)
    return canonical_bools(tensor, header.dtype)


def get_tsr_info(path: Path) -> Dict[str, Any]:
    """What the header of a TSR file says. Does not read the data.

    Keys: ``filename`` (as given), ``version``, ``dtype`` (name in TSR, such as "FP32"), ``shape`` (list),
    ``ndim``, ``numel``, ``nbytes`` (of the data), ``size_bytes`` (the same). Raises as ``import_tsr`` does.
    """
    with open(path, "rb", buffering=0) as file:
        header = _read_file_header(file, path)
    return {
        "filename": os.fspath(path),
        "version": header.version,
        "dtype": header.dtype.name,
        "shape": list(header.shape),
        "ndim": len(header.shape),
        "numel": header.numel,
        "nbytes": header.nbytes,
        "size_bytes": header.nbytes,
    }


def _read_file_header(file: io.FileIO, path: Path) -> Header:
    nbytes = os.fstat(file.fileno()).st_size
    try:
        return read_header(file.read(HEADER_NBYTES_MAX), nbytes)
    except FormatError as error:
        raise FormatError(error.code, f"{os.fsdecode(path)}: {error}", error.offset) from None


def _read_into(file: io.FileIO, memory: memoryview, path: Path) -> None:
    position = 0
    while position < len(memory):
        count = file.readinto(memory[position:])
        if not count:  # the file was shortened after its length was checked
            message = f"{os.fsdecode(path)}: the file was shortened while it was being read"
            raise FormatError("short_data", message, file.tell())
        position += count


_temp_numbers = itertools.count()


@contextlib.contextmanager
def _replacing(path: str) -> Generator[BinaryIO, None, None]:
    """A new file that replaces ``path`` at the end of the block, or is removed if the block fails."""
    folder, name = os.path.split(path)
    temp = os.path.join(folder, f".{name}.{os.getpid()}.{next(_temp_numbers)}.tmp")
    try:
        with open(temp, "xb") as file:
            yield file
        os.replace(temp, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temp)
        raise
