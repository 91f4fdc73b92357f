"""spec/vectors/tsr decides: every vector is read and written, and the tables of the specification are the code's."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from cpp_programs import built_program

from tech_renaissance._base.errors import FormatError
from tech_renaissance._base.tensor import DTYPES, describe, torch_installed
from tech_renaissance._protocol import tsr

SPEC = Path(__file__).resolve().parents[1] / "spec"
SCRIPT = SPEC / "vectors" / "make_tsr_vectors.py"
VALID = sorted((SPEC / "vectors" / "tsr" / "valid").glob("*.tsr"))
INVALID = sorted((SPEC / "vectors" / "tsr" / "invalid").glob("*.tsr"))
LIBRARIES = [
    "numpy",
    pytest.param("torch", marks=pytest.mark.skipif(not torch_installed(), reason="torch is not installed")),
]
GUEST = built_program("guest_tsr")
TENSOR_CODES = {"unsupported_dtype", "too_many_dims"}  # about a tensor, not about bytes


def _meaning(vector: Path) -> Dict[str, Any]:
    meaning: Dict[str, Any] = json.loads(vector.with_suffix(".json").read_text())
    return meaning


def _tensor_or_skip(vector: Path, library: Any) -> Any:
    """The vector's tensor; where the library has no such dtype that must be the error, and the test is skipped."""
    try:
        return tsr.import_tsr(vector, library)
    except FormatError as error:
        if (error.code, error.offset) != ("unsupported_dtype", -1):
            raise
        return pytest.skip(str(error))


def _as_meant(tensor: Any) -> Dict[str, Any]:
    raw = describe(tensor)
    return {"dtype": raw.dtype.name, "shape": list(raw.shape), "data": raw.data.hex()}


def _error_of(read: Any, *arguments: Any) -> Dict[str, Any]:
    with pytest.raises(FormatError) as caught:
        read(*arguments)
    return {"code": caught.value.code, "offset": caught.value.offset}


def _cpp(paths: List[Path]) -> List[Dict[str, Any]]:
    if not GUEST.exists():
        pytest.skip(f"{GUEST} is not built")
    run = subprocess.run([str(GUEST), *map(str, paths)], stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("vector", VALID, ids=lambda path: path.stem)
def test_valid_vector_is_read(vector: Path, library: Any) -> None:
    """A valid file, read, mapped or in a buffer, gives the dtype, shape and element bytes that its meaning says."""
    meaning = _meaning(vector)
    del meaning["version"]
    data = vector.read_bytes()
    assert meaning == _as_meant(_tensor_or_skip(vector, library))
    assert meaning == _as_meant(tsr.import_tsr(vector, library, mmap=True))
    assert meaning == _as_meant(tsr.decode(data, library))
    assert meaning == _as_meant(tsr.decode(bytearray(data), library))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("vector", VALID, ids=lambda path: path.stem)
def test_valid_vector_is_written(vector: Path, library: Any, tmp_path: Path) -> None:
    """Writing the tensor of a valid file gives its bytes back; of a read-only file, a file of the same meaning."""
    tensor = _tensor_or_skip(vector, library)
    tsr.export_tsr(tensor, tmp_path / "again.tsr")
    again = (tmp_path / "again.tsr").read_bytes()
    assert again == tsr.encode(tensor)
    assert _as_meant(tensor) == _as_meant(tsr.decode(again, library))
    assert (vector.read_bytes() == again) != vector.name.startswith("read-only-")


@pytest.mark.parametrize("vector", VALID, ids=lambda path: path.stem)
def test_valid_vector_is_described(vector: Path) -> None:
    """The info of a valid file agrees with its meaning, also for dtypes that no installed library has."""
    meaning = _meaning(vector)
    info = tsr.get_tsr_info(vector)
    assert [meaning[key] for key in ("version", "dtype", "shape")] == [
        info[key] for key in ("version", "dtype", "shape")
    ]
    assert len(meaning["data"]) // 2 == info["nbytes"]


@pytest.mark.parametrize("vector", INVALID, ids=lambda path: path.stem)
def test_invalid_vector_is_refused(vector: Path) -> None:
    """An invalid file gives its code and offset, from every function that reads, whatever the library."""
    expected = _meaning(vector)
    assert expected["code"] == vector.name.split("--")[0]
    assert expected == _error_of(tsr.import_tsr, vector, "numpy")
    assert expected == _error_of(tsr.import_tsr, vector, "numpy", True)
    assert expected == _error_of(tsr.get_tsr_info, vector)
    assert expected == _error_of(tsr.decode, vector.read_bytes())
    assert expected == _error_of(tsr.decode, bytearray(vector.read_bytes()))


def test_cpp_reads_and_writes_valid_vectors() -> None:
    """A file and bytes in memory mean what the vectors say; written again, those that are not for reading alone are the same."""
    for path, answer in zip(VALID, _cpp(VALID)):
        assert _meaning(path) == answer["ok"], path
        assert (path.read_bytes().hex() == answer["encoded"]) != path.name.startswith("read-only-"), path


def test_cpp_refuses_invalid_vectors_in_the_same_words() -> None:
    """With the vectors' codes and offsets, and with what Python says."""
    for path, answer in zip(INVALID, _cpp(INVALID)):
        with pytest.raises(FormatError) as caught:
            tsr.decode(path.read_bytes())
        assert {**_meaning(path), "text": str(caught.value)} == answer["error"], path


def _rows(page: str, pattern: str) -> List[Tuple[str, ...]]:
    return re.findall(pattern, (SPEC / page).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_code_has_a_vector() -> None:
    """Every FormatError code of the specification that bytes can cause has at least one invalid vector."""
    table = (SPEC / "errors.md").read_text(encoding="utf-8").split("FormatError codes, in the order")[1]
    codes = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert len(codes) > 10
    assert codes == {path.name.split("--")[0] for path in INVALID}
    assert all(f"`{code}`" in table for code in TENSOR_CODES)


def test_every_dtype_has_a_vector() -> None:
    """Every dtype is in a written file and in a read-only one."""
    names = {dtype.name for dtype in DTYPES}
    assert names == {_meaning(path)["dtype"] for path in VALID if not path.name.startswith("read-only-")}
    assert names == {_meaning(path)["dtype"] for path in VALID if path.name.startswith("read-only-")}


def test_dtype_table_is_the_specification() -> None:
    """Codes, names and sizes are those of the table in spec/tsr.md, in its order."""
    expected = _rows("tsr.md", r"^\| (\d+) \| ([A-Z0-9_]+) \| (\d+) \|")
    assert expected == [(str(dtype.code), dtype.name, str(dtype.nbytes)) for dtype in DTYPES]


def test_worked_example_is_the_vector() -> None:
    """The hex dump in spec/tsr.md is the vector of that name."""
    dump = "".join("".join(row) for row in _rows("tsr.md", r"^00\d0((?:  ?[0-9a-f]{2}\b)+)"))
    example = SPEC / "vectors" / "tsr" / "valid" / "v1-worked-example.tsr"
    assert bytes.fromhex(dump) == example.read_bytes()


def _check(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(folder / SCRIPT.name), "--check"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)


def test_vectors_are_up_to_date() -> None:
    """The script that makes the vectors finds nothing to change."""
    result = _check(SCRIPT.parent)
    assert (0, "") == (result.returncode, result.stdout)


def test_check_lists_what_is_wrong(tmp_path: Path) -> None:
    """--check fails and names each file that is missing, extra or different, and writes nothing."""
    shutil.copy(SCRIPT, tmp_path)
    shutil.copytree(SCRIPT.parent / "tsr", tmp_path / "tsr")
    valid = tmp_path / "tsr" / "valid"
    (valid / "v1-fp32.tsr").unlink()
    (valid / "new.tsr").write_bytes(b"")
    (valid / "v1-int8.tsr").write_bytes(b"other")
    result = _check(tmp_path)
    assert 1 == result.returncode
    assert [
        "missing: valid/v1-fp32.tsr",
        "extra: valid/new.tsr",
        "differs: valid/v1-int8.tsr",
    ] == result.stdout.splitlines()
    assert not (valid / "v1-fp32.tsr").exists()
