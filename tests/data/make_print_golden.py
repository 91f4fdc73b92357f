"""Write print_golden.json: tensors and the text that torch prints for them, one case on each line.

    python tests/data/make_print_golden.py

Needs torch. Elements are written as the hexadecimal of their bytes in C order.
"""

import itertools
import json
import random
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import torch

NAMES = {
    torch.float32: "FP32",
    torch.int8: "INT8",
    torch.int32: "INT32",
    torch.float16: "FP16",
    torch.bfloat16: "BF16",
    torch.float64: "FP64",
    torch.int16: "INT16",
    torch.uint8: "UINT8",
    torch.int64: "INT64",
    torch.bool: "BOOL",
    torch.uint16: "UINT16",
    torch.uint32: "UINT32",
    torch.uint64: "UINT64",
    torch.complex64: "COMPLEX64",
    torch.complex128: "COMPLEX128",
    torch.float8_e4m3fn: "FP8_E4M3",
    torch.float8_e5m2: "FP8_E5M2",
}
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]
INTEGERS = [
    *(torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
]
COMPLEX = [torch.complex64, torch.complex128]
INF = float("inf")
NAN = float("nan")

Case = Tuple[torch.Tensor, int]


def values() -> Iterator[Case]:
    """Rows that pick each number format, in each floating-point type."""
    rows: List[Sequence[float]] = [
        [1.5],
        [1.0, 2.0, 3.0],
        [0.0, 0.0],
        [-0.0, 1.0],
        [NAN],
        [INF, -INF],
        [1.0, INF],
        [1.5, NAN, -INF],
        [0.1, -22.25, 3.0],
        [1e-4, 1.0],
        [1.0001e-4, 0.05],
        [0.9e-4],
        [1.0, 1000.0],
        [1.0, 1001.0],
        [0.5, 500.0],
        [0.5, 501.0],
        [1e8],
        [1.5e8],
        [100000001.0],
        [123456789.0, -1.0],
        [1e-30, 1e30],
        [0.0, 1e-7],
        [1e-45],
        [0.00005, 0.5],
        [999.9999, 0.99999],
        [2.5, 3.5, -0.5],
        [1e4, 12345.0],
        [-1.0, -20.0, 300.0],
    ]
    for row in rows:
        yield torch.tensor(row), 4
        yield torch.tensor(row, dtype=torch.float64), 4
    for dtype in FLOATS:
        for row in (rows[1], rows[8], rows[13], rows[7]):
            yield torch.tensor(row).to(dtype), 4
        yield torch.tensor(1.5).to(dtype), 4


def scalars() -> Iterator[Case]:
    """Tensors without dimensions."""
    for value in (0.0, -0.0, 1.0, 1.5, -2.25, 1e-5, 1e9, 123456.0, INF, -INF, NAN):
        yield torch.tensor(value), 4
        yield torch.tensor(value, dtype=torch.float64), 4
    for dtype in INTEGERS:
        yield torch.tensor(7, dtype=dtype), 4
    for flag in (True, False):
        yield torch.tensor(flag), 4
    for number in (1 + 2j, -0.5 - 1e-5j, complex(NAN, -INF), complex(0, -0.0)):
        yield torch.tensor(number), 4
        yield torch.tensor(number, dtype=torch.complex128), 4


def empties() -> Iterator[Case]:
    """Tensors without elements."""
    for dtype in NAMES:
        for shape in ((0,), (0, 3), (3, 0), (2, 0, 3)):
            yield torch.zeros(shape, dtype=dtype), 4


def integers() -> Iterator[Case]:
    """Integers at the ends of their ranges, and booleans."""
    for dtype in INTEGERS:
        info = torch.iinfo(dtype)
        yield torch.tensor([[info.min, 0, 1], [2, 3, info.max]], dtype=dtype), 4
        yield (torch.arange(30) % 100).to(dtype), 4
    yield torch.tensor([True, False]), 4
    yield torch.tensor([[True, True], [True, True]]), 4
    yield torch.arange(1001) % 3 == 0, 4


def complexes(rng: random.Random) -> Iterator[Case]:
    """Complex numbers, whose parts are formatted apart."""
    for dtype in COMPLEX:
        yield torch.tensor([1 + 2j, -3 - 4j], dtype=dtype), 4
        yield torch.tensor([1.5 + 2j, 1e-9 - 4j], dtype=dtype), 4
        yield torch.tensor([complex(INF, 1), complex(0.5, NAN), complex(-INF, -0.25)], dtype=dtype), 4
        yield torch.tensor([complex(0, -1), complex(-20, 300)], dtype=dtype), 4
        for shape in ((7,), (2, 3), (2, 2, 9)):
            count = torch.Size(shape).numel()
            numbers = [complex(rng.gauss(0, 3), rng.gauss(0, 3)) for _ in range(count)]
            yield torch.tensor(numbers, dtype=dtype).reshape(shape), 4


SHAPES = [
    *(
        (1,),
        (9,),
        (10,),
        (11,),
        (40,),
        (1000,),
        (2, 3),
        (3, 1),
        (7, 7),
        (2, 30),
        (1, 1, 1),
        (2, 3, 4),
        (2, 1, 25),
    ),
    *((2, 2, 2, 2), (1, 2, 1, 2, 1), (1,) * 8, (1, 1, 1, 1, 1, 1, 2, 12)),
]
SUMMARISED = [
    *((1001,), (6, 200), (7, 200), (200, 6), (2000, 1), (1, 1001)),
    *((7, 200, 1), (11, 10, 11), (40, 2, 30), (3, 4, 5, 20)),
]


def layouts(rng: random.Random) -> Iterator[Case]:
    """Shapes: brackets, blank lines, lines that are just full, summaries."""
    for shape in SHAPES:
        yield torch.tensor([rng.gauss(0, 2) for _ in range(torch.Size(shape).numel())]).reshape(shape), 4
    for shape in SUMMARISED:
        size = torch.Size(shape).numel()
        yield (torch.arange(size) % 128).to(torch.int8).reshape(shape), 4
        yield (torch.arange(size) % 100).to(torch.float8_e5m2).reshape(shape), 4
    left_out = torch.ones(1200)
    left_out[500] = 1e9
    yield left_out, 4
    for width in range(1, 12):
        yield torch.full((40,), int("1" * width)), 4
    for count in range(10, 36):
        yield torch.full((count,), 1, dtype=torch.int16), 4
        yield torch.full((count,), 1, dtype=torch.uint8), 4
        yield torch.full((count,), 1).to(torch.float8_e4m3fn), 4


def precisions(rng: random.Random) -> Iterator[Case]:
    """Other numbers of decimals."""
    for precision in (0, 1, 2, 3, 6, 8, 12, 17):
        yield torch.tensor([rng.gauss(0, 2) for _ in range(13)]), precision
        yield torch.tensor([1.0, 2.0, 1e6]), precision
        yield torch.tensor([1e-9, 0.5, -3.0], dtype=torch.float64), precision
        yield torch.tensor([0.5, 1.5, 2.5]), precision
        yield torch.tensor([1.25 - 3.5j]), precision
        yield torch.arange(4), precision


def randoms(rng: random.Random) -> Iterator[Case]:
    """Anything."""
    for _ in range(150):
        dtype = rng.choice(FLOATS[:4])
        shape = tuple(rng.randint(1, 5) for _ in range(rng.randint(0, 4)))
        scale = 10.0 ** rng.randint(-7, 9)
        spread = rng.choice([0.5, 2.0, 5.0])
        count = torch.Size(shape).numel()
        numbers = [rng.choice([1, -1]) * scale * 10 ** rng.uniform(-spread, spread) for _ in range(count)]
        if rng.random() < 0.3:
            numbers = [float(round(number)) if abs(number) < 1e15 else number for number in numbers]
        if rng.random() < 0.2:
            numbers[rng.randrange(count)] = rng.choice([INF, -INF, NAN, 0.0, -0.0])
        yield torch.tensor(numbers, dtype=torch.float64).reshape(shape).to(dtype), rng.choice([4, 4, 4, 2, 6])


def encode(tensor: torch.Tensor, precision: int) -> Dict[str, Any]:
    """One case: what is printed and the text that must come out."""
    torch.set_printoptions(precision=precision)
    data = tensor.reshape(-1).view(torch.uint8).numpy().tobytes().hex() if tensor.numel() else ""
    return {
        "dtype": NAMES[tensor.dtype],
        "shape": list(tensor.shape),
        "precision": precision,
        "data": data,
        "text": str(tensor),
    }


def main() -> None:
    """Write the file beside this script."""
    rng = random.Random(0)
    fixed = itertools.chain(values(), scalars(), empties(), integers())
    cases = itertools.chain(fixed, complexes(rng), layouts(rng), precisions(rng), randoms(rng))
    lines = [json.dumps(encode(tensor, precision)) for tensor, precision in cases]
    path = Path(__file__).with_name("print_golden.json")
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
