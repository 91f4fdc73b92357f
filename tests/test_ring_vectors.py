"""Python and C++ say the same of every ring frame in spec/vectors, forwards and backwards: C++ as a host, Python as both sides."""

import json
import math
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from cpp_programs import built_program

from tech_renaissance import ProtocolError
from tech_renaissance._protocol.frame import Answer as AnswerFrame
from tech_renaissance._protocol.frame import Ask, Credit, Failure, Item, Progress, Request, Response
from tech_renaissance._transport.shm import call_frame, frame

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "spec" / "vectors" / "ring"
GUEST = built_program("guest_ring")

Answer = Dict[str, Any]
Guest = Callable[[List[Answer]], List[Answer]]

NAMES = {
    frame.REQUEST: "request",
    frame.EXIT: "exit",
    frame.PUT: "put",
    frame.DROP: "drop",
    frame.CREDIT: "credit",
    frame.INPUT_ITEM: "input item",
    frame.ANSWER: "answer",
    frame.READY: "ready",
    frame.RESPONSE: "response",
    frame.EXITING: "exiting",
    frame.ITEM: "item",
    frame.PROGRESS: "progress",
    frame.ASK: "ask",
    frame.INPUT_CREDIT: "input credit",
}
# What a C++ host reads, and what it writes.
CPP_READS = ("response", "item", "progress", "ask", "input credit", "body in block")
CPP_WRITES = ("request", "exit", "credit", "put", "drop", "input item", "answer", "body in block")


DECODERS: Dict[int, Callable[[bytes], Any]] = {
    frame.REQUEST: frame.decode_request,
    frame.CREDIT: frame.decode_credit,
    frame.INPUT_CREDIT: frame.decode_credit,
    frame.ITEM: frame.decode_item,
    frame.INPUT_ITEM: frame.decode_item,
    frame.PROGRESS: call_frame.decode_progress,
    frame.ASK: call_frame.decode_ask,
    frame.ANSWER: call_frame.decode_answer,
    frame.RESPONSE: frame.decode_response,
}
ENCODERS: Dict[str, Callable[[Answer, List[frame.Attached]], bytes]] = {
    "request": lambda values, attached: frame.encode_request(Request(**values), attached),
    "credit": lambda values, _: frame.encode_credit(Credit(**values)),
    "input credit": lambda values, _: frame.encode_credit(Credit(**values), frame.INPUT_CREDIT),
    "item": lambda values, attached: frame.encode_item(Item(**values), attached),
    "input item": lambda values, attached: frame.encode_item(Item(**values), attached, frame.INPUT_ITEM),
    "progress": lambda values, _: call_frame.encode_progress(Progress(**values)),
    "ask": lambda values, attached: call_frame.encode_ask(Ask(**values), attached),
    "answer": lambda values, attached: call_frame.encode_answer(AnswerFrame(**values), attached),
    "response": lambda values, attached: frame.encode_response(Response(**values), attached, ""),
    "put": lambda values, _: frame.encode_put(values["tag"], (values["offset"], values["lease"])),
    "drop": lambda values, _: frame.encode_drop(values["tag"]),
    "ready": lambda values, _: frame.encode_ready(values["info"]),
    "exit": lambda _, __: frame.encode_simple(frame.EXIT),
    "exiting": lambda _, __: frame.encode_simple(frame.EXITING),
}


def _meaning(data: bytes) -> Answer:
    kind, flags = data[4], data[6]
    name = NAMES[kind]
    if flags & frame.FLAG_BODY_IN_BLOCK:
        (offset, lease), nbytes = frame.decode_body_in_block(data)
        meaning = {"of": name, "flags": flags & ~2}
        meaning.update(id=int.from_bytes(data[8:16], "little"), offset=offset, lease=lease, nbytes=nbytes)
        return {"kind": "body in block", **meaning}
    if kind in DECODERS:
        fields = _fields(DECODERS[kind](data))
        if kind == frame.ITEM:
            del fields["last"]
        return {"kind": name, **fields}
    if kind == frame.PUT:
        tag, (offset, lease) = frame.decode_put(data)
        return {"kind": "put", "tag": tag, "offset": offset, "lease": lease}
    if kind == frame.DROP:
        return {"kind": "drop", "tag": frame.decode_drop(data)}
    return {"kind": name, "info": frame.decode_ready(data)} if kind == frame.READY else {"kind": name}


def _fields(read: Any) -> Answer:
    """Those of a frame, as a meaning has them."""
    values = asdict(read)
    if isinstance(read, (Item, Ask)):
        del values["error"]
    if "deadline_ns" in values:
        values["deadline"] = values.pop("deadline_ns")
    if "attachments" in values:
        values["attachments"] = [[kind, *lent] for kind, lent in values["attachments"]]
    if isinstance(read, Progress) and math.isnan(read.total):
        values["total"] = None
    return values


def _encoded(meaning: Answer) -> bytes:
    values = dict(meaning)
    kind = values.pop("kind")
    if kind == "body in block":
        number = {name: number for number, name in NAMES.items()}[values["of"]]
        head = frame._HEADER.pack(0, number, values["flags"], values["id"])
        return frame.encode_body_in_block(head, (values["offset"], values["lease"]), values["nbytes"])
    attached = _attached(values) if "attachments" in values else []
    if values.get("error"):
        values["error"] = Failure(**values["error"])
    if kind == "progress" and values["total"] is None:
        values["total"] = math.nan
    if kind == "request":
        values["deadline_ns"] = values.pop("deadline")
    return ENCODERS[kind](values, attached)


def _attached(values: Answer) -> List[frame.Attached]:
    """The attachments of a meaning, which are taken out of it."""
    return [(kind, (offset, lease)) for kind, offset, lease in values.pop("attachments")]


def _python(questions: List[Answer]) -> List[Answer]:
    """What tests/cpp/guest_ring.cpp does, in Python."""
    answers: List[Answer] = []
    for question in questions:
        try:
            if "meaning" in question:
                answers.append({"hex": _encoded(question["meaning"]).hex()})
            else:
                answers.append({"meaning": _meaning(bytes.fromhex(question["hex"]))})
        except ProtocolError as error:
            answers.append({"code": error.code})
    return answers


def _cpp(questions: List[Answer]) -> List[Answer]:
    if not GUEST.exists():
        pytest.skip(f"{GUEST} is not built")
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    run = subprocess.run([str(GUEST)], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture(name="guest", params=[_python, _cpp], ids=["python", "cpp"])
def _guest(request: pytest.FixtureRequest) -> Guest:
    guest: Guest = request.param
    return guest


def _files(folder: str) -> List[Path]:
    paths = sorted((VECTORS / folder).glob("*.frame"))
    assert paths
    return paths


def _expected(path: Path) -> Answer:
    expected: Answer = json.loads(path.with_suffix(".json").read_text("ascii"))
    return expected


def _differences(paths: List[Path], expected: List[Answer], actual: List[Answer]) -> Dict[str, Any]:
    assert len(expected) == len(actual) == len(paths)
    return {path.name: (e, a) for path, e, a in zip(paths, expected, actual) if e != a}


def test_valid_frames_mean_what_the_vectors_say(guest: Guest) -> None:
    """A frame is decoded to its meaning, whatever stands in its unused bytes."""
    paths = [path for path in _files("valid") if guest is _python or _expected(path)["kind"] in CPP_READS]
    answers = guest([{"hex": path.read_bytes().hex()} for path in paths])
    assert {} == _differences(paths, [{"meaning": _expected(path)} for path in paths], answers)


def test_invalid_frames_are_refused_with_the_code_the_vectors_say(guest: Guest) -> None:
    """Whatever does not add up, however much it claims."""
    paths = [
        path
        for path in _files("invalid")
        if guest is _python or path.name.partition("--")[2].startswith(("response", "body"))
    ]
    answers = guest([{"hex": path.read_bytes().hex()} for path in paths])
    assert {} == _differences(paths, [_expected(path) for path in paths], answers)


def test_meanings_become_the_frames_of_the_vectors(guest: Guest) -> None:
    """Byte for byte; but a JSON text may have other white space and escapes, so that it is read again."""
    paths = [
        path
        for path in _files("valid")
        if not path.name.startswith("read-only-")
        and (guest is _python or _expected(path)["kind"] in CPP_WRITES)
    ]
    answers = guest([{"meaning": _expected(path)} for path in paths])
    for path, answer in zip(paths, answers):
        data = bytes.fromhex(answer["hex"])
        assert _expected(path) == _meaning(data), path.name
        if not (_expected(path)["kind"] == "ready" or _expected(path).get("error")):
            assert path.read_bytes() == data, path.name
