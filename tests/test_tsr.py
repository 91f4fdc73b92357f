"""Reading and writing TSR: the bytes, the promises about memory and files, and that nothing else ever happens."""

import gc
import os
import struct
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from pathlib import Path
from typing import Any, Callable, List, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import moves_open_folders, posix_limits

from tech_renaissance._base.errors import FormatError
from tech_renaissance._base.tensor import DTYPES, allocate, describe, torch_installed
from tech_renaissance._protocol import tsr

LIBRARIES = [
    "numpy",
    pytest.param("torch", marks=pytest.mark.skipif(not torch_installed(), reason="torch is not installed")),
]
NUMPY_DTYPES = [dtype for dtype in DTYPES if dtype.name not in ("BF16", "FP8_E4M3", "FP8_E5M2")]
EXAMPLE = np.arange(6, dtype=np.float32).reshape(2, 3)


def _values(tensor: Any) -> List[Any]:
    values: List[Any] = tensor.tolist()
    return values


def _code_of(action: Callable[[], Any]) -> Tuple[str, int]:
    with pytest.raises(FormatError) as caught:
        action()
    return caught.value.code, caught.value.offset


# ------------------------------------------------------------------------------------------------- the bytes


def test_version_1_bytes() -> None:
    """A version-1 file is the 64 bytes every version-1 reader knows, then the elements."""
    header = struct.pack("<4siiiiiiiiiqqq", b"TSR!", 1, 64, 0, 1, 2, 1, 1, 2, 3, 6, 0, 0)
    assert header + struct.pack("<6f", 0, 1, 2, 3, 4, 5) == tsr.encode(EXAMPLE)


def test_version_2_bytes() -> None:
    """A version-2 file is 128 bytes of header, then the elements."""
    header = struct.pack("<4siiiiiqqqqqqqqqqqqq", b"TSR!", 2, 128, 0, 9, 1, 0, *[1] * 7, 2, 2, 0, 0, 0)
    assert header + struct.pack("<qq", -1, 7) == tsr.encode(np.array([-1, 7], dtype=np.int64))


@pytest.mark.parametrize("dtype", NUMPY_DTYPES, ids=lambda dtype: dtype.name)
def test_version_law(dtype: Any) -> None:
    """Version 1 whenever dtype and number of dimensions allow it, else version 2."""
    for ndim in range(9):
        data = tsr.encode(np.zeros((1,) * ndim, dtype=dtype.array_name))
        expected = 1 if dtype.name in ("FP32", "INT8", "INT32") and ndim <= 4 else 2
        assert expected == struct.unpack_from("<i", data, 4)[0]


def test_version_law_for_large_dimensions() -> None:
    """A dimension of 2^31 needs version 2."""
    for dim, expected in ((2**31 - 1, 1), (2**31, 2)):
        assert expected == struct.unpack_from("<i", tsr.header_for(DTYPES[1], (dim, 0)), 4)[0]


def test_too_many_dimensions() -> None:
    """More than 8 dimensions are refused by name."""
    assert ("too_many_dims", -1) == _code_of(lambda: tsr.encode(np.zeros((1,) * 9)))


def test_writer_refuses_what_the_reader_would() -> None:
    """A shape whose strides overflow has no header, with or without elements."""
    for shape in ((2**62, 2**62), (2**62, 2**62, 0)):
        assert ("count_overflow", -1) == _code_of(lambda shape=shape: tsr.header_for(DTYPES[0], shape))


@given(st.data())
def test_any_array_round_trips(data: st.DataObject) -> None:
    """Any dtype, shape, strides and byte order come back with the same elements, from bytes and from a buffer."""
    dtype = data.draw(st.sampled_from(NUMPY_DTYPES))
    shape = data.draw(st.lists(st.integers(0, 3), max_size=8))
    array = _random_array(data, dtype, shape)
    array = array.transpose(data.draw(st.permutations(range(len(shape)))))
    array = array[tuple(slice(None, None, data.draw(st.sampled_from((1, 2, -1)))) for _ in shape)]
    encoded = tsr.encode(array)
    for buffer in (encoded, bytearray(encoded)):
        decoded = tsr.decode(buffer, "numpy")
        assert array.shape == decoded.shape
        assert np.dtype(dtype.array_name) == decoded.dtype
        assert array.astype(decoded.dtype).tobytes() == decoded.tobytes()
        assert encoded == tsr.encode(decoded)


def _random_array(data: st.DataObject, dtype: Any, shape: List[int]) -> Any:
    native = np.dtype(dtype.array_name)
    nbytes = int(np.prod(shape, dtype=np.int64)) * native.itemsize
    seed = data.draw(st.integers(0, 2**32 - 1))
    raw = np.random.RandomState(seed).bytes(nbytes)
    if dtype.name == "BOOL":
        raw = bytes(byte & 1 for byte in raw)
    return np.frombuffer(raw, native.newbyteorder(data.draw(st.sampled_from("<>")))).reshape(shape)


# -------------------------------------------------------------------------------------------------- buffers


@pytest.mark.parametrize("library", LIBRARIES)
def test_writable_buffer_is_shared(library: Any) -> None:
    """The tensor of a bytearray is a view of it, and keeps it from being resized."""
    buffer = bytearray(tsr.encode(EXAMPLE))
    tensor = tsr.decode(buffer, library)
    tensor[0, 0] = 42
    assert struct.pack("<f", 42) == buffer[64:68]
    buffer[68:72] = struct.pack("<f", 43)
    assert 43 == tensor[0, 1]
    with pytest.raises(BufferError):
        buffer.append(0)


@pytest.mark.parametrize("library", LIBRARIES)
def test_read_only_buffer_is_copied(library: Any) -> None:
    """The tensor of bytes is writable and the bytes stay as they are."""
    data = tsr.encode(EXAMPLE)
    tensor = tsr.decode(data, library)
    tensor += 1
    assert [[1, 2, 3], [4, 5, 6]] == _values(tensor)
    assert tsr.encode(EXAMPLE) == data


@pytest.mark.parametrize("library", LIBRARIES)
def test_misaligned_buffer_is_copied(library: Any) -> None:
    """Elements that are not aligned in the buffer are aligned in the tensor."""
    buffer = bytearray(b"x" + tsr.encode(EXAMPLE))
    tensor = tsr.decode(memoryview(buffer)[1:], library)
    tensor[0, 0] = 42
    assert [[42, 1, 2], [3, 4, 5]] == _values(tensor)
    assert tsr.encode(EXAMPLE) == buffer[1:]


@pytest.mark.parametrize("library", LIBRARIES)
def test_bool_bytes_other_than_0_and_1_are_true(tmp_path: Path, library: Any) -> None:
    """A byte of 2 becomes 1 in the tensor, which the libraries need to be right; the buffer is not touched."""
    buffer = bytearray(tsr.encode(np.zeros(3, dtype=bool)))
    buffer[-1] = 2
    before = bytes(buffer)
    path = tmp_path / "x.tsr"
    path.write_bytes(before)
    for tensor in (
        tsr.decode(buffer, library),
        tsr.decode(before, library),
        tsr.import_tsr(path, library),
        tsr.import_tsr(path, library, mmap=True),
    ):
        assert [0, 0, 1] == np.asarray(tensor).view(np.uint8).tolist()
    assert before == buffer


def test_header_for_is_read_by_read_header() -> None:
    """What header_for writes read_header reads, from a buffer that need not hold the data."""
    start = tsr.header_for(DTYPES[8], (2, 3))
    header = tsr.read_header(start, 128 + 48)
    assert (2, 128, DTYPES[8], (2, 3), 6) == header
    assert 48 == header.nbytes
    assert ("short_data", 127 + 48) == _code_of(lambda: tsr.read_header(start, 127 + 48))


# ------------------------------------------------------------------------------------------- hostile bytes


@pytest.mark.parametrize("tensor", [EXAMPLE, np.arange(3, dtype=np.int64)], ids=["v1", "v2"])
def test_truncation_at_every_byte(tensor: Any, tmp_path: Path) -> None:
    """Every shorter prefix of a file is refused as short, at its length; the whole file is not."""
    data = tsr.encode(tensor)
    header_nbytes = len(data) - tensor.nbytes
    path = tmp_path / "t.tsr"
    for nbytes in range(len(data)):
        path.write_bytes(data[:nbytes])
        expected = ("short_header" if nbytes < header_nbytes else "short_data", nbytes)
        assert expected == _code_of(lambda: tsr.import_tsr(path, "numpy"))
        assert expected == _code_of(lambda nbytes=nbytes: tsr.decode(data[:nbytes], "numpy"))
    path.write_bytes(data)
    assert _values(tensor) == _values(tsr.import_tsr(path, "numpy"))


_edits = st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=8)), max_size=4)


@given(st.sampled_from([tsr.encode(EXAMPLE), tsr.encode(np.arange(9, dtype=np.int64))]), _edits, st.binary())
@settings(max_examples=300)
def test_corrupt_bytes_are_refused_or_read(data: bytes, edits: List[Tuple[int, bytes]], tail: bytes) -> None:
    """Whatever is overwritten or appended, the answer is a FormatError or a tensor of exactly those bytes."""
    corrupt = bytearray(data + tail)
    for offset, patch in edits:
        corrupt[offset : offset + len(patch)] = patch
    try:
        header = tsr.read_header(corrupt, len(corrupt))
        tensor = tsr.decode(bytes(corrupt), "numpy")
    except FormatError:
        return
    assert len(corrupt) == header.header_nbytes + describe(tensor).data.nbytes


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    """Bytes without the magic are never a tensor."""
    assert _code_of(lambda: tsr.decode(b"RIFF" + data))[0] in ("short_header", "bad_magic")


def test_file_that_is_shortened_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that loses its end after its header was checked is refused as short, at the new length."""
    path = tmp_path / "x.tsr"
    tsr.export_tsr(EXAMPLE, path)

    def shorten(*arguments: Any) -> Any:
        os.truncate(path, 70)
        return allocate(*arguments)

    monkeypatch.setattr(tsr, "allocate", shorten)
    assert ("short_data", 70) == _code_of(lambda: tsr.import_tsr(path, "numpy"))


@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mapped"])
def test_a_huge_claim_allocates_nothing(tmp_path: Path, mmap: bool) -> None:
    """A header that claims terabytes in a file of 64 bytes is refused before memory is asked for."""
    path = tmp_path / "claim.tsr"
    path.write_bytes(tsr.header_for(DTYPES[0], (2**20, 2**18)))
    tracemalloc.start()
    try:
        assert ("short_data", 64) == _code_of(lambda: tsr.import_tsr(path, "numpy", mmap=mmap))
        assert 100_000 > tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_allocates_only_the_elements(tmp_path: Path) -> None:
    """Reading a file takes its elements' size in memory, not twice that; writing takes next to nothing."""
    path = tmp_path / "big.tsr"
    array = np.zeros(1_000_000, dtype=np.float32)
    tracemalloc.start()
    try:
        tsr.export_tsr(array, path)
        assert 1_000_000 > tracemalloc.get_traced_memory()[1]
        tsr.import_tsr(path, "numpy")
        assert 5_000_000 > tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("as_path", [str, Path, os.fsencode], ids=["str", "Path", "bytes"])
def test_paths(tmp_path: Path, as_path: Callable[[Path], Any]) -> None:
    """A path may be a string or path-like; names beyond ASCII are fine."""
    path = as_path(tmp_path / "张量 1.tsr")
    tsr.export_tsr(EXAMPLE, path)
    assert _values(EXAMPLE) == _values(tsr.import_tsr(path, "numpy"))


def test_path_without_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare file name means the current directory."""
    monkeypatch.chdir(tmp_path)
    tsr.export_tsr(EXAMPLE, "x.tsr")
    assert ["x.tsr"] == os.listdir(tmp_path)


def test_info(tmp_path: Path) -> None:
    """The info has the keys that older callers know, and ours."""
    path = str(tmp_path / "x.tsr")
    tsr.export_tsr(EXAMPLE, path)
    assert {
        "filename": path,
        "version": 1,
        "dtype": "FP32",
        "shape": [2, 3],
        "ndim": 2,
        "numel": 6,
        "nbytes": 24,
        "size_bytes": 24,
    } == tsr.get_tsr_info(path)


def test_operating_system_errors_stay(tmp_path: Path) -> None:
    """What cannot be opened is an OSError of the fitting kind, from each function."""
    missing = tmp_path / "no folder" / "x.tsr"
    for action in (tsr.import_tsr, tsr.get_tsr_info, lambda path: tsr.export_tsr(EXAMPLE, path)):
        with pytest.raises(FileNotFoundError):
            action(missing)


def test_error_names_the_file(tmp_path: Path) -> None:
    """The message about a broken file says which file."""
    path = tmp_path / "broken.tsr"
    path.write_bytes(b"RIFF" * 40)
    with pytest.raises(FormatError, match=r"broken\.tsr"):
        tsr.import_tsr(path)


def test_unknown_library() -> None:
    """A library that is neither torch nor numpy is the caller's mistake."""
    with pytest.raises(ValueError, match="tensorflow"):
        tsr.decode(tsr.encode(EXAMPLE), "tensorflow")  # type: ignore[arg-type]


@pytest.mark.parametrize("library", LIBRARIES)
def test_mapped_tensor_is_private(tmp_path: Path, library: Any) -> None:
    """A mapped tensor can be written to; the file does not change, and may be replaced or deleted."""
    path = tmp_path / "x.tsr"
    tsr.export_tsr(EXAMPLE, path)
    tensor = tsr.import_tsr(path, library, mmap=True)
    gc.collect()
    tensor[0, 0] = 42
    assert tsr.encode(EXAMPLE) == path.read_bytes()
    if os.name == "posix":  # Windows keeps a mapped file in place
        tsr.export_tsr(EXAMPLE + 1, path)
        path.unlink()
    assert [[42, 1, 2], [3, 4, 5]] == _values(tensor)


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()], ids=["OSError", "interrupt"])
def test_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """If the write cannot be completed the old file is as it was and no temporary file is left."""
    path = tmp_path / "x.tsr"
    tsr.export_tsr(EXAMPLE, path)

    def fail(source: str, target: str) -> None:
        assert path.parent == Path(source).parent
        assert os.path.basename(source).startswith(f".x.tsr.{os.getpid()}.")
        assert source.endswith(".tmp")
        assert str(path) == target
        raise failure

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(failure)):
        tsr.export_tsr(EXAMPLE + 1, path)
    assert ["x.tsr"] == os.listdir(tmp_path)
    assert tsr.encode(EXAMPLE) == path.read_bytes()


@posix_limits
def test_write_that_fails_halfway_leaves_the_old_file(tmp_path: Path) -> None:
    """A disk that is full in the middle of the data is an OSError; the old file stays, and nothing else."""
    script = """
        import resource, sys
        import numpy as np
        from tech_renaissance._protocol import tsr
        tsr.export_tsr(np.zeros(10), sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        try:
            tsr.export_tsr(np.zeros(1_000_000), sys.argv[1])
        except OSError as error:
            print(type(error).__name__, tsr.get_tsr_info(sys.argv[1])["numel"])
    """
    path = tmp_path / "x.tsr"
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert (
        b"OSError 10\n" == subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True).stdout
    )
    assert ["x.tsr"] == os.listdir(tmp_path)


@moves_open_folders
def test_readers_see_whole_files(tmp_path: Path) -> None:
    """While several threads replace a file, a reader only ever sees one of the tensors, whole."""
    path = tmp_path / "x.tsr"
    tensors = [np.full(5_000 * (i + 1), i, dtype=np.int32) for i in range(4)]
    tsr.export_tsr(tensors[0], path)

    def write(tensor: Any) -> None:
        for _ in range(50):
            tsr.export_tsr(tensor, path)

    writers = [threading.Thread(target=write, args=(tensor,)) for tensor in tensors]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen = tsr.import_tsr(path, "numpy")
        assert (tensors[seen[0]] == seen).all()
    for writer in writers:
        writer.join()
    assert ["x.tsr"] == os.listdir(tmp_path)
