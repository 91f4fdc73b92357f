"""Any body is a value, a call, or refused with a RemoteProtocolError; any value is a body, or refused with a LocalProtocolError.

    python fuzz/fuzz_values.py [--seconds N] [--runs N] [--seed N]

Mutates the vectors, and makes values of anything. What is accepted means the same after it was written and read again. What breaks this is
printed as a literal, and the exception ends the program.
"""

import json
import random
import re
import sys
from array import array
from pathlib import Path
from typing import Any, List, Tuple

import loop
import numpy as np
from fuzz_message import mutated
from loop import check_shown

from tech_renaissance._base.errors import FormatError, LocalProtocolError, RemoteProtocolError
from tech_renaissance._protocol.body import JSON
from tech_renaissance._protocol.body_decoder import decode_call, decode_result
from tech_renaissance._protocol.body_encoder import encode_call, encode_result

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "values"
ATTACHMENTS: List[Any] = [
    np.arange(3, dtype=np.int32),
    b"\0\xff",
    array("q", [1, -(2**63)]),
    array("d", [0.5, float("nan")]),
]
PIECES = [
    b'{"$":0}', b'{"$":1}', b'{"$":', b'{"$f":"nan"}', b'{"$f":', b'"$$":', b'"\\u0024"', b'"$x":1', b"1e400", b"-0.0", b"1e-400", b"9" * 20, b"9223372036854775808",
    b"\\ud83d", b"\\ude00", b"\\u0000", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"[[", b"]]", b"[" * 60, b"]" * 60, b'{"a":' * 60, b",", b":", b"null", b"true", b"\xef\xbb\xbf",
]  # fmt: skip
LEAVES: List[Any] = [
    None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**63, 0.0, -0.0, 1.0, 1e22, 5e-324, float("nan"), float("inf"), "", "a", "$", 'é😀\0"\\\n\x7f\u2028', "\ud800",
    b"", b"\xff", bytearray(b"x"), np.float32(0.5), np.int8(-1), np.bool_(True), np.complex64(1), np.zeros((2, 0)), np.array(5), np.array(["x"]), object(), 1j,
]  # fmt: skip
KEYS: List[Any] = ["", "a", "b", "$", "$$", "$f", "$a", "é", 'q"', "\0", "\udfff", 1, None]

Body = Tuple[int, bytes, List[Any]]


def texts() -> List[bytes]:
    """The texts of all vectors."""
    found: List[bytes] = []
    for path in sorted(VECTORS.rglob("*.json")):
        case = json.loads(path.read_text("ascii"))
        for body in case.get("bodies", [case.get("body")]):
            text = bytes.fromhex(body["hex"]) if "hex" in body else body["text"].encode()
            if len(text) < 4096:
                found.append(text)
    return found


TEXTS = texts()
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+.\w]+|.', re.DOTALL)


def random_text(chance: random.Random) -> bytes:
    """A text of a vector, damaged: sometimes anywhere, mostly by whole tokens, so that some are still values."""
    text = chance.choice(TEXTS)
    if chance.random() < 0.2:
        return mutated(text, chance.choice(TEXTS), chance)
    tokens = TOKEN.findall(text)
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        place = chance.randint(0, len(tokens))
        others = (
            [chance.choice(PIECES)] if chance.random() < 0.5 else TOKEN.findall(chance.choice(TEXTS))[:20]
        )
        tokens[place : place + chance.randint(0, 1)] = chance.choice(
            ([], others, others, [chance.choice(others or [b""])])
        )
    return b"".join(tokens)


def random_body(chance: random.Random) -> Body:
    """Any form, few attachments."""
    attachments = [chance.choice(ATTACHMENTS) for _ in range(chance.choice((0, 0, 0, 1, 2)))]
    return chance.choice((JSON, JSON, JSON, JSON, 0, 1, 3)), random_text(chance), attachments


def random_value(chance: random.Random, depth: int = 0) -> Any:
    """A value that is nested up to a few levels, most of whose parts can be sent."""
    choice = chance.random()
    if depth > 4 or choice < 0.6:
        return chance.choice(LEAVES[: 25 if chance.random() < 0.95 else None])
    if choice < 0.65:
        return [chance.choice((0.5, 1.0, float("nan")))] * chance.randint(15, 20)
    if choice < 0.7:
        return [chance.randint(-5, 2**62)] * chance.randint(15, 20)
    parts = [random_value(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    if choice < 0.85:
        return chance.choice((list, tuple))(parts)
    return {chance.choice(KEYS[: 10 if chance.random() < 0.97 else None]): part for part in parts}


def same(first: Any, second: Any) -> bool:
    """Whether two values mean the same, by what they print; arrays print what is in them."""
    return repr(first) == repr(second)


def check_body(body: Body) -> None:
    """Decode, encode and decode."""
    for decode, encode in (
        (decode_result, encode_result),
        (decode_call, lambda v: encode_call(*v)),
    ):
        try:
            value = decode(*body)
        except RemoteProtocolError:
            continue
        assert same(value, decode(*encode(value)))


def check_value(value: Any) -> None:
    """Encode, decode, encode and decode; as an argument, too."""
    try:
        body = encode_result(value)
    except (LocalProtocolError, FormatError):
        return
    arrived = decode_result(*body)
    assert same(arrived, decode_result(*encode_result(arrived)))
    try:
        args, kwargs = decode_call(*encode_call([value], {"k": value}))
    except LocalProtocolError:
        assert _depth(arrived) > 60  # a call leaves less room for nesting
        return
    assert same([arrived], args)
    assert same({"k": arrived}, kwargs)


def _depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, parts), default=0)


def main() -> int:
    """Run the loop."""

    def attempt(chance: random.Random) -> None:
        check_shown(check_body, random_body(chance))
        check_shown(check_value, random_value(chance))

    return loop.main(attempt)


if __name__ == "__main__":
    sys.exit(main())
