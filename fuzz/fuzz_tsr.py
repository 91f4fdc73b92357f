#!/usr/bin/env python3
"""Feed broken TSR bytes to the reader: mutations of the vectors, for a number of runs or seconds.

The contract: the answer is a FormatError, or a tensor of exactly these bytes; never anything else. A tensor that was
read encodes, and what it encodes to reads as the same tensor. A failure prints the bytes and the seed to repeat it.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence

from tech_renaissance._base.errors import FormatError
from tech_renaissance._base.tensor import Library, torch_installed
from tech_renaissance._protocol import tsr

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "tsr"
FIELDS_I32 = range(0, 128, 4)
FIELDS_I64 = range(24, 128, 8)
INTERESTING = sorted(
    {sign * (2**power + delta) for power in range(64) for delta in (-1, 0, 1) for sign in (1, -1)}
)


# ----------------------------------------------------------------------------------------------------- mutations


def _flip_bit(data: bytearray, choose: random.Random) -> None:
    if data:
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)


def _set_byte(data: bytearray, choose: random.Random) -> None:
    if data:
        data[choose.randrange(len(data))] = choose.randrange(256)


def _set_field(data: bytearray, choose: random.Random) -> None:
    nbytes, fields = choose.choice(((4, FIELDS_I32), (8, FIELDS_I64)))
    offset = choose.choice(fields)
    value = choose.choice(INTERESTING) % 2 ** (8 * nbytes)
    data[offset : offset + nbytes] = value.to_bytes(nbytes, "little")


def _set_small_field(data: bytearray, choose: random.Random) -> None:
    offset = choose.choice(FIELDS_I32)
    data[offset : offset + 4] = choose.randrange(20).to_bytes(4, "little")


def _truncate(data: bytearray, choose: random.Random) -> None:
    del data[choose.randrange(len(data) + 1) :]


def _append(data: bytearray, choose: random.Random) -> None:
    data += bytes(choose.randrange(256) for _ in range(choose.randrange(1, 20)))


def _swap(data: bytearray, choose: random.Random) -> None:
    i, j = (choose.choice(FIELDS_I32) for _ in range(2))
    data[i : i + 4], data[j : j + 4] = data[j : j + 4], data[i : i + 4]


MUTATIONS: Sequence[Callable[[bytearray, random.Random], None]] = (
    _flip_bit,
    _set_byte,
    _set_field,
    _set_small_field,
    _truncate,
    _append,
    _swap,
)


def mutate(corpus: Sequence[bytes], choose: random.Random) -> bytes:
    """A vector with up to four mutations."""
    data = bytearray(choose.choice(corpus))
    for _ in range(choose.randrange(1, 5)):
        choose.choice(MUTATIONS)(data, choose)
    return bytes(data)


# ------------------------------------------------------------------------------------------------------ contract


def check(data: bytes, path: Path, library: Library) -> bool:
    """Whether ``data`` is a tensor; raises if any way of reading breaks the contract."""
    path.write_bytes(data)
    answers = [
        _answer(lambda: tsr.decode(data, library)),
        _answer(lambda: tsr.decode(bytearray(data), library)),
        _answer(lambda: tsr.import_tsr(path, library)),
        _answer(lambda: tsr.import_tsr(path, library, mmap=True)),
    ]
    assert all(answer == answers[0] for answer in answers), answers
    if isinstance(answers[0], tuple):
        return False
    assert answers[0] == tsr.encode(tsr.decode(answers[0], library))
    header = tsr.read_header(data, len(data))
    again = tsr.read_header(answers[0], len(answers[0]))
    assert (header.dtype, header.shape) == (again.dtype, again.shape)
    if header.dtype.name != "BOOL":  # any byte is true there, and written as 1
        assert data[header.header_nbytes :] == answers[0][again.header_nbytes :]
    return True


def _answer(read: Callable[[], Any]) -> Any:
    """The tensor encoded again, or the error's code and offset."""
    try:
        tensor = read()
    except FormatError as error:
        return error.code, error.offset
    return tsr.encode(tensor)


def fuzz(seed: int, runs: Optional[int], seconds: Optional[float], library: Library) -> None:
    """Check mutations until either limit is reached."""
    choose = random.Random(seed)
    corpus: List[bytes] = [path.read_bytes() for path in sorted(VECTORS.rglob("*.tsr"))]
    end = None if seconds is None else time.monotonic() + seconds
    done = tensors = 0
    with tempfile.TemporaryDirectory() as folder:
        while (runs is None or done < runs) and (end is None or time.monotonic() < end):
            data = mutate(corpus, choose)
            try:
                tensors += check(data, Path(folder) / "x.tsr", library)
            except BaseException:
                print(f"seed {seed}, run {done}, {library}: {data.hex()}", file=sys.stderr)
                raise
            done += 1
    print(f"{library}: {done} inputs, {tensors} of them tensors, seed {seed}: the contract held")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, help="inputs to try (default: 20000 unless --seconds is given)")
    parser.add_argument("--seconds", type=float, help="time to spend")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices (default: 0)")
    parser.add_argument(
        "--library", choices=("torch", "numpy"), default="torch" if torch_installed() else "numpy"
    )
    arguments = parser.parse_args()
    runs = 20_000 if arguments.runs is None and arguments.seconds is None else arguments.runs
    fuzz(arguments.seed, runs, arguments.seconds, arguments.library)


if __name__ == "__main__":
    main()
