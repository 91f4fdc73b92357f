#!/usr/bin/env python3
"""Write the TSR vectors (spec/tsr.md, spec/errors.md), or with --check compare them with what is there.

An independent second reading of the specification: standard library only, and never the code it judges.
"""

import argparse
import json
import math
import struct
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

FOLDER = Path(__file__).resolve().parent / "tsr"

NAMES = (
    *("FP32", "INT8", "INT32", "FP16", "BF16", "FP64", "INT16", "UINT8", "INT64", "BOOL"),
    *("UINT16", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "FP8_E4M3", "FP8_E5M2"),
)
CODES = {name: code for code, name in enumerate(NAMES, start=1)}

# Elements worth a file of their own, as little-endian bytes: limits, zeros of both signs, infinities, NaNs with a
# payload, subnormals.
SPECIAL = {
    "FP32": "0000803f 00000080 0000807f 000080ff 010000ff 0000c07f 01000000 ffff7f7f",
    "INT8": "00 01 ff 7f 80 2a",
    "INT32": "00000000 01000000 ffffffff ffffff7f 00000080 78563412",
    "FP16": "003c 0080 007c 00fc 017e 0100 ff7b",
    "BF16": "803f 0080 807f 80ff c17f 0100 7f7f",
    "FP64": "000000000000f03f 0000000000000080 000000000000f07f 000000000000f0ff 010000000000f87f 0100000000000000",
    "INT16": "0000 0100 ffff ff7f 0080 3412",
    "UINT8": "00 01 7f 80 ff",
    "INT64": "0000000000000000 ffffffffffffffff ffffffffffffff7f 0000000000000080 efcdab8967452301",
    "BOOL": "00 01 01 00",
    "UINT16": "0000 0100 ff7f 0080 ffff",
    "UINT32": "00000000 01000000 ffffff7f 00000080 ffffffff",
    "UINT64": "0000000000000000 0100000000000000 0000000000000080 ffffffffffffffff",
    "COMPLEX64": "0000803f00000040 0000c07f0000807f 000000800000803f",
    "COMPLEX128": "000000000000f03f0000000000000040 000000000000f87f000000000000f0ff",
    "FP8_E4M3": "00 80 38 7e 7f ff 01 08",
    "FP8_E5M2": "00 80 3c 7b 7c fc 7e 01",
}
ELEMENTS = {dtype: [bytes.fromhex(word) for word in words.split()] for dtype, words in SPECIAL.items()}
I32_MAX = 2**31 - 1
Files = Dict[str, bytes]


# ---------------------------------------------------------------------------------------------------- building


def elements(dtype: str, shape: Sequence[int]) -> bytes:
    """The special elements, over and over, as many as the shape needs."""
    pool = ELEMENTS[dtype]
    return b"".join(pool[i % len(pool)] for i in range(math.prod(shape)))


def header(version: int, dtype: int, dims: Sequence[int], count: Optional[int] = None) -> bytes:
    """A header of these dimensions, right in all fields unless ``count`` is given."""
    count = math.prod(dims) if count is None else count
    padded = [1] * ({1: 4, 2: 8}[version] - len(dims)) + list(dims)
    if version == 1:
        return struct.pack("<4s5i4i3q", b"TSR!", 1, 64, 0, dtype, len(dims), *padded, count, 0, 0)
    return struct.pack("<4s5iq8q4q", b"TSR!", 2, 128, 0, dtype, len(dims), 0, *padded, count, 0, 0, 0)


def with_i32(data: bytes, offset: int, value: int) -> bytes:
    """Replace the 32-bit integer at ``offset``."""
    return data[:offset] + struct.pack("<i", value) + data[offset + 4 :]


def with_i64(data: bytes, offset: int, value: int) -> bytes:
    """Replace the 64-bit integer at ``offset``."""
    return data[:offset] + struct.pack("<q", value) + data[offset + 8 :]


# 2 x 3 of FP32 and 2 x 3 of INT16, one in each version: what the defects are made in.
V1 = header(1, CODES["FP32"], (2, 3)) + elements("FP32", (2, 3))
V2 = header(2, CODES["INT16"], (2, 3)) + elements("INT16", (2, 3))


# ------------------------------------------------------------------------------------------------------- valid

Valid = Tuple[str, int, str, Tuple[int, ...], bytes, bytes]  # name, version, dtype, shape, stored, meant


def valid(name: str, version: int, dtype: str, shape: Tuple[int, ...], data: Optional[bytes] = None) -> Valid:
    """A case whose bytes are kept as they are; the special elements unless ``data`` is given."""
    stored = elements(dtype, shape) if data is None else data
    return name, version, dtype, shape, stored, stored


def valid_dtypes() -> Iterator[Valid]:
    """Every dtype with its special elements, as a scalar, and empty."""
    for dtype, pool in ELEMENTS.items():
        version = 1 if CODES[dtype] <= 3 else 2
        slug = dtype.lower().replace("_", "-")
        yield valid(f"v{version}-{slug}", version, dtype, (len(pool),))
        yield valid(f"v{version}-{slug}-scalar", version, dtype, ())
        yield valid(f"v{version}-{slug}-empty", version, dtype, (0,))


def valid_shapes() -> Iterator[Valid]:
    """Every number of dimensions, dimensions of 0 and 1, and the worked example."""
    example = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
    yield valid("v1-worked-example", 1, "FP32", (2, 3), example)
    all_dims = (2, 1, 3, 1, 2, 1, 1, 2)
    for ndim in range(1, 9):
        version = 1 if ndim <= 4 else 2
        yield valid(f"v{version}-fp32-{ndim}d", version, "FP32", all_dims[:ndim])
        yield valid(f"v2-int64-{ndim}d", 2, "INT64", all_dims[:ndim])
    for ndim in (1, 2, 3, 4, 5, 8):
        version = 1 if ndim <= 4 else 2
        yield valid(f"v{version}-int8-ones-{ndim}d", version, "INT8", (1,) * ndim)
        yield valid(f"v{version}-int32-zeros-{ndim}d", version, "INT32", (0,) * ndim)
    yield valid("v1-fp32-empty-first", 1, "FP32", (0, 3))
    yield valid("v1-fp32-empty-middle", 1, "FP32", (2, 0, 3))
    yield valid("v1-fp32-empty-last", 1, "FP32", (2, 3, 0))
    yield valid("v2-fp16-empty-middle", 2, "FP16", (2, 0, 3))
    yield valid("v1-fp32-one-row", 1, "FP32", (1, 5))
    yield valid("v1-fp32-one-column", 1, "FP32", (5, 1))
    yield valid("v1-fp32-nchw", 1, "FP32", (2, 3, 4, 5))
    yield valid("v1-int8-odd-length", 1, "INT8", (3, 7, 11))
    yield valid("v1-int8-one-page", 1, "INT8", (4096,))
    yield valid("v2-uint8-over-one-page", 2, "UINT8", (4097,))


def valid_version_law() -> Iterator[Valid]:
    """Shapes next to the limit of version 1; without elements, so that they are small."""
    yield valid("v1-int8-largest-dim", 1, "INT8", (I32_MAX, 0))
    yield valid("v2-int8-dim-too-large-for-v1", 2, "INT8", (I32_MAX + 1, 0))
    yield valid("v2-int8-huge-dim", 2, "INT8", (0, 2**62))
    yield valid("v2-int8-largest-product", 2, "INT8", (2**63 - 1, 0))


def valid_read_only() -> Iterator[Valid]:
    """Files a reader accepts and a writer does not write."""
    for dtype, code in CODES.items():
        version = 2 if code <= 3 else 1
        slug = dtype.lower().replace("_", "-")
        yield valid(f"read-only-v{version}-{slug}", version, dtype, (2, 3))
        yield valid(f"read-only-v{version}-{slug}-scalar", version, dtype, ())
    for version in (1, 2):
        name = f"read-only-v{version}-bool-other-bytes"
        yield name, version, "BOOL", (5,), bytes([0, 1, 2, 128, 255]), bytes([0, 1, 1, 1, 1])


def valid_files() -> Files:
    """All valid vectors and their meanings."""
    files: Files = {}
    for cases in (valid_dtypes(), valid_shapes(), valid_version_law(), valid_read_only()):
        for name, version, dtype, shape, stored, meant in cases:
            add(files, f"valid/{name}.tsr", header(version, CODES[dtype], shape) + stored)
            meaning = {"version": version, "dtype": dtype, "shape": list(shape), "data": meant.hex()}
            add(files, f"valid/{name}.json", as_json(meaning))
    return files


# ----------------------------------------------------------------------------------------------------- invalid

Invalid = Tuple[str, str, int, bytes]  # code, detail, offset, file


def invalid_start() -> Iterator[Invalid]:
    """Defects of the first 16 bytes and of the reserved fields."""
    for nbytes in (0, 1, 4, 15, 16, 63):
        yield "short_header", f"v1-{nbytes}-bytes", nbytes, V1[:nbytes]
    for nbytes in (16, 63, 64, 127):
        yield "short_header", f"v2-{nbytes}-bytes", nbytes, V2[:nbytes]
    magics = {
        "lower-case": b"tsr!",
        "reversed": b"!RST",
        "zeros": bytes(4),
        "npy": b"\x93NUM",
        "last-byte": b"TSR?",
    }
    for detail, magic in magics.items():
        yield "bad_magic", detail, 0, magic + V1[4:]
    yield "bad_magic", "v2", 0, b"TSR\0" + V2[4:]
    yield "bad_magic", "text", 0, b"this is not a tensor but a line of text\n"
    for detail, version in (("0", 0), ("3", 3), ("negative", -1), ("big-endian", 1 << 24), ("max", I32_MAX)):
        yield "unknown_version", detail, 4, with_i32(V1, 4, version)
    yield "unknown_version", "16-bytes", 4, with_i32(V1, 4, 3)[:16]
    for detail, data, size in (
        ("v1-128", V1, 128),
        ("v1-0", V1, 0),
        ("v1-negative", V1, -64),
        ("v1-65", V1, 65),
        ("v2-64", V2, 64),
        ("v2-129", V2, 129),
        ("v2-max", V2, I32_MAX),
    ):
        yield "bad_header_size", detail, 8, with_i32(data, 8, size)
    for version, data, offsets in ((1, V1, (12, 48, 56)), (2, V2, (12, 24, 104, 112, 120))):
        for offset in offsets:
            yield "nonzero_reserved", f"v{version}-offset-{offset}", offset, with_i32(data, offset, 1)
            last = offset + (3 if offset == 12 else 7)
            flipped = data[:last] + b"\x80" + data[last + 1 :]
            yield "nonzero_reserved", f"v{version}-offset-{offset}-last-byte", offset, flipped


def invalid_kind() -> Iterator[Invalid]:
    """Defects of dtype and ndim."""
    for version, data in ((1, V1), (2, V2)):
        for detail, code in (("0", 0), ("18", 18), ("negative", -1), ("255", 255), ("max", I32_MAX)):
            yield "unknown_dtype", f"v{version}-{detail}", 16, with_i32(data, 16, code)
        too_many = {1: 5, 2: 9}[version]
        ndims = {"negative": -1, str(too_many): too_many, "max": I32_MAX, "min": -(2**31)}
        for detail, ndim in ndims.items():
            yield "bad_ndim", f"v{version}-{detail}", 20, with_i32(data, 20, ndim)


def invalid_dims() -> Iterator[Invalid]:
    """Defects of single dimensions."""
    full_v1 = header(1, 2, (1, 1, 1, 1)) + b"\x2a"
    full_v2 = header(2, 8, (1,) * 8) + b"\x2a"
    for dim in range(4):
        offset = 24 + 4 * dim
        yield "negative_dim", f"v1-dim-{dim}", offset, with_i32(full_v1, offset, -1)
    for dim in range(8):
        offset = 32 + 8 * dim
        yield "negative_dim", f"v2-dim-{dim}", offset, with_i64(full_v2, offset, -1)
    yield "negative_dim", "v1-min", 36, with_i32(full_v1, 36, -(2**31))
    yield "negative_dim", "v2-min", 88, with_i64(full_v2, 88, -(2**63))
    yield "negative_dim", "v1-two-that-make-a-positive-product", 32, header(1, 2, (-2, -3)) + bytes(6)
    yield "negative_dim", "v1-unused", 24, with_i32(V1, 24, -1)
    yield "negative_dim", "v2-unused", 72, with_i64(V2, 72, -1)
    for dim in range(2):
        for value in (0, 2):
            offset = 24 + 4 * dim
            yield "bad_padding_dim", f"v1-dim-{dim}-is-{value}", offset, with_i32(V1, offset, value)
    for dim in range(6):
        for value in (0, 2):
            offset = 32 + 8 * dim
            yield "bad_padding_dim", f"v2-dim-{dim}-is-{value}", offset, with_i64(V2, offset, value)
    yield "bad_padding_dim", "v1-scalar", 36, with_i32(header(1, 1, ()) + bytes(4), 36, 2)
    yield "bad_padding_dim", "v2-scalar", 88, with_i64(header(2, 8, ()) + bytes(1), 88, 2)


def invalid_counts() -> Iterator[Invalid]:
    """Products that overflow, many of them so that they wrap around to something plausible."""

    def claim(version: int, dtype: str, dims: Sequence[int], count: int, data: bytes = b"") -> bytes:
        return header(version, CODES[dtype], dims, count=count) + data

    at = {1: 40, 2: 96}
    overflows: List[Tuple[str, int, str, Sequence[int], int]] = [
        ("v1-product-wraps-to-0", 1, "INT8", (2**16,) * 4, 0),
        ("v1-product-is-2-to-63", 1, "INT8", (2**16, 2**16, 2**16, 2**15), -(2**63)),
        ("v1-bytes-wrap-to-0", 1, "FP32", (2**16, 2**16, 2**15, 2**15), 2**62),
        ("v1-bytes-are-2-to-63", 1, "FP32", (2**16, 2**15, 2**15, 2**15), 2**61),
        ("v1-largest-dims", 1, "INT8", (I32_MAX,) * 4, 1),
        ("v1-zero-last", 1, "INT8", (I32_MAX, I32_MAX, I32_MAX, 0), 0),
        ("v2-product-wraps-to-0", 2, "UINT8", (2**32, 2**32), 0),
        ("v2-product-is-2-to-63", 2, "UINT8", (2**62, 2), -(2**63)),
        ("v2-bytes-wrap-to-0", 2, "COMPLEX128", (2**60,), 2**60),
        ("v2-bytes-are-2-to-63", 2, "FP64", (2**60,), 2**60),
        ("v2-largest-dims", 2, "UINT8", (2**63 - 1,) * 8, 1),
        ("v2-zero-first", 2, "UINT8", (0, 2**62, 2**62), 0),
        ("v2-zero-last", 2, "UINT8", (2**62, 2**62, 0), 0),
        ("v2-bytes-with-a-zero", 2, "FP64", (2**60, 0), 0),
    ]
    for detail, version, dtype, dims, count in overflows:
        yield "count_overflow", detail, at[version], claim(version, dtype, dims, count)
    wrapping = (5 * 5581, 8681, 49477, 384773)  # 2^62 + 1 elements: as 64-bit arithmetic has it, 4 bytes
    yield "count_overflow", "v1-bytes-wrap-to-4", 40, claim(1, "FP32", wrapping, 2**62 + 1, bytes(4))
    factors = (274177, 67280421310721)  # 2^64 + 1 elements: as 64-bit arithmetic has it, 1
    yield "count_overflow", "v2-product-wraps-to-1", 96, claim(2, "UINT8", factors, 1, bytes(1))
    for version, data in ((1, V1), (2, V2)):
        for detail, count in (("less", 5), ("more", 7), ("0", 0), ("negative", -6), ("max", 2**63 - 1)):
            yield "count_mismatch", f"v{version}-{detail}", at[version], with_i64(data, at[version], count)
        yield (
            "count_mismatch",
            f"v{version}-same-low-half",
            at[version],
            with_i64(data, at[version], 6 + 2**32),
        )
    yield "count_mismatch", "v1-empty-says-1", 40, claim(1, "FP32", (0, 3), 1)
    yield "count_mismatch", "v1-scalar-says-0", 40, claim(1, "FP32", (), 0)
    yield "count_mismatch", "v2-bytes-not-elements", 96, with_i64(V2, 96, 12)


def invalid_length() -> Iterator[Invalid]:
    """Files that are shorter or longer than their headers say."""
    for version, data in ((1, V1), (2, V2)):
        head = 64 * version
        for nbytes in (head, head + 1, len(data) - 1):
            yield "short_data", f"v{version}-{nbytes}-bytes", nbytes, data[:nbytes]
        for extra in (1, 64):
            yield "trailing_bytes", f"v{version}-{extra}", len(data), data + bytes(extra)
    claims: List[Tuple[str, int, str, Sequence[int]]] = [
        ("v1-claims-8-gib", 1, "FP32", (1, 1, 2**16, 2**15)),
        ("v1-claims-exbibytes", 1, "FP32", (2**15, 2**15, 2**15, 2**15)),
        ("v2-claims-a-tebibyte", 2, "COMPLEX128", (2**20, 2**16)),
        ("v2-claims-the-most", 2, "UINT8", (2**63 - 1,)),
    ]
    for detail, version, dtype, dims in claims:
        data = header(version, CODES[dtype], dims)
        yield "short_data", detail, len(data), data
        yield "short_data", f"{detail}-has-3-bytes", len(data) + 3, data + b"abc"
    yield "short_data", "v1-scalar", 64, header(1, 1, ())
    yield "trailing_bytes", "v1-after-empty", 64, header(1, 1, (0,)) + b"\0"
    yield "trailing_bytes", "v2-after-scalar", 129, header(2, 8, ()) + b"\x01\x02"
    yield "trailing_bytes", "v1-two-files", len(V1), V1 + V1


def invalid_order() -> Iterator[Invalid]:
    """Two defects each: the first in the order of spec/errors.md is reported."""
    yield "short_header", "before-bad-magic", 63, (b"RIFF" + V1[4:])[:63]
    yield "short_header", "before-bad-header-size", 16, with_i32(V1, 8, 128)[:16]
    yield "bad_magic", "before-unknown-version", 0, b"RIFF" + with_i32(V1, 4, 9)[4:]
    yield "bad_magic", "before-unknown-version-16-bytes", 0, (b"RIFF" + with_i32(V1, 4, 9)[4:])[:16]
    yield "unknown_version", "before-bad-header-size", 4, with_i32(with_i32(V1, 4, 3), 8, 192)
    yield "bad_header_size", "before-nonzero-reserved", 8, with_i32(with_i32(V1, 8, 0), 12, 1)
    yield "nonzero_reserved", "lowest-offset-first-v1", 48, with_i64(with_i64(V1, 56, 1), 48, 1)
    yield "nonzero_reserved", "lowest-offset-first-v2", 12, with_i32(with_i64(V2, 24, 1), 12, 1)
    yield "nonzero_reserved", "before-unknown-dtype", 56, with_i32(with_i64(V1, 56, 1), 16, 99)
    yield "nonzero_reserved", "v2-last-before-count-mismatch", 120, with_i64(with_i64(V2, 120, 1), 96, 5)
    yield "unknown_dtype", "before-bad-ndim", 16, with_i32(with_i32(V1, 16, 99), 20, 5)
    yield "bad_ndim", "before-negative-dim", 20, with_i32(with_i32(V1, 20, 5), 36, -1)
    yield "negative_dim", "lowest-offset-first", 32, with_i32(with_i32(V1, 36, -1), 32, -1)
    yield "negative_dim", "before-bad-padding-dim", 36, with_i32(with_i32(V1, 36, -1), 24, 2)
    yield "bad_padding_dim", "lowest-offset-first", 24, with_i32(with_i32(V1, 28, 2), 24, 2)
    overflow = header(1, 2, (2**30, 2**30, 2**30), count=0)
    yield "bad_padding_dim", "before-count-overflow", 24, with_i32(overflow, 24, 2)
    yield "count_overflow", "before-count-mismatch", 40, with_i64(overflow, 40, 6)
    yield "count_mismatch", "before-short-data", 40, with_i64(V1, 40, 7)[:70]
    yield "count_mismatch", "before-trailing-bytes", 40, with_i64(V1, 40, 5) + b"\0"


def invalid_files() -> Files:
    """All invalid vectors and their errors."""
    files: Files = {}
    starts_and_kinds = (invalid_start(), invalid_kind(), invalid_dims())
    for cases in (*starts_and_kinds, invalid_counts(), invalid_length(), invalid_order()):
        for code, detail, offset, data in cases:
            add(files, f"invalid/{code}--{detail}.tsr", data)
            add(files, f"invalid/{code}--{detail}.json", as_json({"code": code, "offset": offset}))
    return files


# ------------------------------------------------------------------------------------------------------- files


def add(files: Files, name: str, data: bytes) -> None:
    """Add a file whose name must be new."""
    if name in files:
        raise ValueError(f"two vectors are named {name}")
    files[name] = data


def as_json(value: object) -> bytes:
    """One line of JSON."""
    return (json.dumps(value) + "\n").encode()


def present() -> Files:
    """The files that are there."""
    paths = (path for path in FOLDER.rglob("*") if path.is_file())
    return {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in paths}


def check(expected: Files) -> int:
    """Print what is missing, extra or different; the exit status."""
    actual = present()
    wrong = [f"missing: {name}" for name in sorted(expected.keys() - actual.keys())]
    wrong += [f"extra: {name}" for name in sorted(actual.keys() - expected.keys())]
    both = sorted(expected.keys() & actual.keys())
    wrong += [f"differs: {name}" for name in both if expected[name] != actual[name]]
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def write(files: Files) -> None:
    """Write all files, and remove those that are not among them."""
    for name in present().keys() - files.keys():
        (FOLDER / name).unlink()
    for name, data in files.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def main() -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is wrong")
    arguments = parser.parse_args()
    files = {**valid_files(), **invalid_files()}
    if arguments.check:
        return check(files)
    write(files)
    return 0


if __name__ == "__main__":
    sys.exit(main())
