"""Writes values/: bodies, and the values that they mean.

    python spec/vectors/make_value_vectors.py            write the files
    python spec/vectors/make_value_vectors.py --check    exit 1 if any file differs, is missing or is too many

Only the standard library: what is written here does not depend on the code that it tests.
"""

import json
import sys
from typing import Any, Dict, Iterator, Tuple

from value_cases import INVALID_CALLS, INVALID_RESULTS, VALID_CALLS, VALID_RESULTS
from vector_files import HERE, existing, write_or_check

Files = Iterator[Tuple[str, bytes]]


def dump(**members: Any) -> bytes:
    """JSON for people and programs: ASCII, because the texts of bodies may be anything."""
    lines = [f"  {json.dumps(name)}: {_rows(value)}" for name, value in members.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _rows(value: Any) -> str:
    if not (isinstance(value, list) and value and isinstance(value[0], dict)):
        return json.dumps(value)
    return "[\n" + ",\n".join(f"    {json.dumps(row)}" for row in value) + "\n  ]"


def valid(role: str, cases: Dict[str, Tuple[Any, ...]]) -> Files:
    """A meaning, and the bodies that have it; the first is what a writer makes."""
    for name, (meaning, *bodies) in cases.items():
        yield f"values/valid/{name}.{role}.json", dump(meaning=meaning, bodies=bodies)


def invalid(role: str, cases: Dict[str, Any]) -> Files:
    """A body that is refused."""
    for name, body in cases.items():
        yield f"values/invalid/{name}.{role}.json", dump(code=name.split("--")[0], body=body)


def vectors() -> Files:
    """Every file, as (path, bytes)."""
    yield from valid("result", VALID_RESULTS)
    yield from valid("call", VALID_CALLS)
    yield from invalid("result", INVALID_RESULTS)
    yield from invalid("call", INVALID_CALLS)


if __name__ == "__main__":
    sys.exit(write_or_check(dict(vectors()), existing((HERE / "values").rglob("*"))))
