"""Any bytes are a request, a response, or refused with a RemoteProtocolError: nothing else.

    python fuzz/fuzz_message.py [--seconds N] [--runs N] [--seed N]

Mutates the vectors. What is accepted says the same after it was written and read again. A text that breaks this is
printed as a bytes literal, and the exception ends the program.
"""

import random
import sys
from pathlib import Path
from typing import Any, Callable, List, Tuple

import loop
from loop import check_shown

from tech_renaissance._base.errors import LocalProtocolError, RemoteProtocolError
from tech_renaissance._protocol.frame import Exit, Request
from tech_renaissance._protocol.message import (
    decode_answer,
    decode_ask,
    decode_progress,
    decode_request,
    decode_response,
    encode_answer,
    encode_ask,
    encode_progress,
    encode_request,
    encode_response,
)
from tech_renaissance._protocol.user_message import parse_message

BESIDE: List[Tuple[Callable[[bytes], Any], Callable[[Any], str]]] = [
    (decode_progress, encode_progress),
    (decode_ask, lambda ask: encode_ask(ask, ask.attachments)),
    (decode_answer, lambda answer: encode_answer(answer, answer.attachments)),
]
VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "message"
PIECES = [
    b'"cmd":"x"', b'"params":', b'"result":"y"', b'"command":', b'"parameters":', b'"id":7', b'"tensors":["a"]', b'"kinds":[1]', b'"form":2', b'"typed":true', b'"attachments":[{"kind":0,"name":"a"}]', b'"error":{"code":"c"}',
    b'"done":0.5', b'"total":1e3', b'"waiting":true',
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\ud800", b"\\udc00", b"\\u0000", b"null", b"true", b"-0", b"1e999", b"NaN",
    b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xff", b"\0", b" ", b"9" * 30, b"[" * 70, b'{"a":' * 70,
]  # fmt: skip


def check_request(data: bytes) -> None:
    """Decode, encode and decode a request."""
    try:
        frame = decode_request(data)
    except RemoteProtocolError:
        return
    if isinstance(frame, Request):
        assert frame == decode_request(encode_request(frame, frame.attachments, 1).encode())


def check_response(data: bytes) -> None:
    """Decode, encode and decode a response."""
    try:
        frame = decode_response(data)
    except RemoteProtocolError:
        return
    encoded = encode_response(frame, frame.attachments, 1).encode()
    again = decode_response(encoded)
    assert encoded == encode_response(again, again.attachments, 1).encode()


def check_beside(data: bytes) -> None:
    """Decode, encode and decode what is said about a request in work."""
    for decode, encode in BESIDE:
        try:
            frame = decode(data)
        except RemoteProtocolError:
            continue
        encoded = encode(frame)
        assert encoded == encode(decode(encoded.encode()))


def check_message(data: bytes) -> None:
    """What a user may have typed is a request, or refused with a LocalProtocolError."""
    try:
        frame = parse_message(data.decode("utf-8", "surrogateescape"))
    except LocalProtocolError:
        return
    if not isinstance(frame, Exit):
        assert frame == decode_request(encode_request(frame, frame.attachments, 1).encode())


def mutated(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A few bytes of ``data`` cut, repeated, replaced, or spliced with ``other``."""
    for _ in range(chance.randint(1, 4)):
        begin, end = sorted(chance.randint(0, len(data)) for _ in range(2))
        end = min(end, begin + chance.choice((0, 1, 8, 1000)))
        middle = chance.choice(
            (
                b"",
                data[begin:end] * 2,
                bytes([chance.randint(0, 255)]),
                chance.choice(PIECES),
                other[begin:end],
            )
        )
        data = data[:begin] + middle + data[end:]
    return data


def check(data: bytes) -> None:
    """Whatever the bytes are taken for."""
    check_request(data)
    check_response(data)
    check_beside(data)
    check_message(data)


def main() -> int:
    """Run the loop."""
    seeds = [path.read_bytes() for path in sorted(VECTORS.rglob("*.json"))]
    seeds = [seed for seed in seeds if len(seed) < 4096]

    def attempt(chance: random.Random) -> None:
        check_shown(check, mutated(chance.choice(seeds), chance.choice(seeds), chance))

    return loop.main(attempt)


if __name__ == "__main__":
    sys.exit(main())
