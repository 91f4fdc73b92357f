"""Any bytes in a ring are a frame, or refused with a RemoteProtocolError: nothing else.

    python fuzz/fuzz_shm_frame.py [--seconds N] [--runs N] [--seed N]

Mutates frames. What is accepted says the same after it was written and read again. A frame that breaks this is printed as a
bytes literal, and the exception ends the program.
"""

import random
import sys
from typing import Any, Callable, List, Tuple

import loop
from loop import check_shown

from tech_renaissance._base.errors import RemoteProtocolError
from tech_renaissance._protocol.frame import (
    LONG,
    SHORT,
    Answer,
    Ask,
    Credit,
    Failure,
    Item,
    Progress,
    Request,
    Response,
)
from tech_renaissance._transport.shm import call_frame
from tech_renaissance._transport.shm import frame as shm_frame

Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]

FAILURE = Failure("code", "message", "type", "traceback")
SEEDS = [
    shm_frame.encode_request(Request("command", "parameters", 1, LONG)),
    shm_frame.encode_request(Request("\u6c49", "", 2**62, SHORT)),
    shm_frame.encode_ready({"pid": 1, "python": "3.11", "start_time": 1.5, "nested": [[{}]]}),
    shm_frame.encode_put("tag", (4096, 7)),
    shm_frame.encode_drop("tag"),
    shm_frame.encode_response(
        Response("c", "result", "message", (), FAILURE, 3, SHORT, 2), [(0, (64, 1)), (3, (128, 2))], ""
    ),
    shm_frame.encode_request(
        Request("add", "[[1]]", 1, LONG, 5, typed=True, form=2, streams=True, input=True),
        [(0, (64, 1)), (1, (128, 2))],
    ),
    shm_frame.encode_item(Item(5, "x", 1), [(2, (64, 1))], shm_frame.INPUT_ITEM),
    shm_frame.encode_item(Item(5, last=True), (), shm_frame.INPUT_ITEM),
    call_frame.encode_progress(Progress(5, 0.5, 1.0, "m\u00e9")),
    call_frame.encode_ask(Ask(5, "name", "[[1]]", 2, waiting=True), [(0, (64, 1))]),
    call_frame.encode_answer(Answer(5, "r", 2, (), "m", FAILURE), [(1, (64, 1))]),
    shm_frame.encode_credit(Credit(5, 8)),
    shm_frame.encode_item(Item(5, "x", 1), [(2, (64, 1))]),
    shm_frame.encode_response(Response("", "ok", id=1), (), ""),
    shm_frame.encode_body_in_block(shm_frame.encode_drop("tag"), (64, 5), 8),
    shm_frame.encode_simple(shm_frame.EXITING),
]
NO_COMMAND = "\ud800"  # that of no request, so that none is left out
NUMBERS = [0, 1, 8, 16, 40, 2**16, 2**31 - 1, 2**31, 2**32 - 1]
CHECKS: List[Tuple[Decode, Encode]] = [
    (shm_frame.decode_request, lambda request: shm_frame.encode_request(request, request.attachments)),
    (shm_frame.decode_credit, shm_frame.encode_credit),
    (
        shm_frame.decode_item,
        lambda item: shm_frame.encode_item(item, item.attachments, shm_frame.INPUT_ITEM),
    ),
    (call_frame.decode_progress, call_frame.encode_progress),
    (call_frame.decode_ask, lambda ask: call_frame.encode_ask(ask, ask.attachments)),
    (call_frame.decode_answer, lambda answer: call_frame.encode_answer(answer, answer.attachments)),
    (shm_frame.decode_ready, shm_frame.encode_ready),
    (shm_frame.decode_put, lambda put: shm_frame.encode_put(*put)),
    (shm_frame.decode_drop, shm_frame.encode_drop),
    (
        shm_frame.decode_response,
        lambda response: shm_frame.encode_response(response, response.attachments, NO_COMMAND),
    ),
    (
        shm_frame.decode_body_in_block,
        lambda body: bytes(16) + b"".join(n.to_bytes(8, "little") for n in (*body[0], body[1])),
    ),
]


def check(frame: bytes) -> None:
    """Read a frame as each of the kinds, write it, and read it again."""
    for decode, encode in CHECKS:
        try:
            meaning = decode(frame)
        except RemoteProtocolError:
            continue
        assert same(meaning, decode(encode(meaning)))


def same(one: Any, other: Any) -> bool:
    """Equal, whatever sequences they are made of; NaN equals itself."""
    return repr(one).replace("()", "[]") == repr(other).replace("()", "[]")


def mutated(frame: bytes, chance: random.Random) -> bytes:
    """Some numbers and bytes changed, the end cut off or made longer."""
    data = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        position = chance.randrange(len(data) + 1)
        what = chance.randrange(4)
        if what == 0:
            data[position : position + 1] = bytes([chance.randrange(256)])
        elif what == 1:
            position &= ~3
            data[position : position + 4] = chance.choice(NUMBERS).to_bytes(4, "little")
        elif what == 2:
            del data[position:]
        else:
            data[position:position] = bytes(
                chance.choice((0, 0xFF, 0x5B)) for _ in range(chance.choice((1, 8, 300)))
            )
    return bytes(data)


if __name__ == "__main__":
    sys.exit(loop.main(lambda chance: check_shown(check, mutated(chance.choice(SEEDS), chance))))
