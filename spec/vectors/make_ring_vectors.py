"""Writes ring/: frames as they stand in a ring of shared memory, and what they mean.

    python spec/vectors/make_ring_vectors.py            write the files
    python spec/vectors/make_ring_vectors.py --check    exit 1 if any file differs, is missing or is too many

Only the standard library: what is written here does not depend on the code that it tests.
"""

import json
import struct
import sys
from typing import Any, Dict, Iterator, List, Optional, Tuple

from vector_files import HERE, existing, write_or_check

KINDS = {
    "request": 1, "exit": 2, "put": 3, "drop": 4, "credit": 5, "input item": 6, "answer": 7,
    "ready": 17, "response": 18, "exiting": 19, "item": 20, "progress": 21, "ask": 22, "input credit": 23,
}  # fmt: skip
SHORT, BODY_IN_BLOCK, DEADLINE, TYPED, STREAMS = 1, 2, 4, 8, 64
INPUT = LAST = 128
WAITING = 256
MOST = 2**63 - 1
ERROR = {
    "code": "command_failed",
    "type": "ValueError",
    "message": "no \u00e9",
    "traceback": "line 1\nline 2",
}
INFO = {"pid": 7, "transport": "shm"}

Files = Iterator[Tuple[str, bytes]]


def frame(kind: int, body: bytes = b"", *, flags: int = 0, frame_id: int = 0) -> bytes:
    """A frame of a whole number of words."""
    body += bytes(-len(body) % 8)
    return struct.pack("<IHHQ", 16 + len(body), kind, flags, frame_id) + body


def texts(*parts: bytes) -> bytes:
    """To a whole number of words."""
    joined = b"".join(parts)
    return joined + bytes(-len(joined) % 8)


# Its kind, the offset of its block, and the lease.
Attached = Tuple[int, int, int]


def attachments(attached: Tuple[Attached, ...]) -> bytes:
    """The attachments of a frame, all of them in the sender's arena."""
    return b"".join(struct.pack("<BB6xQQ", kind, 0, offset, lease) for kind, offset, lease in attached)


def request(
    command: str,
    parameters: str = "",
    *,
    frame_id: int = 1,
    short: bool = False,
    deadline: Optional[int] = None,
    typed: bool = False,
    form: int = 0,
    attached: Tuple[Attached, ...] = (),
    streams: bool = False,
    input: bool = False,  # noqa: A002
) -> Tuple[bytes, Dict[str, Any]]:
    """A Request and its meaning."""
    c, p = command.encode(), parameters.encode()
    body = struct.pack("<II", len(c), len(p)) + texts(c, p) + attachments(attached)
    if deadline is not None:
        body += struct.pack("<Q", deadline)
    flags = (
        (SHORT if short else 0)
        | (DEADLINE if deadline is not None else 0)
        | (TYPED if typed else 0)
        | form << 4
    )
    flags |= (STREAMS if streams else 0) | (INPUT if input else 0)
    meaning = {
        "kind": "request",
        "dialect": "short" if short else "long",
        "id": frame_id or None,
        "command": command,
        "parameters": parameters,
        "deadline": deadline,
        "typed": typed,
        "form": form,
        "attachments": [list(one) for one in attached],
        "streams": streams,
        "input": input,
    }
    return frame(KINDS["request"], body, flags=flags, frame_id=frame_id), meaning


def response(
    result: str = "ok",
    *,
    command: str = "",
    message: str = "",
    error: Optional[Dict[str, str]] = None,
    attached: Tuple[Attached, ...] = (),
    form: int = 0,
    frame_id: int = 1,
    short: bool = False,
) -> Tuple[bytes, Dict[str, Any]]:
    """A Response and its meaning."""
    parts = [
        command.encode(),
        result.encode(),
        message.encode(),
        json.dumps(error).encode() if error else b"",
    ]
    body = struct.pack("<6I", *map(len, parts), len(attached), 0) + texts(*parts) + attachments(attached)
    meaning = {
        "kind": "response",
        "dialect": "short" if short else "long",
        "id": frame_id or None,
        "command": command,
        "result": result,
        "message": message,
        "error": error,
        "form": form,
        "attachments": [list(one) for one in attached],
    }
    flags = (SHORT if short else 0) | form << 4
    return frame(KINDS["response"], body, flags=flags, frame_id=frame_id), meaning


def item(
    result: str, *, form: int = 0, attached: Tuple[Attached, ...] = (), frame_id: int = 1, kind: str = "item"
) -> Tuple[bytes, Dict[str, Any]]:
    """An Item and its meaning; as a kind, that of a host is an "input item"."""
    data = result.encode()
    body = struct.pack("<6I", 0, len(data), 0, 0, len(attached), 0) + texts(data) + attachments(attached)
    meaning = {
        "kind": kind,
        "id": frame_id,
        "result": result,
        "form": form,
        "attachments": [list(one) for one in attached],
    }
    if kind == "input item":
        meaning["last"] = False
    return frame(KINDS[kind], body, flags=form << 4, frame_id=frame_id), meaning


def last_item(frame_id: int = 1) -> Tuple[bytes, Dict[str, Any]]:
    """The end of an input, and its meaning."""
    meaning = {"kind": "input item", "id": frame_id, "result": "", "form": 0, "attachments": [], "last": True}
    return frame(KINDS["input item"], flags=LAST, frame_id=frame_id), meaning


def credit(frame_id: int, count: int, kind: str = "credit") -> Tuple[bytes, Dict[str, Any]]:
    """A Credit and its meaning; as a kind, that of a worker is an "input credit"."""
    data = frame(KINDS[kind], struct.pack("<II", count, 0), frame_id=frame_id)
    return data, {"kind": kind, "id": frame_id, "count": count}


def progress(
    done: float, total: Optional[float] = None, message: str = "", frame_id: int = 1
) -> Tuple[bytes, Dict[str, Any]]:
    """A Progress and its meaning, in which a total that is not known is null."""
    text = message.encode()
    nan = struct.unpack("<d", struct.pack("<Q", 0x7FF8 << 48))[0]
    numbers = struct.pack("<ddII", done, nan if total is None else total, len(text), 0)
    meaning = {"kind": "progress", "id": frame_id, "done": done, "total": total, "message": message}
    return frame(KINDS["progress"], numbers + text, frame_id=frame_id), meaning


def ask(
    name: str,
    parameters: str = "",
    *,
    form: int = 0,
    attached: Tuple[Attached, ...] = (),
    frame_id: int = 1,
    waiting: bool = False,
) -> Tuple[bytes, Dict[str, Any]]:
    """An Ask and its meaning."""
    c, p = name.encode(), parameters.encode()
    body = struct.pack("<II", len(c), len(p)) + texts(c, p) + attachments(attached)
    meaning = {
        "kind": "ask",
        "id": frame_id,
        "command": name,
        "parameters": parameters,
        "form": form,
        "attachments": [list(one) for one in attached],
        "waiting": waiting,
    }
    flags = form << 4 | (WAITING if waiting else 0)
    return frame(KINDS["ask"], body, flags=flags, frame_id=frame_id), meaning


def answer(
    result: str = "",
    *,
    message: str = "",
    error: Optional[Dict[str, str]] = None,
    attached: Tuple[Attached, ...] = (),
    form: int = 0,
    frame_id: int = 1,
) -> Tuple[bytes, Dict[str, Any]]:
    """An Answer and its meaning."""
    parts = [result.encode(), message.encode(), json.dumps(error).encode() if error else b""]
    body = struct.pack("<6I", 0, *map(len, parts), len(attached), 0) + texts(*parts) + attachments(attached)
    meaning = {
        "kind": "answer",
        "id": frame_id,
        "result": result,
        "message": message,
        "error": error,
        "form": form,
        "attachments": [list(one) for one in attached],
    }
    return frame(KINDS["answer"], body, flags=form << 4, frame_id=frame_id), meaning


def put(tag: str, offset: int, lease: int) -> Tuple[bytes, Dict[str, Any]]:
    """A Put and its meaning."""
    data = tag.encode()
    body = struct.pack("<QQII", offset, lease, len(data), 0) + data
    return frame(KINDS["put"], body), {"kind": "put", "tag": tag, "offset": offset, "lease": lease}


def drop(tag: str) -> Tuple[bytes, Dict[str, Any]]:
    """A Drop and its meaning."""
    data = tag.encode()
    return frame(KINDS["drop"], struct.pack("<II", len(data), 0) + data), {"kind": "drop", "tag": tag}


def ready(info: Dict[str, Any]) -> Tuple[bytes, Dict[str, Any]]:
    """A Ready and its meaning."""
    text = json.dumps(info).encode()
    return frame(KINDS["ready"], struct.pack("<II", len(text), 0) + text), {"kind": "ready", "info": info}


def in_block(
    kind: str, flags: int, frame_id: int, block: Tuple[int, int], nbytes: int
) -> Tuple[bytes, Dict[str, Any]]:
    """What stands for a large frame whose body is in a block, and its meaning."""
    data = frame(
        KINDS[kind], struct.pack("<QQQ", *block, nbytes), flags=flags | BODY_IN_BLOCK, frame_id=frame_id
    )
    meaning = {"kind": "body in block", "of": kind, "flags": flags, "id": frame_id}
    return data, {**meaning, "offset": block[0], "lease": block[1], "nbytes": nbytes}


VALID: Dict[str, Tuple[bytes, Dict[str, Any]]] = {
    "request": request("matmul", "a b"),
    "request-without-parameters": request("x"),
    "request-of-whole-words": request("12345678", "12345678"),
    "request-short": request("x", "y", short=True),
    "request-largest-id": request("x", frame_id=MOST),
    "request-deadline": request("x", deadline=1),
    "request-deadline-short": request("odd", "number", short=True, deadline=MOST),
    "request-typed": request("hello", "world", typed=True),
    "request-typed-json": request("f", "[[1],{}]", typed=True, form=2, deadline=7, short=True),
    "request-typed-attachments": request(
        "add", typed=True, form=1, attached=((0, 0, 1), (2, 2**40 - 256, MOST))
    ),
    "request-that-streams": request("generate", "hello", typed=True, streams=True),
    "request-with-an-input": request("train", '[[{"$in":0}]]', typed=True, form=2, input=True, deadline=5),
    "request-that-streams-an-input": request(
        "map", '[[{"$in":0}]]', typed=True, form=2, streams=True, input=True
    ),
    "request-attachments-and-deadline": request(
        "sum", "$0 $1", attached=((0, 64, 1), (0, 64, 1)), deadline=5
    ),
    "request-not-ascii": request("\u95ee", "\u00e9 \U0001f600 \0"),
    "exit": (frame(KINDS["exit"]), {"kind": "exit"}),
    "put": put("weights", 64, 1),
    "put-largest": put("\u00e9" * 64, 2**40 - 192, MOST),
    "drop": drop("weights"),
    "drop-longest": drop("a" * 128),
    "ready": ready(INFO),
    "response": response(),
    "response-empty": response(""),
    "response-command": response("r", command="other"),
    "response-message": response("invalid", message="no tensor"),
    "response-error": response("error", message="ValueError: no \u00e9", error=ERROR),
    "response-short": response("r", short=True),
    "response-largest-id": response("r", frame_id=MOST),
    "response-without-id": response("r", frame_id=0),
    "response-attachment": response("r", attached=((0, 64, 1),)),
    "response-attachments": response(
        "12345678", command="c", message="m", attached=((0, 0, 1), (3, 2**40 - 256, MOST), (1, 64, 2))
    ),
    "response-value": response('{"a":1}', form=2),
    "response-null": response("", form=1),
    "response-tensor": response("", form=1, attached=((0, 64, 1),)),
    "response-not-ascii": response("\u95ee \U0001f600 \0"),
    "credit": credit(3, 8),
    "credit-largest": credit(MOST, 2**32 - 1),
    "item": item("token"),
    "item-attachments": item("", form=1, attached=((0, 64, 1), (1, 128, 2)), frame_id=MOST),
    "input-credit": credit(3, 8, "input credit"),
    "input-item": item("token", kind="input item"),
    "input-item-attachments": item(
        "", form=1, attached=((0, 64, 1), (1, 128, 2)), frame_id=MOST, kind="input item"
    ),
    "input-item-last": last_item(),
    "progress": progress(0.5),
    "progress-of-a-total": progress(-0.0, 1e300, "r\u00e9sum\u00e9", MOST),
    "ask": ask("price", "apple"),
    "ask-waiting": ask("sum", "[[1,2],{}]", form=2, frame_id=MOST, waiting=True),
    "ask-attachments": ask("add", form=1, attached=((0, 0, 1), (2, 2**40 - 256, MOST))),
    "answer": answer("r"),
    "answer-null": answer(form=1),
    "answer-error": answer("error", message="ValueError: no \u00e9", error=ERROR),
    "answer-attachment": answer('[{"$":0}]', form=2, attached=((1, 64, 1),), frame_id=MOST),
    "exiting": (frame(KINDS["exiting"]), {"kind": "exiting"}),
    "body-in-block-request": in_block("request", 0, 3, (4096, 2), 100_000),
    "body-in-block-request-deadline": in_block("request", DEADLINE, 3, (0, 1), 65_537),
    "body-in-block-response": in_block("response", SHORT, MOST, (2**40 - 256, MOST), 2**32),
}


def with_garbage(data: bytes, text: bytes) -> bytes:
    """Other bytes than zeros after the last text."""
    end = data.rindex(text) + len(text)
    return data[:end] + b"\xff" * (len(data) - end)


# What a reader takes though no writer writes it.
READ_ONLY: Dict[str, Tuple[bytes, Dict[str, Any]]] = {
    "request-unused-bytes": (with_garbage(request("x", "y")[0], b"y"), request("x", "y")[1]),
    "put-unused-bytes": (with_garbage(put("tag", 64, 1)[0], b"tag"), put("tag", 64, 1)[1]),
    "drop-unused-bytes": (with_garbage(drop("tag")[0], b"tag"), drop("tag")[1]),
    "response-unused-bytes": (with_garbage(response("result")[0], b"result"), response("result")[1]),
}


def raw_request(n_command: int, n_parameters: int, body: bytes, frame_id: int = 1, flags: int = 0) -> bytes:
    """One that may lie about its texts and attachments."""
    head = struct.pack("<II", n_command, n_parameters)
    return frame(KINDS["request"], head + body, flags=flags, frame_id=frame_id)


def raw_response(counts: List[int], body: bytes, frame_id: int = 1) -> bytes:
    """One that may lie about its texts and attachments."""
    return frame(KINDS["response"], struct.pack("<6I", *counts) + body, frame_id=frame_id)


def raw_tag(kind: str, nbytes: int, tag: bytes) -> bytes:
    """A Put or Drop that may lie about its tag."""
    block = struct.pack("<QQ", 64, 1) if kind == "put" else b""
    return frame(KINDS[kind], block + struct.pack("<II", nbytes, 0) + tag)


INVALID: Dict[str, bytes] = {
    "bad_frame--request-header-alone": frame(KINDS["request"]),
    "bad_frame--request-empty-command": raw_request(0, 1, b"p"),
    "bad_frame--request-command-beyond-the-end": raw_request(9, 0, b"12345678"),
    "bad_frame--request-parameters-beyond-the-end": raw_request(4, 2**32 - 4, b"12345678"),
    "bad_frame--request-id-beyond-63-bits": raw_request(1, 0, b"x", 2**63),
    "bad_frame--request-not-utf-8": raw_request(1, 1, b"x\xff"),
    "bad_frame--request-surrogate": raw_request(3, 0, b"\xed\xa0\x80"),
    "bad_frame--request-text-cut-in-a-character": raw_request(1, 1, "\u00e9".encode()),
    "bad_frame--request-of-no-form": raw_request(1, 0, b"x", flags=3 << 4),
    "bad_frame--request-deadline-in-its-text": raw_request(1, 7, b"12345678", flags=DEADLINE),
    "bad_frame--request-attachment-cut": raw_request(1, 0, b"x" + bytes(7) + bytes(16)),
    "bad_frame--request-attachment-cut-by-the-deadline": raw_request(
        1, 0, b"x" + bytes(7) + bytes(24), flags=DEADLINE
    ),
    "bad_frame--request-attachment-of-no-kind": raw_request(1, 0, b"x" + bytes(7) + b"\4" + bytes(23)),
    "bad_frame--request-attachment-elsewhere": raw_request(1, 0, b"x" + bytes(7) + b"\0\1" + bytes(22)),
    "bad_frame--put-header-alone": frame(KINDS["put"]),
    "bad_frame--put-tag-beyond-the-end": raw_tag("put", 9, b"12345678"),
    "bad_frame--put-not-utf-8": raw_tag("put", 1, b"\x80"),
    "bad_frame--drop-header-alone": frame(KINDS["drop"]),
    "bad_frame--drop-tag-beyond-the-end": raw_tag("drop", 2**32 - 1, b"12345678"),
    "bad_frame--drop-not-utf-8": raw_tag("drop", 2, b"\xc0\x80"),
    "bad_frame--ready-not-json": frame(KINDS["ready"], struct.pack("<II", 1, 0) + b"{"),
    "bad_frame--ready-no-object": frame(KINDS["ready"], struct.pack("<II", 2, 0) + b"[]"),
    "bad_frame--ready-beyond-the-end": frame(KINDS["ready"], struct.pack("<II", 9, 0) + b"{}      "),
    "bad_frame--credit-header-alone": frame(KINDS["credit"], frame_id=1),
    "bad_frame--item-header-alone": frame(KINDS["item"], frame_id=1),
    "bad_frame--item-of-no-form": frame(
        KINDS["item"], struct.pack("<6I", 0, 1, 0, 0, 0, 0) + b"x", flags=3 << 4, frame_id=1
    ),
    "bad_frame--item-attachment-beyond-the-end": frame(
        KINDS["item"], struct.pack("<6I", 0, 0, 0, 0, 1, 0), frame_id=1
    ),
    "bad_frame--input-credit-header-alone": frame(KINDS["input credit"], frame_id=1),
    "bad_frame--input-item-header-alone": frame(KINDS["input item"], frame_id=1),
    "bad_frame--input-item-last-id-beyond-63-bits": frame(KINDS["input item"], flags=LAST, frame_id=2**63),
    "bad_frame--progress-header-alone": frame(KINDS["progress"], frame_id=1),
    "bad_frame--progress-message-beyond-the-end": frame(
        KINDS["progress"], struct.pack("<ddII", 0, 0, 9, 0) + bytes(8), frame_id=1
    ),
    "bad_frame--progress-not-utf-8": frame(
        KINDS["progress"], struct.pack("<ddII", 0, 0, 1, 0) + b"\xff", frame_id=1
    ),
    "bad_frame--progress-id-beyond-63-bits": frame(
        KINDS["progress"], struct.pack("<ddII", 0, 0, 0, 0), frame_id=2**63
    ),
    "bad_frame--ask-header-alone": frame(KINDS["ask"], frame_id=1),
    "bad_frame--ask-without-name": frame(KINDS["ask"], struct.pack("<II", 0, 1) + b"p", frame_id=1),
    "bad_frame--ask-parameters-beyond-the-end": frame(
        KINDS["ask"], struct.pack("<II", 4, 5) + b"12345678", frame_id=1
    ),
    "bad_frame--ask-not-utf-8": frame(KINDS["ask"], struct.pack("<II", 1, 1) + b"x\xff", frame_id=1),
    "bad_frame--ask-of-no-form": frame(
        KINDS["ask"], struct.pack("<II", 1, 0) + b"x", flags=3 << 4, frame_id=1
    ),
    "bad_frame--ask-attachment-cut": frame(
        KINDS["ask"], struct.pack("<II", 1, 0) + b"x" + bytes(7) + bytes(16), frame_id=1
    ),
    "bad_frame--ask-id-beyond-63-bits": frame(KINDS["ask"], struct.pack("<II", 1, 0) + b"x", frame_id=2**63),
    "bad_frame--answer-header-alone": frame(KINDS["answer"], frame_id=1),
    "bad_frame--answer-result-beyond-the-end": frame(
        KINDS["answer"], struct.pack("<6I", 0, 9, 0, 0, 0, 0) + bytes(8), frame_id=1
    ),
    "bad_frame--response-header-alone": frame(KINDS["response"]),
    "bad_frame--response-counts-cut": frame(KINDS["response"], bytes(16), frame_id=1),
    "bad_frame--response-command-beyond-the-end": raw_response([9, 0, 0, 0, 0, 0], bytes(8)),
    "bad_frame--response-result-beyond-the-end": raw_response([0, 9, 0, 0, 0, 0], bytes(8)),
    "bad_frame--response-message-beyond-the-end": raw_response([0, 0, 2**32 - 1, 0, 0, 0], bytes(8)),
    "bad_frame--response-error-beyond-the-end": raw_response([0, 0, 0, 9, 0, 0], bytes(8)),
    "bad_frame--response-texts-beyond-the-end": raw_response([2**32 - 1] * 4 + [0, 0], bytes(8)),
    "bad_frame--response-attachment-beyond-the-end": raw_response([0, 8, 0, 0, 1, 0], bytes(24)),
    "bad_frame--response-attachment-of-no-kind": raw_response([0, 0, 0, 0, 1, 0], b"\xff" + bytes(23)),
    "bad_frame--response-attachment-elsewhere": raw_response([0, 0, 0, 0, 1, 0], b"\0\1" + bytes(22)),
    "bad_frame--response-very-many-attachments": raw_response([0, 0, 0, 0, 2**32 - 1, 0], bytes(16)),
    "bad_frame--response-id-beyond-63-bits": raw_response([0, 1, 0, 0, 0, 0], b"r", 2**63),
    "bad_frame--response-not-utf-8": raw_response([0, 1, 0, 0, 0, 0], b"\xff"),
    "bad_frame--response-command-not-utf-8": raw_response([1, 0, 0, 0, 0, 0], b"\xff"),
    "bad_frame--response-message-surrogate": raw_response([0, 0, 3, 0, 0, 0], b"\xed\xb0\x80"),
    "bad_frame--response-error-not-utf-8": raw_response([0, 0, 0, 4, 0, 0], b'{"\xff"'),
    "bad_json--response-error-not-json": raw_response([0, 0, 0, 4, 0, 0], b"{x:1"),
    "bad_frame--response-error-no-object": raw_response([0, 0, 0, 2, 0, 0], b"[]"),
    "bad_frame--response-error-without-code": raw_response([0, 0, 0, 2, 0, 0], b"{}"),
    "bad_frame--body-in-block-header-alone": frame(KINDS["response"], flags=BODY_IN_BLOCK, frame_id=1),
    "bad_frame--body-in-block-without-size": frame(
        KINDS["response"], bytes(16), flags=BODY_IN_BLOCK, frame_id=1
    ),
}


def dump(value: Any) -> bytes:
    """JSON for people and programs."""
    return (json.dumps(value, indent=2) + "\n").encode()


def vectors() -> Files:
    """Every file, as (path, bytes)."""
    for name, (data, meaning) in VALID.items():
        yield f"ring/valid/{name}.frame", data
        yield f"ring/valid/{name}.json", dump(meaning)
    for name, (data, meaning) in READ_ONLY.items():
        yield f"ring/valid/read-only-{name}.frame", data
        yield f"ring/valid/read-only-{name}.json", dump(meaning)
    for name, data in INVALID.items():
        yield f"ring/invalid/{name}.frame", data
        yield f"ring/invalid/{name}.json", dump({"code": name.partition("--")[0]})


def main() -> int:
    """Write the files, or with --check compare them."""
    return write_or_check(dict(vectors()), existing((HERE / "ring").rglob("*")))


if __name__ == "__main__":
    sys.exit(main())
